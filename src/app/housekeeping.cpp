#include "app/housekeeping.hpp"

#include <set>

#include "base/error.hpp"

namespace agentctl {

void require_unneeded(Context& context, const std::vector<Session>& sessions) {
  for (const Flow& flow : context.registry.live_flows()) {
    for (const Session& session : sessions) {
      if (!session.record.flow || session.record.flow->flow_id != flow.id) continue;
      throw Error({.code = ErrorCode::conflict,
                   .context = "cannot remove session",
                   .object = session.record.request.name,
                   .reason = "flow '" + flow.name + "' still needs to know how it ended",
                   .hint = "agentctl flow cancel " + flow.name});
    }
  }
}

void remove_sessions(Context& context, const std::vector<Session>& sessions) {
  for (const Session& session : sessions) {
    if (is_terminal(session.state)) continue;
    throw Error({.code = ErrorCode::conflict,
                 .context = "cannot remove session",
                 .object = session.record.request.name,
                 .reason = std::string("it is ") + to_string(session.state),
                 .hint = (session.state == State::queued ? "agentctl cancel " : "agentctl stop ") +
                         session.record.request.name});
  }
  require_unneeded(context, sessions);
  for (const Session& session : sessions) context.registry.remove_ended(session.record);
}

std::vector<Record> prune(Context& context, microseconds older_than) {
  std::vector<Record> forgotten;
  const TimePoint at = now();
  std::set<std::string> needed;
  for (const Flow& flow : context.registry.flows()) {
    if (!flow.end) {
      needed.insert(flow.id);
    } else if (at - flow.end->at >= older_than) {
      context.registry.remove_flow(flow);
    }
  }
  for (Record& record : context.registry.ended()) {
    if (at - record.end->ended_at.value_or(record.created_at) < older_than) continue;
    if (record.flow && needed.contains(record.flow->flow_id)) continue;
    if (context.registry.remove_ended(record)) forgotten.push_back(std::move(record));
  }
  return forgotten;
}

}  // namespace agentctl
