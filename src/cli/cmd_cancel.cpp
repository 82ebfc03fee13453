#include "app/queue.hpp"
#include "app/sessions.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/verb.hpp"

namespace agentctl {
namespace {

Error not_queued(const Session& session) {
  const bool has_ended = is_terminal(session.state);
  const std::string state = to_string(session.state);
  return Error({.code = ErrorCode::conflict,
                .context = "cannot cancel session",
                .object = session.record.request.name,
                .reason = has_ended ? "it has ended (" + state + ")" : "it is " + state,
                .hint = (has_ended ? "agentctl why " : "agentctl stop ") + session.record.request.name});
}

}  // namespace

int cmd_cancel(Invocation& invocation) {
  CommandLine line(invocation, "cancel", "NAME...",
                   "Takes queued sessions out of the line, before they have started. To end what runs, use stop.",
                   {"agentctl cancel web", "agentctl cancel --reason 'not needed' web"});
  std::vector<std::string> names;
  std::string reason;
  line.add_argument("NAME", names);
  line.add_option("--reason", reason, "TEXT", "why, for the record");
  line.parse();

  Context& context = invocation.context();
  const std::vector<Session> sessions = find_sessions(context, names);
  for (const Session& session : sessions)
    if (session.state != State::queued) throw not_queued(session);
  const StopRequest request{.by = context.asker, .reason = shorten(to_printable(reason), 256), .at = now()};
  std::vector<Session> cancelled;
  for (const Record& record : cancel_queued(context, sessions, request))
    cancelled.push_back(make_session(record, {}, std::nullopt));
  if (invocation.globals().json) {
    print(to_json(cancelled) + "\n");
  } else {
    for (const Session& session : cancelled) print(session.record.request.name + ": cancelled\n");
  }
  // One that was started between the look and the lock was not cancelled.
  for (const Session& session : sessions) {
    const Session current = find_by_record(context, session.record);
    if (current.state != State::cancelled) throw not_queued(current);
  }
  return 0;
}

}  // namespace agentctl
