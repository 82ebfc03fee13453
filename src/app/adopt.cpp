#include "app/adopt.hpp"

#include <unistd.h>

#include <algorithm>

#include "app/name_claim.hpp"
#include "app/sessions.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "base/user.hpp"
#include "domain/naming.hpp"
#include "domain/request_rules.hpp"

namespace agentctl {
namespace {

Error cannot_adopt(pid_t pid, ErrorCode code, std::string reason, std::string hint) {
  return Error({.code = code,
                .context = "cannot adopt process",
                .object = std::to_string(pid),
                .reason = std::move(reason),
                .hint = std::move(hint)});
}

// The session that a control group belongs to; empty: none.
std::string session_of(const std::string& control_group) {
  for (std::string_view left = control_group; !left.empty();)
    if (auto name = name_from_unit(take_until(left, '/'))) return std::move(*name);
  return {};
}

Process adoptable(const Context& context, pid_t pid) {
  auto process = find_process(pid);
  if (!process)
    throw cannot_adopt(pid, ErrorCode::not_found, "there is no such process", "ps -u " + context.asker.user);
  if (process->uid != context.asker.uid)
    throw cannot_adopt(pid, ErrorCode::not_permitted, "it belongs to " + user_name(process->uid),
                       "sudo -u " + user_name(process->uid) + " agentctl adopt " + std::to_string(pid));
  if (pid == 1 || process->command.empty())
    throw cannot_adopt(pid, ErrorCode::usage, pid == 1 ? "it is systemd" : "it runs no program",
                       "ps -u " + context.asker.user);
  if (const std::string name = session_of(process->control_group); !name.empty())
    throw cannot_adopt(pid, ErrorCode::conflict, "session '" + name + "' has it already", "agentctl status " + name);
  return std::move(*process);
}

// What systemd cannot move has ended meanwhile, or will be found again. False when it was not moved.
bool attach(Context& context, const std::string& unit, const std::vector<pid_t>& processes) {
  try {
    context.engine.attach(unit, processes);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::unreachable) throw;
    return false;
  }
  return true;
}

// The process and what descends from it, parents first, as far as it is to be moved: not a zombie, not what a session
// has already, and not this agentctl, for a shell can adopt itself.
std::vector<Process> movable_tree(pid_t pid) {
  std::vector<Process> tree;
  for (const pid_t other : process_tree(pid)) {
    auto process = other == ::getpid() ? std::nullopt : find_process(other);
    if (process && !process->is_zombie && session_of(process->control_group).empty())
      tree.push_back(std::move(*process));
  }
  return tree;
}

// A user's manager cannot move another's process, and what it leaves behind would be of no session.
void refuse_strangers(const Context& context, pid_t pid) {
  if (context.scope == ManagerScope::system) return;
  for (const Process& process : movable_tree(pid))
    if (process.uid != context.asker.uid)
      throw cannot_adopt(pid, ErrorCode::not_permitted,
                         "process " + std::to_string(process.pid) + ", which descends from it, belongs to " +
                             user_name(process.uid),
                         "sudo agentctl --system adopt " + std::to_string(pid));
}

// One that has ended makes systemd refuse all that it is named with, so that each is then moved alone; what a parent
// starts once it has been moved is inside. What was born meanwhile is found in the next round.
void fetch_descendants(Context& context, const std::string& unit, pid_t pid) {
  for (int round = 0; round < 10; ++round) {
    std::vector<pid_t> outside;
    for (const Process& process : movable_tree(pid)) outside.push_back(process.pid);
    if (outside.empty()) return;
    if (attach(context, unit, outside)) continue;
    for (const pid_t process : outside) attach(context, unit, {process});
  }
}

}  // namespace

Session adopt_process(Context& context, pid_t pid, SessionRequest request) {
  const Process process = adoptable(context, pid);
  refuse_strangers(context, pid);
  PreparedLaunch prepared;
  Record& record = prepared.launch.record;
  record.id = random_id(id_length);
  request.command = process.command;
  request.cwd = process.cwd.empty() ? "/" : process.cwd;
  request.kind = SessionKind::scope;
  request.adopted = true;
  if (request.name.empty()) request.name = default_name(request.command.front(), record.id);
  check_request(request);
  record.unit = unit_name(request.name, request.kind);
  record.scope = context.scope;
  record.request = std::move(request);
  record.created_by = context.asker;
  record.created_at = now();
  record.boot_id = context.boot_id;
  // systemd counts from now, not from the start of the process.
  if (record.request.ttl && *record.request.ttl != forever) record.expires_at = record.created_at + *record.request.ttl;
  prepared.launch.executable = process.command.front();
  prepared.launch.registry = context.registry.root();
  prepared.spec = unit_spec(context, record);
  // systemd starts no scope when one of its processes ends just then: the others follow.
  prepared.spec.processes = {pid};

  const ClaimedLaunch claimed = std::get<ClaimedLaunch>(claim_launch(context, prepared, {}));
  HostNote note;
  note.pid = pid;
  note.started_at = process.started_at;
  write_file(claimed.held.folder + "/" + host_note_file, to_json(note));
  const StartResult result = start_claimed(context, record, prepared.spec);
  if (!result.started) {
    context.registry.discard(record);
    context.runtime.remove(record.id);
    throw cannot_adopt(pid, ErrorCode::failed, "systemd job result '" + result.job_result + "'",
                       unit_log_command(record));
  }
  fetch_descendants(context, record.unit, pid);
  return observe(context, record);
}

}  // namespace agentctl
