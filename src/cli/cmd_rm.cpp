#include "app/housekeeping.hpp"
#include "app/sessions.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/verb.hpp"

namespace agentctl {

int cmd_rm(Invocation& invocation) {
  CommandLine line(invocation, "rm", "NAME...",
                   "Forgets ended sessions. Live ones are refused. What they printed stays in the journal.",
                   {"agentctl rm web"});
  std::vector<std::string> names;
  line.add_argument("NAME", names);
  line.parse();

  Context& context = invocation.context();
  const std::vector<Session> sessions = find_sessions(context, names);
  remove_sessions(context, sessions);
  if (invocation.globals().json) {
    print(to_json(sessions) + "\n");
    return 0;
  }
  for (const Session& session : sessions)
    print(session.record.request.name + ": removed (" + session.record.id + ")\n");
  return 0;
}

}  // namespace agentctl
