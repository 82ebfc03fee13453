#include "cli/print.hpp"
#include "cli/verb.hpp"

namespace agentctl {

/// For the shells' completions, not for people: `agentctl __complete verbs|live|queued|ended|flows` prints one word a
/// line, from the registry alone, and nothing when something is wrong.
int cmd_complete(Invocation& invocation) {
  const auto& arguments = invocation.arguments();
  const std::string what = arguments.empty() ? "" : arguments.front();
  std::string words;
  const auto add = [&](const std::string& word) { words += word + "\n"; };
  if (what == "verbs") {
    for (const Verb& verb : verbs()) add(std::string(verb.name));
  } else if (what == "flows") {
    for (const Flow& flow : invocation.context().registry.flows()) add(flow.name);
  } else if (what == "live" || what == "queued" || what == "ended") {
    Registry& registry = invocation.context().registry;
    for (const Record& record : what == "ended" ? registry.ended() : registry.live())
      if (what != "queued" || record.queued != Queued::no) add(record.request.name);
  }
  print(words);
  return 0;
}

}  // namespace agentctl
