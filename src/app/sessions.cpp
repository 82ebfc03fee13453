#include "app/sessions.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "app/reconcile.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "domain/naming.hpp"

namespace agentctl {
namespace {

std::optional<HostNote> note_of(Context& context, const Record& record) {
  return record.end ? std::nullopt : context.runtime.note(record.id);
}

std::optional<HealthReport> health_of(Context& context, const Record& record) {
  return record.end || !record.request.health ? std::nullopt : context.runtime.health(record.id);
}

// Nothing when it lives after all, when somebody else wrote its end, or when nobody can: with a full disk or a registry
// that is read-only, what is shown is true nevertheless.
std::optional<End> try_reconcile(Context& context, const Record& record) {
  try {
    return reconcile_record(context, record);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::unreachable) throw;
    return std::nullopt;
  }
}

// Of the session, its record is there already.
void view(Context& context, Session& session, std::optional<Activity> unit, bool recorded, Detail detail) {
  Record& record = session.record;
  SessionEvidence evidence{.unit = unit, .starter_alive = false, .was_started = false, .recorded = recorded};
  const bool wants_note = !unit || detail == Detail::notes || record.request.ttl;
  const auto note = wants_note ? note_of(context, record) : std::nullopt;
  if (!unit && !record.end && record.queued != Queued::by_anyone) {
    evidence.starter_alive = context.runtime.starter_alive(record.id);
    evidence.was_started = note && note->started_at;
  }
  if (derive_state(record, evidence).needs_reconcile) {
    if (auto end = try_reconcile(context, record)) {
      record.end = std::move(end);
    } else {
      // Somebody else wrote its end, or it lives after all.
      if (auto stored = context.registry.find(record.request.name, record.id)) record = std::move(*stored);
      if (const auto details = inspect_unit(context, record)) evidence.unit = details->state.activity;
    }
  }
  complete(session, evidence, note);
  add_health(session, health_of(context, record), now());
}

Session view(Context& context, Record&& record, std::optional<Activity> unit, bool recorded) {
  Session session(std::move(record));
  view(context, session, unit, recorded, Detail::notes);
  return session;
}

bool passes(const SessionFilter& filter, const Session& session) {
  const SessionRequest& request = session.record.request;
  if (!filter.project.empty() && request.project != filter.project) return false;
  if (!filter.group.empty() && request.group != filter.group) return false;
  if (!filter.states.empty())
    return std::find(filter.states.begin(), filter.states.end(), session.state) != filter.states.end();
  return filter.ended || !is_terminal(session.state);
}

bool is_earlier(const Record& a, const Record& b) {
  return std::tie(a.created_at, a.id) < std::tie(b.created_at, b.id);
}

// Oldest first. Sessions are large, so each is moved once, along the cycles of the permutation.
void sort_sessions(std::vector<Session>& sessions) {
  std::vector<std::size_t> order(sessions.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return is_earlier(sessions[a].record, sessions[b].record); });
  for (std::size_t start = 0; start < order.size(); ++start) {
    if (order[start] == start) continue;
    Session first = std::move(sessions[start]);
    std::size_t to = start;
    for (std::size_t from = order[to]; from != start; from = order[to]) {
      sessions[to] = std::move(sessions[from]);
      order[to] = to;
      to = from;
    }
    sessions[to] = std::move(first);
    order[to] = to;
  }
}

Error not_found(const std::string& name) {
  return Error({.code = ErrorCode::not_found,
                .context = "no such session",
                .object = to_printable(name),
                .reason = {},
                .hint = "agentctl list -a"});
}

// The one that NAME means among records of one name: the live one, else the latest.
const Record& preferred(const std::vector<Record>& records) {
  return *std::max_element(records.begin(), records.end(), [](const Record& a, const Record& b) {
    const bool a_lives = !a.end;
    const bool b_lives = !b.end;
    return a_lives != b_lives ? b_lives : a.created_at < b.created_at;
  });
}

void require_one(const std::string& prefix, const std::vector<Record>& records) {
  if (records.size() == 1) return;
  std::string candidates;
  for (std::size_t i = 0; i < records.size() && i < 5; ++i)
    candidates += (i > 0 ? ", " : "") + records[i].id + " (" + records[i].request.name + ")";
  throw Error({.code = ErrorCode::conflict,
               .context = "more than one session's id begins with",
               .object = prefix,
               .reason = candidates + (records.size() > 5 ? ", ..." : ""),
               .hint = "give more of the id"});
}

