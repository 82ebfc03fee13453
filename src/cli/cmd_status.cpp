#include <algorithm>

#include "app/logs.hpp"
#include "app/sessions.hpp"
#include "base/system.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/log_printer.hpp"
#include "cli/print.hpp"
#include "cli/verb.hpp"
#include "domain/end_of_session.hpp"

namespace agentctl {
namespace {

constexpr std::size_t shown_processes = 20;
constexpr std::size_t shown_lines = 10;

std::string headline(const Session& session, TimePoint at) {
  std::string text = paint(session.record.request.name, Color::bold) + " (" + session.record.id + ")  " +
                     paint(to_string(session.state), color_of(session.state));
  if (!session.reason.empty()) text += ", " + to_printable(session.reason);
  if (!is_terminal(session.state)) {
    if (session.started_at) text += ", for " + format_rough_span(std::max(microseconds(0), at - *session.started_at));
    if (session.expires_at)
      text += ", " + format_rough_span(std::max(microseconds(0), *session.expires_at - at)) + " left";
  }
  return text + "\n";
}

std::string field(const char* title, const std::string& value) {
  if (value.empty()) return {};
  std::string padded = title;
  padded.resize(11, ' ');
  return "  " + paint(padded, Color::dim) + value + "\n";
}

std::string resources(const Usage& usage) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (usage.cpu_ns) add("CPU " + format_cpu(*usage.cpu_ns));
  if (usage.memory_bytes) add("memory " + format_bytes(*usage.memory_bytes));
  if (usage.memory_peak_bytes) add("memory peak " + format_bytes(*usage.memory_peak_bytes));
  return text;
}

std::string times(const Session& session) {
  std::string text =
      field("created", session.record.created_at == TimePoint{}
                           ? ""
                           : format_local(session.record.created_at) + " by " + session.record.created_by.user);
  if (session.ended_at) text += field("ended", format_local(*session.ended_at));
  if (session.expires_at && !is_terminal(session.state)) text += field("ends", format_local(*session.expires_at));
  if (session.record.stop) {
    const StopRequest& stop = *session.record.stop;
    text += field("stopped by", stop.by.user + " (pid " + std::to_string(stop.by.pid) + ", " +
                                    to_printable(stop.by.command) + ")" +
                                    (stop.reason.empty() ? "" : ": " + to_printable(stop.reason)));
  }
  return text;
}

std::string processes(Context& context, const Session& session) {
  const std::vector<pid_t> pids = context.engine.processes(control_group_of(context, session));
  std::string text = field("processes", std::to_string(pids.size()));
  for (std::size_t i = 0; i < pids.size() && i < shown_processes; ++i)
    text += "             " + std::to_string(pids[i]) + " " +
            shorten(to_printable(command_line_of(pids[i])), terminal_width().value_or(120) - 24) + "\n";
  if (pids.size() > shown_processes)
    text += "             and " + std::to_string(pids.size() - shown_processes) + " more\n";
  return text;
}

std::string last_lines(Context& context, const Session& session) {
  if (session.record.request.kind == SessionKind::scope) return {};
  std::string text;
  read_log(context, session, {.lines = shown_lines, .since = {}, .stream = {}}, [&](const LogItem& item) {
    if (const auto* line = std::get_if<LogLine>(&item)) text += "  " + for_terminal(line->text) + "\n";
  });
  return text.empty() ? "" : "\n" + paint("last output", Color::dim) + "\n" + text;
}

std::string see_also(const Session& session) {
  const std::string user = session.record.scope == ManagerScope::user ? "--user " : "";
  std::string text;
  if (!is_terminal(session.state)) text += field("see also", "systemctl " + user + "status " + session.record.unit);
  if (session.record.request.kind == SessionKind::service)
    text += field(text.empty() ? "see also" : "", "journalctl " + user + "-u " + session.record.unit);
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
  text += times(session);
  if (record.attempt > 1) text += field("attempt", std::to_string(record.attempt) + until_attempt(session));
  text += field("resources", resources(session.usage));
  if (!is_terminal(session.state)) text += processes(context, session);
  if (session.log_lost > 0) text += field("lost lines", std::to_string(session.log_lost));
  text += see_also(session);
  return text + last_lines(context, session);
}

}  // namespace

int cmd_status(Invocation& invocation) {
  CommandLine line(invocation, "status", "NAME",
                   "Shows one session: what systemd says of it now, and what the registry remembers.",
                   {"agentctl status web", "agentctl status --json web"});
  std::string name;
  line.app().add_option("NAME", name)->required()->type_name("");
  line.parse();
  Context& context = invocation.context();
  Session session = find_session(context, name);
  read_usage(context, session);
  print(invocation.globals().json ? to_json(session) + "\n" : format_status(context, session));
  return 0;
}

}  // namespace agentctl
