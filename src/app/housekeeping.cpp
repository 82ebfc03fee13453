#include "app/housekeeping.hpp"

#include "base/error.hpp"

namespace agentctl {

void remove_sessions(Context& context, const std::vector<Session>& sessions) {
  for (const Session& session : sessions) {
    if (is_terminal(session.state)) continue;
    throw Error({.code = ErrorCode::conflict,
                 .context = "cannot remove session",
                 .object = session.record.request.name,
                 .reason = std::string("it is ") + to_string(session.state),
                 .hint = "agentctl stop " + session.record.request.name});
  }
  for (const Session& session : sessions) context.registry.remove_ended(session.record);
}

std::vector<Record> prune(Context& context, microseconds older_than) {
  std::vector<Record> forgotten;
  const TimePoint at = now();
  for (Record& record : context.registry.ended()) {
    if (at - record.end->ended_at.value_or(record.created_at) < older_than) continue;
    if (context.registry.remove_ended(record)) forgotten.push_back(std::move(record));
  }
  return forgotten;
}

}  // namespace agentctl