// Of a session whose record was lost, the unit still has the id.
std::optional<Session> find_unit_by_id(Context& context, const std::string& prefix) {
  std::vector<UnitState> units = context.engine.list();
  std::erase_if(units, [&](const UnitState& unit) {
    const auto id = id_from_description(unit.description);
    return !id || !id->starts_with(prefix) || !is_alive(unit.activity);
  });
  if (units.empty()) return std::nullopt;
  std::vector<Record> records;
  for (const UnitState& unit : units) records.push_back(rebuild_record(context, unit));
  require_one(prefix, records);
  return view(context, std::move(records.front()), units.front().activity, false);
}

std::optional<Session> find_by_id(Context& context, const std::string& prefix) {
  if (prefix.empty() || prefix.size() > id_length) return std::nullopt;
  const std::vector<Record> records = context.registry.by_id_prefix(prefix);
  if (records.empty()) return find_unit_by_id(context, prefix);
  require_one(prefix, records);
  return observe(context, records.front());
}

// Its end is written, and what follows it, or what the command left behind, is still at it.
bool is_going(Context& context, const UnitState& unit) {
  const auto id = id_from_description(unit.description);
  const auto name = name_from_unit(unit.unit);
  return unit.activity == Activity::deactivating && id && name && context.registry.has_ended(*name, *id);
}

// True when there was an ended one and it is gone.
bool await_ended_unit(Context& context, const std::string& unit) {
  constexpr microseconds limit = std::chrono::seconds(5);
  const auto watch = context.engine.watch({unit});
  while (watch->next_change(limit)) {
    const auto details = context.engine.inspect(unit);
    if (!details) return true;
    if (is_alive(details->state.activity) && !is_going(context, details->state)) return false;
  }
  return false;
}

}  // namespace

std::optional<UnitDetails> inspect_unit(Context& context, const Record& record) {
  auto details = context.engine.inspect(record.unit);
  if (!details || id_from_description(details->state.description) != record.id) return std::nullopt;
  if (!is_alive(details->state.activity)) return std::nullopt;
  return details;
}

std::vector<Record> await_unloaded(Context& context, std::vector<Record> records, const WaitClock& clock) {
  std::vector<std::string> units;
  for (const Record& record : records) units.push_back(record.unit);
  const auto watch = context.engine.watch(units);
  while (!records.empty()) {
    const bool is_over = clock.is_over();
    if (const auto changed = watch->next_change(clock.nap())) {
      std::erase_if(records,
                    [&](const Record& record) { return record.unit == *changed && !inspect_unit(context, record); });
    } else if (is_over) {
      break;
    } else {
      clock.tick(records.size());
    }
  }
  return records;
}

void once_unloaded(Context& context, const std::string& unit, const std::function<void()>& start) {
  try {
    start();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::conflict || !await_ended_unit(context, unit)) throw;
    start();
  }
}

void stop_if_asked_to(Context& context, const Record& record) {
  try {
    const auto stored = context.registry.find_live(record.request.name, record.id);
    if (stored && stored->stop) context.engine.stop({record.unit});
  } catch (const Error& error) {
    // It has started, whatever this is.
    context.registry.tell_trouble(error.object(), error.reason());
  }
}

Record with_end(Record record, const End& end) {
  record.end = end;
  return record;
}

Session observe(Context& context, const Record& record) {
  if (record.end) return make_session(record, {}, std::nullopt);
  const auto details = inspect_unit(context, record);
  Session session =
      view(context, Record(record), details ? std::optional(details->state.activity) : std::nullopt, true);
  if (details && session.invocation_id.empty()) session.invocation_id = details->invocation_id;
  return session;
}

Session find_by_record(Context& context, const Record& record) {
  // When the registry has lost it, the unit alone says whether it lives.
  return observe(context, context.registry.find(record.request.name, record.id).value_or(record));
}

