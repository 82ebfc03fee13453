#include <algorithm>

#include "app/sessions.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/table.hpp"
#include "cli/verb.hpp"

namespace agentctl {
namespace {

// What a session uses is in several files of the kernel's, and reading them for hundreds takes longer than all else. A
// table of that length is not read for its CPU column, and says so to who might look for it; --json always has it.
constexpr std::size_t most_with_usage = 200;

bool are_too_many_for_usage(const std::vector<Session>& sessions) {
  const auto live = std::count_if(sessions.begin(), sessions.end(),
                                  [](const Session& session) { return !is_terminal(session.state); });
  return static_cast<std::size_t>(live) > most_with_usage;
}

std::string time_left(const Session& session, TimePoint at) {
  if (is_terminal(session.state) || !session.expires_at) return {};
  return format_rough_span(std::max(microseconds(0), *session.expires_at - at));
}

std::string age(const Session& session, TimePoint at) {
  if (session.record.created_at == TimePoint{}) return {};
  if (session.ended_at) return format_rough_span(std::max(microseconds(0), at - *session.ended_at)) + " ago";
  return format_rough_span(std::max(microseconds(0), at - session.record.created_at));
}

std::vector<Cell> row(const Session& session, TimePoint at) {
  const Usage& usage = session.usage;
  const auto memory = is_terminal(session.state) ? usage.memory_peak_bytes : usage.memory_bytes;
  return {{session.record.request.name, Color::bold},
          {to_string(session.state), color_of(session.state)},
          {to_printable(session.reason), Color::none},
          {session.record.request.project, Color::none},
          {age(session, at), Color::none},
          {time_left(session, at), Color::none},
          {usage.cpu_ns ? format_cpu(*usage.cpu_ns) : "", Color::none},
          {memory ? format_bytes(*memory) : "", Color::none},
          {usage.processes ? std::to_string(*usage.processes) : "", Color::none},
          {quote_for_shell(session.record.request.command), Color::dim}};
}

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      {.title = "NAME"},
      {.title = "STATE"},
      {.title = "WHY", .flexible = true, .rank = 2},
      {.title = "PROJECT", .rank = 4},
      {.title = "AGE", .right = true, .rank = 3},
      {.title = "LEFT", .right = true, .rank = 1},
      {.title = "CPU", .right = true, .rank = 6},
      {.title = "MEMORY", .right = true, .rank = 5},
      {.title = "PROCS", .right = true, .rank = 7},
      {.title = "COMMAND", .flexible = true, .rank = 8},
  };
  return all;
}

}  // namespace

int cmd_list(Invocation& invocation) {
  CommandLine line(invocation, "list", "[-a] [-p PROJECT] [--group G] [--state S]...",
                   "Shows the sessions that live; the truth is asked of systemd each time.",
                   {"agentctl list", "agentctl list -a --state failed", "agentctl list --json"});
  SessionFilter filter;
  std::vector<std::string> states;
  line.add_flag("-a,--all", filter.ended, "also those that have ended");
  line.add_option("-p,--project", filter.project, "PROJECT", "of this project");
  line.add_option("--group", filter.group, "GROUP", "of this group");
  line.add_option("--state", states, "STATE", "in this state; may be given more than once");
  line.parse();
  for (const std::string& text : states) {
    const auto state = parse_state(text);
    if (!state)
      throw usage_error("list", "'" + to_printable(text) +
                                    "' is no state: queued starting running stopping restarting exited failed stopped "
                                    "expired cancelled parked lost");
    filter.states.push_back(*state);
  }

  const bool json = invocation.globals().json;
  std::vector<Session> sessions = list_sessions(invocation.context(), filter, json ? Detail::notes : Detail::records);
  const bool without_usage = !json && are_too_many_for_usage(sessions);
  if (!without_usage)
    for (Session& session : sessions) read_usage(invocation.context(), session);
  if (json) {
    print(to_json(sessions) + "\n");
    return 0;
  }
  if (sessions.empty()) {
    print(filter.ended ? "no sessions\n" : "no live sessions (agentctl list -a shows ended ones)\n");
    return 0;
  }
  std::vector<std::vector<Cell>> rows;
  rows.reserve(sessions.size());
  const TimePoint at = now();
  for (const Session& session : sessions) rows.push_back(row(session, at));
  std::string text = format_table(columns(), rows, terminal_width());
  if (without_usage && stdout_is_terminal())
    text += paint("more than " + std::to_string(most_with_usage) +
                      " live sessions: without CPU, MEMORY and PROCS (--json has them)",
                  Color::dim) +
            "\n";
  print(text);
  return 0;
}

}  // namespace agentctl
