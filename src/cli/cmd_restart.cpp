#include "app/sessions.hpp"
#include "app/stop.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/verb.hpp"

namespace agentctl {

int cmd_restart(Invocation& invocation) {
  CommandLine line(invocation, "restart", "[-e K=V|K]... NAME...",
                   "Restarts a live session as its next attempt, with its time limit anew; starts an ended one again\n"
                   "with the same request, as a new session of the same name.",
                   {"agentctl restart web", "agentctl restart -e TOKEN web"});
  std::vector<std::string> names;
  std::vector<std::string> variables;
  line.add_argument("NAME", names);
  line.add_option("-e,--env", variables, "K=V|K", "for an ended one: values given with -e K=V are not kept");
  line.parse();

  Context& context = invocation.context();
  std::vector<Session> restarted;
  for (const Session& session : find_sessions(context, names)) {
    restarted.push_back(restart_session(context, session, variables));
    Session& current = restarted.back();
    if (invocation.globals().json)
      read_usage(context, current);
    else
      print(current.record.request.name + ": " + paint(to_string(current.state), color_of(current.state)) +
            ", attempt " + std::to_string(current.record.attempt) + "\n");
  }
  if (invocation.globals().json) print(to_json(restarted) + "\n");
  return 0;
}

}  // namespace agentctl
