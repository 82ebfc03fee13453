#include <algorithm>

#include "app/sessions.hpp"
#include "base/system.hpp"
#include "base/text.hpp"
#include "cli/columns.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/selection.hpp"
#include "cli/session_text.hpp"
#include "cli/verb.hpp"
#include "domain/naming.hpp"

namespace agentctl {
namespace {

constexpr std::size_t shown_processes = 20;

std::string times(const Session& session) {
  std::string text =
      field("created", session.record.created_at == TimePoint{}
                           ? ""
                           : format_local(session.record.created_at) + " by " + session.record.created_by.user);
  if (session.ended_at) text += field("ended", format_local(*session.ended_at));
  if (session.expires_at && !is_terminal(session.state)) text += field("ends", format_local(*session.expires_at));
  text += field("stopped by", stopped_by(session));
  return text;
}

std::string processes(Context& context, const Session& session) {
  const std::vector<pid_t> pids = context.engine.processes(control_group_of(context, session));
  std::string text = field("processes", std::to_string(pids.size()));
  for (std::size_t i = 0; i < pids.size() && i < shown_processes; ++i)
    text += field_continued(std::to_string(pids[i]) + " " +
                            fit_columns(to_printable(command_line_of(pids[i])), terminal_width().value_or(120) - 24));
  if (pids.size() > shown_processes)
    text += field_continued("and " + std::to_string(pids.size() - shown_processes) + " more");
  return text;
}

std::string see_also(const Session& session) {
  std::string text;
  if (!is_terminal(session.state) && session.state != State::queued)
    text += field("see also", unit_status_command(session.record));
  if (session.record.request.kind == SessionKind::service)
    text += field(text.empty() ? "see also" : "", unit_log_command(session.record));
  return text;
}

// Why it is not healthy stands behind the state.
std::string health_in_words(const Session& session) {
  const auto& check = session.record.request.health;
  if (!check) return {};
  std::string text = to_printable(to_text(*check));
  if (is_terminal(session.state)) return text;
  text += session.healthy == true ? ", healthy" : ", not healthy";
  if (session.health)
    text += ", checked " + format_rough_span(std::max(microseconds(0), now() - session.health->checked_at)) + " ago";
  return text;
}

std::string until_attempt(const Session& session) {
  if (session.state != State::restarting || !session.record.retry_at) return {};
  return ", starts in " + format_rough_span(std::max(microseconds(0), *session.record.retry_at - now()));
}

std::string format_status(Context& context, const Session& session) {
  const Record& record = session.record;
  const SessionRequest& request = record.request;
  std::string text = headline(session, now());
  text += field("command", quote_for_shell(request.command));
  text += field("folder", to_printable(request.cwd));
  text +=
      field("unit", record.unit + (record.scope == ManagerScope::user ? " (your user manager)" : " (system manager)"));
  text += field("user", request.user);
  text += field("project", request.project);
  text += field("group", request.group);
  text += field("agent", request.agent);
  text += field("work item", request.work_item);
  std::string labels;
  for (const auto& [key, value] : request.labels) labels += (labels.empty() ? "" : " ") + key + "=" + value;
  text += field("labels", labels);
  std::string ports;
  for (const std::uint16_t port : request.ports) ports += (ports.empty() ? "" : " ") + std::to_string(port);
  text += field("ports", ports);
  text += field("health", health_in_words(session));
  text += queue_place(context, session);
  text += times(session);
  if (record.attempt > 1) text += field("attempt", std::to_string(record.attempt) + until_attempt(session));
  text += field("resources", resources(session.usage));
  if (!is_terminal(session.state) && session.state != State::queued) text += processes(context, session);
  if (session.log_lost > 0) text += field("lost lines", std::to_string(session.log_lost));
  text += see_also(session);
  return text + last_output(context, session);
}

}  // namespace

int cmd_status(Invocation& invocation) {
  CommandLine line(invocation, "status", "NAME",
                   "Shows one session: what systemd says of it now, and what the registry remembers.",
                   {"agentctl status web", "agentctl status --json web"});
  const Session session = parse_one(line, invocation);
  Context& context = invocation.context();
  print(invocation.globals().json ? to_json(session) + "\n" : format_status(context, session));
  return 0;
}

}  // namespace agentctl
