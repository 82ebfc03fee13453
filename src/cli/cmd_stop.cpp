#include <boost/json.hpp>

#include "app/stop.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/selection.hpp"
#include "cli/verb.hpp"
#include "cli/waiting.hpp"

namespace agentctl {
namespace {

std::string report(const StopOutcome& outcome) {
  const std::string& name = outcome.session.record.request.name;
  const std::string end = outcome.removed ? "; removed\n" : "\n";
  if (outcome.had_ended) return name + ": had ended already (" + to_string(outcome.session.state) + ")" + end;
  return name + ": " + paint(to_string(outcome.session.state), color_of(outcome.session.state)) + ", " +
         std::to_string(outcome.processes) + (outcome.processes == 1 ? " process, " : " processes, ") +
         std::to_string(outcome.left) + " left" + end;
}

std::string report_json(const std::vector<StopOutcome>& outcomes, bool remove) {
  std::vector<Session> sessions;
  for (const StopOutcome& outcome : outcomes) sessions.push_back(outcome.session);
  boost::json::value objects = boost::json::parse(to_json(sessions));
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    boost::json::object& object = objects.get_array()[i].get_object();
    object["processes"] = outcomes[i].processes;
    object["processes_left"] = outcomes[i].left;
    if (remove) object["removed"] = outcomes[i].removed;
  }
  return boost::json::serialize(objects) + "\n";
}

}  // namespace

int cmd_stop(Invocation& invocation) {
  CommandLine line(invocation, "stop", "NAME... | -p PROJECT | --group G | --all",
                   "Ends sessions: SIGTERM to every process, SIGKILL to what is left after the stop timeout.",
                   {"agentctl stop web", "agentctl stop --reason 'wrong branch' web", "agentctl stop -p shop",
                    "agentctl stop -p shop --remove"});
  const Selection selection(line, "stop", Selection::All::offered);
  StopOptions options;
  line.add_option("--reason", options.reason, "TEXT", "why, for the record");
  line.add_span("--timeout", options.timeout, "from SIGTERM to SIGKILL (default: as started)");
  line.add_flag("--remove", options.remove, "forget them then, and of -p or --group what had ended already");
  line.parse();
  options.reason = shorten(to_printable(options.reason), 256);

  Context& context = invocation.context();
  const std::vector<Session> sessions = selection.find(context, options.remove);
  options.slices = selection.whole_slices(sessions);
  Waiting waiting("stopping");
  options.tick = waiting.tick();
  const std::vector<StopOutcome> outcomes = stop_sessions(context, sessions, options);
  waiting.done();

  std::string text;
  bool gone = true;
  for (const StopOutcome& outcome : outcomes) {
    text += report(outcome);
    gone = gone && outcome.left == 0;
  }
  if (outcomes.empty()) text = "nothing to stop\n";
  print(invocation.globals().json ? report_json(outcomes, options.remove) : text);
  return gone ? 0 : 1;
}

}  // namespace agentctl