std::vector<Session> list_sessions(Context& context, const SessionFilter& filter, Detail detail) {
  // Records are read while systemd answers. What is on one side only, because it began or ended between the two looks,
  // is looked at once more.
  std::vector<Session> sessions;
  const auto read = [&] {
    context.registry.for_each_live([&](std::size_t count) { sessions.reserve(count); },
                                   [&](Record&& record) { sessions.emplace_back(std::move(record)); });
  };
  std::unordered_map<std::string, UnitState> units;
  for (UnitState& unit : context.engine.list_while(read))
    if (auto id = id_from_description(unit.description); id && is_alive(unit.activity))
      units.emplace(std::move(*id), std::move(unit));

  for (Session& session : sessions) {
    std::optional<Activity> activity;
    if (const auto unit = units.find(session.record.id); unit != units.end()) {
      activity = unit->second.activity;
      units.erase(unit);
    }
    view(context, session, activity, true, detail);
  }
  const auto add = [&](Record&& record, std::optional<Activity> unit, bool recorded) {
    view(context, sessions.emplace_back(std::move(record)), unit, recorded, detail);
  };
  const bool wants_ended = filter.ended || std::any_of(filter.states.begin(), filter.states.end(),
                                                       [](State state) { return is_terminal(state); });
  if (wants_ended) {
    // What ends between the two folders' reads, or was reconciled just now, is in both.
    std::unordered_set<std::string> shown;
    for (const Session& session : sessions) shown.insert(session.record.id);
    for (Record& record : context.registry.ended()) {
      units.erase(record.id);
      if (!shown.contains(record.id)) add(std::move(record), std::nullopt, true);
    }
  }
  for (const auto& entry : units) {
    const std::string& id = entry.first;
    const UnitState& unit = entry.second;
    const auto name = name_from_unit(unit.unit);
    if (!name || context.registry.has_ended(*name, id)) continue;
    if (auto late = context.registry.find(*name, id)) {
      add(std::move(*late), unit.activity, true);
    } else {
      add(rebuild_record(context, unit), unit.activity, false);
    }
  }
  std::erase_if(sessions, [&](const Session& session) { return !passes(filter, session); });
  sort_sessions(sessions);
  return sessions;
}

std::optional<Session> find_by_name(Context& context, const std::string& name) {
  if (!is_valid_name(name)) return std::nullopt;
  std::vector<Record> records = context.registry.by_name(name);
  for (const Record& record : records)
    if (!record.end) return observe(context, preferred(records));
  // No live record: a unit whose record was lost still is the live session of that name.
  for (const SessionKind kind : {SessionKind::service, SessionKind::scope}) {
    const auto details = context.engine.inspect(unit_name(name, kind));
    if (!details || !is_alive(details->state.activity)) continue;
    const auto id = id_from_description(details->state.description);
    if (id && !context.registry.has_ended(name, *id))
      return view(context, rebuild_record(context, details->state), details->state.activity, false);
  }
  if (records.empty()) return std::nullopt;
  return observe(context, preferred(records));
}

Session find_session(Context& context, const std::string& name) {
  if (auto session = find_by_name(context, name)) return std::move(*session);
  if (auto session = find_by_id(context, name)) return std::move(*session);
  throw not_found(name);
}

std::vector<Session> find_sessions(Context& context, const std::vector<std::string>& names) {
  std::vector<Session> sessions;
  for (const std::string& name : names) {
    Session session = find_session(context, name);
    const bool twice = std::any_of(sessions.begin(), sessions.end(),
                                   [&](const Session& other) { return other.record.id == session.record.id; });
    if (!twice) sessions.push_back(std::move(session));
  }
  return sessions;
}

std::string control_group_of(Context& context, const Session& session) {
  return context.engine.control_group(slice_of(session.record), session.record.unit);
}

void read_usage(Context& context, Session& session) {
  if (is_terminal(session.state)) return;
  session.usage = context.engine.usage(control_group_of(context, session));
}

Session await_end(Context& context, const Record& record) {
  const auto watch = context.engine.watch({record.unit});
  for (;;) {
    watch->next_change(std::nullopt);
    if (const auto ended = context.registry.find_ended(record.request.name, record.id))
      return make_session(*ended, {}, std::nullopt);
    if (inspect_unit(context, record)) continue;
    // No unit and still no end: its recorder could not write one.
    Session session = view(context, Record(record), std::nullopt, true);
    if (is_terminal(session.state)) return session;
  }
}

void require_live(const Session& session, const std::string& context) {
  if (session.state == State::queued)
    throw Error({.code = ErrorCode::conflict,
                 .context = context,
                 .object = session.record.request.name,
                 .reason = "it has not started (queued)",
                 .hint = "agentctl cancel " + session.record.request.name});
  if (!is_terminal(session.state)) return;
  throw Error({.code = ErrorCode::conflict,
               .context = context,
               .object = session.record.request.name,
               .reason = std::string("it has ended (") + to_string(session.state) + ")",
               .hint = "agentctl status " + session.record.request.name});
}

}  // namespace agentctl
