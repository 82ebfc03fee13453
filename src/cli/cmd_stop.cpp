#include "app/sessions.hpp"
#include "app/stop.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/verb.hpp"
#include "cli/waiting.hpp"

namespace agentctl {
namespace {

std::string report(const StopOutcome& outcome) {
  const std::string& name = outcome.session.record.request.name;
  if (outcome.had_ended) return name + ": had ended already (" + to_string(outcome.session.state) + ")\n";
  return name + ": " + paint(to_string(outcome.session.state), color_of(outcome.session.state)) + ", " +
         std::to_string(outcome.processes) + (outcome.processes == 1 ? " process, " : " processes, ") +
         std::to_string(outcome.left) + " left\n";
}

}  // namespace

int cmd_stop(Invocation& invocation) {
  CommandLine line(invocation, "stop", "NAME... | -p PROJECT | --group G | --all",
                   "Ends sessions: SIGTERM to every process, SIGKILL to what is left after the stop timeout.",
                   {"agentctl stop web", "agentctl stop --reason 'wrong branch' web", "agentctl stop -p shop"});
  std::vector<std::string> names;
  SessionFilter filter;
  bool all = false;
  StopOptions options;
  line.app().add_option("NAME", names)->type_name("");
  line.app().add_option("-p,--project", filter.project, "all of this project")->type_name("PROJECT");
  line.app().add_option("--group", filter.group, "all of this group")->type_name("GROUP");
  line.app().add_flag("--all", all, "all");
  line.app().add_option("--reason", options.reason, "why, for the record")->type_name("TEXT");
  line.add_span("--timeout", options.timeout, "from SIGTERM to SIGKILL (default: as started)");
  line.parse();
  const bool by_filter = all || !filter.project.empty() || !filter.group.empty();
  if (by_filter == !names.empty())
    throw usage_error("stop", names.empty() ? "nothing to stop: give a NAME, -p, --group or --all"
                                            : "give NAMEs or one of -p, --group, --all, not both");
  options.reason = shorten(to_printable(options.reason), 256);

  Context& context = invocation.context();
  const std::vector<Session> sessions = by_filter ? list_sessions(context, filter) : find_sessions(context, names);
  Waiting waiting("stopping");
  options.tick = waiting.tick();
  const std::vector<StopOutcome> outcomes = stop_sessions(context, sessions, options);
  waiting.done();

  std::vector<Session> ended;
  std::string text;
  bool gone = true;
  for (const StopOutcome& outcome : outcomes) {
    ended.push_back(outcome.session);
    text += report(outcome);
    gone = gone && outcome.left == 0;
  }
  if (outcomes.empty()) text = "nothing to stop\n";
  print(invocation.globals().json ? to_json(ended) + "\n" : text);
  return gone ? 0 : 1;
}

}  // namespace agentctl
