#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/control_group.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/leftovers.hpp"
#include "base/system.hpp"
#include "base/text.hpp"
#include "domain/end_of_session.hpp"
#include "domain/naming.hpp"
#include "domain/restart.hpp"
#include "host/notifier.hpp"
#include "store/registry.hpp"
#include "store/runtime_folder.hpp"

// The recorder: systemd runs it (ExecStopPost=) when a session's unit has ended for any cause, and it writes down how.
// $SERVICE_RESULT, $EXIT_CODE and $EXIT_STATUS are described in systemd.exec(5).

namespace agentctl {
namespace {

std::string variable(const char* name) {
  const char* value = ::getenv(name);
  return value != nullptr ? value : "";
}

// What recording and starting what follows may take, when many others do so, too.
constexpr std::chrono::minutes own_time{5};

struct Place {
  RuntimeFolders runtime;
  std::string id;
  ManagerScope scope;
};

Place parse_place(const std::string& folder) {
  const auto slash = folder.find_last_of('/');
  if (slash == std::string::npos || !is_valid_id(folder.substr(slash + 1)))
    throw Error({.code = ErrorCode::usage,
                 .context = "not a session's runtime folder:",
                 .object = folder,
                 .reason = {},
                 .hint = {}});
  const std::string base = folder.substr(0, slash);
  const ManagerScope scope = base == runtime_base(ManagerScope::system, {}) ? ManagerScope::system : ManagerScope::user;
  return {.runtime = RuntimeFolders(base), .id = folder.substr(slash + 1), .scope = scope};
}

// In the system scope the folder may belong to the user that the session runs as, and everything in it is that user's
// word: it says what the command did, but never which files root writes.
std::string registry_of(const Place& place, const std::optional<Launch>& launch) {
  if (place.scope == ManagerScope::user && launch && launch->registry.starts_with('/')) return launch->registry;
  return registry_place(place.scope, variable("HOME"), ::getenv("XDG_STATE_HOME")).root;
}

std::optional<Launch> readable_launch(const Place& place) {
  try {
    return place.runtime.launch(place.id);
  } catch (const Error& error) {
    std::fprintf(stderr, "agentctl recorder: %s\n", error.what());
    return std::nullopt;
  }
}

std::optional<Record> find_record(Registry& registry, const Place& place, const std::optional<Launch>& launch) {
  for (Record& record : registry.by_id_prefix(place.id)) return std::move(record);
  // The registry was deleted while the session ran.
  if (launch && launch->record.id == place.id && launch->record.scope == place.scope) return launch->record;
  return std::nullopt;
}

// Asked of systemctl, which speaks to the manager's own socket: a bus may be gone when the host goes down.
ManagerJob job_of(const std::string& unit, ManagerScope scope) {
  const CommandOutput jobs = run_command({"systemctl", scope == ManagerScope::user ? "--user" : "--system", "list-jobs",
                                          "--no-legend", "--plain", "--full", "--no-pager"});
  ManagerJob job = ManagerJob::none;
  std::string_view left = jobs.text;
  while (!left.empty()) {
    const std::string line = " " + std::string(take_line(left)) + " ";
    const auto says = [&](std::string_view word) {
      return line.find(" " + std::string(word) + " ") != std::string::npos;
    };
    if (says("shutdown.target") && says("start")) return ManagerJob::shutdown;
    if (!says(unit)) continue;
    if (says("stop")) job = ManagerJob::stop;
    if (says("restart")) job = ManagerJob::restart;
  }
  return job;
}

// Whatever group of the unit they are in: .control, where systemd puts us, may be the session's to move into.
std::vector<pid_t> leftovers_in(const std::string& group) {
  std::vector<pid_t> pids = read_processes(group);
  std::erase(pids, ::getpid());
  return pids;
}

// What is told here frees slots, names and ports, so nothing of the session may live. On a stop systemd runs us as soon
// as the host is dead, whatever else is in the unit (SERVICE_STOP_SIGTERM in its service.c), and would give that
// another stop timeout after us.
void await_leftovers(const Record& record, const Place& place, const Notifier& manager) {
  const std::string group = own_unit_group();
  // Only what is systemd's to kill: somebody may run this by hand.
  if (!group.ends_with("/" + record.unit) || leftovers_in(group).empty()) return;
  constexpr std::chrono::seconds unkillable_limit{5};
  constexpr std::chrono::hours for_ever{24 * 365 * 10};
  const microseconds grace = std::min<microseconds>(grace_left(record, place.runtime.note(place.id), now()), for_ever);
  manager.extend_timeout(grace + own_time);
  const Monotonic kill_at = std::chrono::steady_clock::now() + grace;
  if (!end_leftovers([&] { return leftovers_in(group); }, kill_at, kill_at + unkillable_limit))
    std::fprintf(stderr, "agentctl recorder: SIGKILL has not ended all of %s\n", record.unit.c_str());
}

EndEvidence gather(const Record& record, const Place& place) {
  EndEvidence evidence;
  evidence.service_result = variable("SERVICE_RESULT");
  evidence.exit_code = variable("EXIT_CODE");
  evidence.exit_status = variable("EXIT_STATUS");
  evidence.invocation_id = variable("INVOCATION_ID");
  evidence.note = place.runtime.note(place.id);
  evidence.at = now();
  // OOMPolicy=continue leaves the result to the signal; the kernel's own count says what it was.
  if (evidence.service_result == "signal" && count_oom_kills(own_unit_group()) > 0)
    evidence.service_result = "oom-kill";
  if (needs_manager_job(record, evidence)) evidence.job = job_of(record.unit, place.scope);
  return evidence;
}

// The plan comes first: should we be killed after it, the next attempt has its delay and its limit all the same.
void begin_next_attempt(Registry& registry, const Place& place, Record record, const End& end, const AfterEnd* next) {
  const std::string name = record.request.name;
  begin_attempt(record, end, next);
  if (next != nullptr) {
    place.runtime.plan_attempt(place.id, {.not_before = next->retry_at, .expires_at = expiry(record, end.started_at)});
  } else {
    place.runtime.forget_attempt(place.id);
  }
  // Without a record nobody would count the early ends: the registry may have been deleted.
  if (!registry.update(name, place.id, [&](Record& stored) { begin_attempt(stored, end, next); }))
    registry.create(record);
  const std::string folder = place.runtime.folder(place.id);
  remove_file(folder + "/" + host_note_file);
  remove_file(folder + "/" + health_note_file);
}

// systemd does not restart what it is asked to stop, also when that has ended already (systemd.service(5), Restart=).
void forbid_restart(const Record& record, const Place& place) {
  if (record.request.restart.policy == RestartPolicy::no) return;
  run_command(
      {"systemctl", place.scope == ManagerScope::user ? "--user" : "--system", "--no-block", "stop", record.unit});
}

void remove_time_limit(const Record& record, const Place& place) {
  const std::string base = place.scope == ManagerScope::system ? "/run" : variable("XDG_RUNTIME_DIR");
  remove_directory(base + "/systemd/transient/" + record.unit + ".d");
}

// What follows is the starter's: it speaks D-Bus, and runs only when there is something to follow. Where it fails the
// unit has failed, and systemd starts a reconcile (UnitSpec::when_unrecorded).
int follow_end(const Record& record, const Place& place, const Registry& registry, const std::string& self) {
  if (record.request.pool.name.empty() && !record.flow && record.request.on_end.empty()) return 0;
  const std::string starter = self.substr(0, self.find_last_of('/')) + "/starter";
  return run_command({starter, to_string(place.scope), registry.root(), record.request.name, record.id}).status;
}

// What goes on after a reboot or logout waits for it from now on.
bool is_queued_for_later(Registry& registry, const Record& record, const End& end) {
  if (end.state != State::lost || !record.request.persist) return false;
  return registry.update(record.request.name, record.id, [&](Record& stored) { queue_next_attempt(stored, end); })
      .has_value();
}

int record_end(const std::string& folder, const std::string& self) {
  // First: until then systemd gives us no more time than the session has from SIGTERM to SIGKILL.
  const Notifier manager(variable("NOTIFY_SOCKET"));
  manager.extend_timeout(own_time);
  const Place place = parse_place(folder);
  const auto launch = readable_launch(place);
  Registry registry(registry_of(place, launch));
  auto record = find_record(registry, place, launch);
  if (!record) {
    std::fprintf(stderr, "agentctl recorder: no record of session %s\n", place.id.c_str());
    place.runtime.remove(place.id);
    return 1;
  }
  // Its start was given up on and it waits for another one: this unit has run nothing.
  if (record->queued != Queued::no) return 0;
  await_leftovers(*record, place, manager);
  // Who stops it while we wait has written down why.
  record = find_record(registry, place, launch).value_or(*record);
  const EndEvidence evidence = gather(*record, place);
  End end = decide_end(*record, evidence);
  const ControlGroupUsage usage = read_usage(own_unit_group());
  end.usage.cpu_ns = usage.cpu_ns;
  end.usage.memory_peak_bytes = usage.memory_peak_bytes;
  const AfterEnd after = after_end(*record, evidence, end);
  if (after.step == AfterEnd::Step::retry) {
    begin_next_attempt(registry, place, *record, end, &after);
    return 0;
  }
  remove_time_limit(*record, place);
  if (end.state == State::restarting) {
    begin_next_attempt(registry, place, *record, end, nullptr);
    return 0;
  }
  if (after.step == AfterEnd::Step::park) {
    end.state = State::parked;
    end.reason = after.reason;
  }
  forbid_restart(*record, place);
  const bool goes_on = is_queued_for_later(registry, *record, end);
  const bool ended = !goes_on && registry.finish(*record, end);
  place.runtime.remove(place.id);
  // Nothing starts while the manager goes down; what waits still does afterwards.
  const bool follows = ended && evidence.job != ManagerJob::shutdown;
  return follows && follow_end(*record, place, registry, self) != 0 ? 1 : 0;
}

}  // namespace
}  // namespace agentctl

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: recorder RUNTIME_DIR   (run by systemd, see agentctl(1))\n", stderr);
    return 2;
  }
  try {
    return agentctl::record_end(argv[1], argv[0]);
  } catch (const std::exception& error) {
    // The runtime folder stays: `agentctl reconcile` finds the host's note in it.
    std::fprintf(stderr, "agentctl recorder: %s\n", error.what());
    return 1;
  }
}
