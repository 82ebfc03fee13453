#include "app/housekeeping.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/verb.hpp"

namespace agentctl {

int cmd_prune(Invocation& invocation) {
  CommandLine line(invocation, "prune", "[--older-than SPAN]", "Forgets all sessions that ended longer ago than SPAN.",
                   {"agentctl prune", "agentctl prune --older-than 1h"});
  std::optional<microseconds> older_than;
  line.add_span("--older-than", older_than, "default: 7d");
  line.parse();

  const microseconds age = older_than.value_or(std::chrono::hours(7 * 24));
  const std::vector<Record> forgotten = prune(invocation.context(), age);
  if (invocation.globals().json) {
    std::vector<Session> sessions;
    for (const Record& record : forgotten) sessions.push_back(make_session(record, {}, std::nullopt));
    print(to_json(sessions) + "\n");
    return 0;
  }
  print("forgot " + std::to_string(forgotten.size()) + (forgotten.size() == 1 ? " session" : " sessions") +
        " that ended more than " + format_time_span(age) + " ago\n");
  return 0;
}

}  // namespace agentctl
