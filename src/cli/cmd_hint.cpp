#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/verb.hpp"
#include "domain/prompt_context.hpp"
#include "store/configuration_file.hpp"

namespace agentctl {

int cmd_hint(Invocation& invocation) {
  CommandLine line(invocation, "hint", "[--agent AGENT] [--work-item ITEM]",
                   "Prints what an agent must know to have services started, for its prompt.",
                   {"agentctl hint", "agentctl hint --agent ripley --work-item W-1"});
  std::string agent;
  std::string work_item;
  line.add_option("--agent", agent, "AGENT", "who the agent is, for `apply --agent`");
  line.add_option("--work-item", work_item, "ITEM", "what it works on, for `apply --work-item`");
  line.parse();
  print(service_hint(read_configuration(invocation.context().configuration_files).services, agent, work_item));
  return 0;
}

}  // namespace agentctl
