#include <cstdio>

#include "app/events.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/verb.hpp"

namespace agentctl {
namespace {

std::string text_of(const Event& event) {
  std::string text = paint(format_local(event.at), Color::dim) + "  " + paint(event.record.request.name, Color::bold) +
                     "  " + paint(to_string(event.state), color_of(event.state));
  if (event.attempt > 1) text += ", attempt " + std::to_string(event.attempt);
  if (!event.reason.empty()) text += ", " + to_printable(event.reason);
  return text + "\n";
}

}  // namespace

int cmd_events(Invocation& invocation) {
  CommandLine line(invocation, "events", "[-f] [-p PROJECT] [--group G]",
                   "Shows how sessions came into their states: what the registry remembers, or with -f what happens.",
                   {"agentctl events", "agentctl events --json -p shop"});
  bool follow = false;
  std::string project;
  std::string group;
  line.add_flag("-f,--follow", follow, "what happens from now on, as it happens");
  line.add_option("-p,--project", project, "PROJECT", "of this project");
  line.add_option("--group", group, "GROUP", "of this group");
  line.parse();

  const bool json = invocation.globals().json;
  const EventSink sink = [&](const Event& event) {
    const SessionRequest& request = event.record.request;
    if ((!project.empty() && request.project != project) || (!group.empty() && request.group != group)) return true;
    print(json ? to_json(event) + "\n" : text_of(event));
    return !follow || std::fflush(stdout) == 0;
  };
  Context& context = invocation.context();
  if (follow) {
    follow_events(context, sink);
  } else {
    past_events(context, sink);
  }
  return 0;
}

}  // namespace agentctl
