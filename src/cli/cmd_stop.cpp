#include <algorithm>
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

std::string in_words(std::size_t processes, std::size_t left) {
  return std::to_string(processes) + (processes == 1 ? " process, " : " processes, ") + std::to_string(left) + " left";
}

std::string report(const StopOutcome& outcome) {
  const std::string& name = outcome.session.record.request.name;
  const std::string end = outcome.removed ? "; removed\n" : "\n";
  if (outcome.had_ended) return name + ": had ended already (" + to_string(outcome.session.state) + ")" + end;
  return name + ": " + paint(to_string(outcome.session.state), color_of(outcome.session.state)) + ", " +
         in_words(outcome.processes, outcome.left) + end;
}

std::string report(const std::vector<StopOutcome>& outcomes) {
  if (outcomes.empty()) return "nothing to stop\n";
  std::string text;
  std::size_t processes = 0;
  std::size_t left = 0;
  for (const StopOutcome& outcome : outcomes) {
    text += report(outcome);
    processes += outcome.processes;
    left += outcome.left;
  }
  if (outcomes.size() == 1) return text;
  return text + std::to_string(outcomes.size()) + " sessions: " + in_words(processes, left) + "\n";
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

  print(invocation.globals().json ? report_json(outcomes, options.remove) : report(outcomes));
  const bool gone =
      std::all_of(outcomes.begin(), outcomes.end(), [](const StopOutcome& outcome) { return outcome.left == 0; });
  return gone ? 0 : 1;
}

}  // namespace agentctl
