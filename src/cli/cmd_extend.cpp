#include "app/sessions.hpp"
#include "app/stop.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/verb.hpp"

namespace agentctl {

int cmd_extend(Invocation& invocation) {
  CommandLine line(invocation, "extend", "NAME SPAN", "Moves the time limit of a live session by SPAN.",
                   {"agentctl extend web 30min", "agentctl extend web infinity"});
  std::string name;
  std::string span;
  line.add_argument("NAME", name);
  line.add_argument("SPAN", span);
  line.parse();
  const microseconds by = parse_span("SPAN", span);
  if (by <= microseconds(0)) throw usage_error("extend", "SPAN must be longer than 0");

  Context& context = invocation.context();
  const Session session = find_session(context, name);
  const TimePoint ends = extend_session(context, session, by);
  if (invocation.globals().json) {
    Session extended = find_by_record(context, session.record);
    read_usage(context, extended);
    print(to_json(extended) + "\n");
  } else {
    print(session.record.request.name + ": " + format_rough_span(ends - now()) + " left, ends " + format_local(ends) +
          "\n");
  }
  return 0;
}

}  // namespace agentctl
