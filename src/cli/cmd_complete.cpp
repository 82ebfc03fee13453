#include "cli/print.hpp"
#include "cli/verb.hpp"

namespace agentctl {

/// For the shells' completions, not for people: `agentctl __complete verbs|live|ended` prints one word a line, from the
/// registry alone, and nothing when something is wrong.
int cmd_complete(Invocation& invocation) {
  const auto& arguments = invocation.arguments();
  const std::string what = arguments.empty() ? "" : arguments.front();
  std::string words;
  if (what == "verbs") {
    for (const Verb& verb : verbs()) words += std::string(verb.name) + "\n";
  } else if (what == "live" || what == "ended") {
    Registry& registry = invocation.context().registry;
    for (const Record& record : what == "live" ? registry.live() : registry.ended())
      words += record.request.name + "\n";
  }
  print(words);
  return 0;
}

}  // namespace agentctl
