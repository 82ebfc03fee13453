#include "app/sessions.hpp"
#include "app/wait.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/selection.hpp"
#include "cli/verb.hpp"
#include "cli/waiting.hpp"

namespace agentctl {
namespace {

void require_health_checks(const std::vector<Session>& sessions) {
  for (const Session& session : sessions)
    if (!session.record.request.health)
      throw Error({.code = ErrorCode::conflict,
                   .context = "cannot wait for the health of session",
                   .object = session.record.request.name,
                   .reason = "it has no health check",
                   .hint = "agentctl wait --for ready " + session.record.request.name});
}

int wait(Invocation& invocation, const Selection& selection, WaitFor what, std::optional<microseconds> timeout) {
  Context& context = invocation.context();
  const std::vector<Session> sessions = selection.find(context);
  if (what == WaitFor::healthy) require_health_checks(sessions);
  Waiting waiting("waiting for " + selection.description());
  const std::vector<Session> reached = wait_for_sessions(context, sessions, what, timeout, waiting.tick());
  waiting.done();
  if (invocation.globals().json) print(to_json(reached) + "\n");
  for (const Session& session : reached) {
    // A session that has ended is not ready any more, however well it ended.
    const int status = exit_status_of(session);
    if (what != WaitFor::exit && is_terminal(session.state)) return status == 0 ? 1 : status;
    if (status != 0) return status;
  }
  return 0;
}

}  // namespace

int cmd_wait(Invocation& invocation) {
  CommandLine line(invocation, "wait", "NAME... | -p PROJECT | --group G  [--for exit|ready|healthy] [--timeout SPAN]",
                   "Waits until sessions have ended, and ends with their status: the first that is not 0.",
                   {"agentctl wait web", "agentctl wait --for ready web", "agentctl wait --timeout 10min web"});
  const Selection selection(line, "wait");
  std::string what = "exit";
  std::optional<microseconds> timeout;
  line.add_choice("--for", what, {"exit", "ready", "healthy"}, "what to wait for (default: exit)");
  line.add_span("--timeout", timeout, "give up after so long, with status 7");
  line.parse();

  const WaitFor wanted = what == "exit" ? WaitFor::exit : what == "ready" ? WaitFor::ready : WaitFor::healthy;
  return with_status_of_session(invocation, {ErrorCode::not_found, ErrorCode::conflict, ErrorCode::timed_out},
                                [&] { return wait(invocation, selection, wanted, timeout); });
}

}  // namespace agentctl
