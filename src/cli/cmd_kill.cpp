#include <csignal>
#include <cstring>

#include "app/sessions.hpp"
#include "app/stop.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/selection.hpp"
#include "cli/verb.hpp"
#include "domain/end_of_session.hpp"

namespace agentctl {
namespace {

int parse_signal(const std::string& text) {
  if (const auto signal = signal_number(text.starts_with("SIG") ? text.substr(3) : text)) return *signal;
  throw usage_error("kill", "'" + to_printable(text) + "' is no signal: TERM, KILL, INT, HUP, USR1 ...");
}

}  // namespace

int cmd_kill(Invocation& invocation) {
  CommandLine line(invocation, "kill", "[-s SIG] NAME... | -p PROJECT | --group G",
                   "Sends a signal to every process of live sessions. To end a session, use stop.",
                   {"agentctl kill -s HUP web", "agentctl kill -s KILL web"});
  const Selection selection(line, "kill");
  std::string signal = "TERM";
  line.add_option("-s,--signal", signal, "SIG", "name or number (default: TERM)");
  line.parse();
  const int number = parse_signal(signal);

  Context& context = invocation.context();
  std::vector<Session> sessions = selection.find(context);
  if (selection.is_filtered()) {
    sessions = kill_those_that_live(context, sessions, number);
  } else {
    kill_sessions(context, sessions, number);
  }
  if (invocation.globals().json) {
    print(to_json(sessions) + "\n");
    return 0;
  }
  for (const Session& session : sessions) print(session.record.request.name + ": sent " + signal_name(number) + "\n");
  if (sessions.empty()) print("nothing to kill\n");
  if (sessions.size() > 1) print(std::to_string(sessions.size()) + " sessions: sent " + signal_name(number) + "\n");
  return 0;
}

}  // namespace agentctl
