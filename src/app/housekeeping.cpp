#include "app/housekeeping.hpp"

#include <algorithm>
#include <unordered_set>

#include "app/sessions.hpp"
#include "base/error.hpp"
#include "domain/naming.hpp"

namespace agentctl {
namespace {

// Without a systemd to ask there are no units either.
std::unordered_set<std::string> loaded_sessions(Context& context) {
  std::unordered_set<std::string> ids;
  try {
    for (const UnitState& unit : context.engine.list())
      if (auto id = id_from_description(unit.description)) ids.insert(std::move(*id));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unreachable) throw;
  }
  return ids;
}

}  // namespace

std::set<std::string> forget_ended(Context& context, const std::vector<Record>& ended) {
  constexpr microseconds limit = std::chrono::seconds(5);
  if (ended.empty()) return {};
  const auto loaded = loaded_sessions(context);
  std::vector<Record> going;
  for (const Record& record : ended)
    if (loaded.contains(record.id)) going.push_back(record);
  if (!going.empty()) going = await_unloaded(context, std::move(going), WaitClock(limit, {}));
  std::set<std::string> forgotten;
  for (const Record& record : ended) {
    const bool is_left =
        std::any_of(going.begin(), going.end(), [&](const Record& other) { return other.id == record.id; });
    if (!is_left && context.registry.remove_ended(record)) forgotten.insert(record.id);
  }
  return forgotten;
}

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
  std::vector<Record> records;
  for (const Session& session : sessions) records.push_back(session.record);
  const std::set<std::string> forgotten = forget_ended(context, records);
  for (const Record& record : records)
    if (!forgotten.contains(record.id) && context.registry.has_ended(record.request.name, record.id))
      throw Error({.code = ErrorCode::conflict,
                   .context = "cannot remove session",
                   .object = record.request.name,
                   .reason = "its unit still goes down",
                   .hint = unit_status_command(record)});
}

std::vector<Record> prune(Context& context, microseconds older_than) {
  const TimePoint at = now();
  std::set<std::string> needed;
  for (const Flow& flow : context.registry.flows()) {
    if (!flow.end) {
      needed.insert(flow.id);
    } else if (at - flow.end->at >= older_than) {
      context.registry.remove_flow(flow);
    }
  }
  std::vector<Record> records = context.registry.ended();
  std::erase_if(records, [&](const Record& record) {
    return at - record.end->ended_at.value_or(record.created_at) < older_than ||
           (record.flow && needed.contains(record.flow->flow_id));
  });
  const std::set<std::string> forgotten = forget_ended(context, records);
  std::erase_if(records, [&](const Record& record) { return !forgotten.contains(record.id); });
  return records;
}

}  // namespace agentctl
