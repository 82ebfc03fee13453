#include "app/queue.hpp"

#include <algorithm>
#include <map>
#include <unordered_set>
#include <utility>

#include "app/hook.hpp"
#include "app/ports.hpp"
#include "app/reconcile.hpp"
#include "app/sessions.hpp"
#include "base/error.hpp"
#include "domain/end_of_session.hpp"
#include "domain/ports.hpp"
#include "domain/queue.hpp"
#include "store/configuration_file.hpp"
#include "store/registry_watch.hpp"

namespace agentctl {
namespace {

/// A queued session that has been chosen: what of it is ours until systemd has it.
struct Claimed {
  std::optional<Launch> launch;  ///< nothing: its own agentctl waits and starts it
  std::optional<HeldLaunch> held;
};

/// By name: who sessions that wait run as.
using Owners = std::map<std::string, std::optional<uid_t>>;

// A name service may have to ask a server, and nobody should wait for that with the registry's lock held.
Owners owners_of(const std::vector<Record>& live) {
  Owners owners;
  for (const Record& record : live) {
    if (record.queued != Queued::by_anyone || owners.contains(record.request.user)) continue;
    try {
      owners[record.request.user] = owner_of(record);
    } catch (const Error&) {
      // It is said when its turn has come.
    }
  }
  return owners;
}

Hold gone(Record& record, State state, std::string reason) {
  End end;
  end.state = state;
  end.reason = std::move(reason);
  end.ended_at = now();
  record.end = std::move(end);
  return Hold::gone;
}

// Makes the runtime folder from the stored launch, held by us. Throws Error.
Hold hold_stored(Context& context, Record& record, Claimed& claimed, const Owners& owners) {
  RuntimeFolders& runtime = context.runtime;
  if (runtime.starter_alive(record.id)) return Hold::busy;
  // That came when it had been claimed, and systemd took no claim just then.
  if (record.stop) {
    record.end = end_of_cancelled(*record.stop);
    return Hold::gone;
  }
  // Only what a reboot has interrupted can be late before it starts.
  const auto limit = expiry(record, {});
  if (limit && *limit <= now()) return gone(record, State::expired, "its time was up before it could go on");
  // They were free when it was queued, or when the host went down.
  if (const auto port = occupied_port(record.request)) return gone(record, State::failed, who_listens(*port));
  if (runtime.exists(record.id)) runtime.remove(record.id);
  claimed.launch = context.registry.stored_launch(record.id);
  if (!claimed.launch) return gone(record, State::failed, "what would start it is gone from the registry");
  record.boot_id = context.boot_id;
  claimed.launch->record = record;
  claimed.launch->record.queued = Queued::no;
  // What it was stored with does not know the automatic ones yet.
  tell_ports(*claimed.launch);
  const auto owner = owners.find(record.request.user);
  claimed.held = runtime.create(*claimed.launch, owner != owners.end() ? owner->second : owner_of(record));
  if (record.first_started_at) runtime.plan_attempt(record.id, {.not_before = {}, .expires_at = limit});
  return Hold::held;
}

Hold hold(Context& context, Record& record, Claimed& claimed, const Owners& owners) {
  try {
    if (record.queued == Queued::by_anyone) return hold_stored(context, record, claimed, owners);
    if (context.runtime.starter_alive(record.id)) return Hold::held;
    context.runtime.remove(record.id);
    record.end = end_of_abandoned_wait(now());
    return Hold::gone;
  } catch (const Error& error) {
    // One that cannot be started must not hold up those behind it.
    claimed = {};
    return gone(record, State::failed, error.what());
  }
}

enum class Attempt {
  begun,
  ended,
  later,    ///< systemd does not take this one now; it is back in line
  unknown,  ///< systemd did not answer
};

// `later` and `unknown` are told: who started what follows must fail then, so that a reconcile comes.
Attempt give_up_start(Context& context, const Record& record, const Error& error) {
  if (error.code() == ErrorCode::unreachable || error.code() == ErrorCode::conflict) {
    // A call without an answer may have come through: the claim stays, and reconcile finds out (never_began()).
    const bool is_unknown = error.code() == ErrorCode::unreachable;
    // Something else has the unit's name, or systemd is busy with the opposite job: also whatever starts while the host
    // goes down gets that. One that is queued again may be somebody else's by now, who makes its folder anew.
    if (!is_unknown) context.registry.requeue(record);
    context.registry.tell_trouble(record.unit, error.reason());
    return is_unknown ? Attempt::unknown : Attempt::later;
  }
  Record ended = record;
  gone(ended, State::failed, error.what());
  const bool has_ended = context.registry.finish(record, *ended.end);
  // Not before: what is neither queued nor ended and has no folder is taken for what went down.
  context.runtime.remove(record.id);
  if (has_ended) run_hooks(context, {ended});
  return Attempt::ended;
}

Attempt start_stored(Context& context, const Record& record) {
  const UnitSpec spec = unit_spec(context, record);
  try {
    once_unloaded(context, spec.unit, [&] { context.engine.request_start(spec); });
  } catch (const Error& error) {
    // Should it live, the call of a starter that died has come through after all.
    if (error.code() != ErrorCode::conflict || !inspect_unit(context, record))
      return give_up_start(context, record, error);
  }
  stop_if_asked_to(context, record);
  if (!record.request.persist) context.registry.forget_launch(record.id);
  return Attempt::begun;
}

void advance_flows(Context& context) {
  std::vector<Record> cancelled;
  for (const Flow& flow : context.registry.live_flows()) context.registry.advance_flow(flow, cancelled);
  run_hooks(context, cancelled);
}

bool waits(const Record& record) { return record.queued != Queued::no; }

// What went down with an earlier boot or manager gives up its slot, or goes back to its place in line, before anybody
// is chosen. Its runtime folder is made before it is claimed and removed after its end: only the tmpfs itself can have
// gone.
void settle_what_went_down(Context& context, const std::vector<Record>& live) {
  std::vector<Record> ended;
  for (const Record& record : live) {
    if (waits(record) || context.runtime.exists(record.id)) continue;
    if (!context.registry.find_live(record.request.name, record.id)) continue;  // ended, or refused, since
    if (auto settled = settle_record(context, record)) ended.push_back(std::move(*settled));
  }
  run_hooks(context, ended);
  if (!ended.empty()) advance_flows(context);
}

void start_what_may(Context& context, std::vector<Record>& started) {
  advance_flows(context);
  const std::vector<Record> live = context.registry.live();
  if (std::none_of(live.begin(), live.end(), waits)) return;
  const PoolLimits limits = read_configuration(context.configuration_files).pools;
  // Before anything is claimed, and before the registry's lock is held.
  context.engine.connect();
  settle_what_went_down(context, live);
  const Owners owners = owners_of(live);
  std::unordered_set<std::string> passed_over;  // those behind them may start all the same
  for (;;) {
    Claimed claimed;
    std::vector<Record> ended;
    const auto hold_next = [&](Record& next) {
      return passed_over.contains(next.id) ? Hold::busy : hold(context, next, claimed, owners);
    };
    const auto record = context.registry.claim_next(limits, hold_next, ended);
    run_hooks(context, ended);
    // What has ended without a start may have been a step that others need.
    if (!ended.empty()) advance_flows(context);
    if (!record) return;
    if (!claimed.launch) continue;
    const Attempt attempt = start_stored(context, *record);
    if (attempt == Attempt::unknown) return;
    if (attempt == Attempt::later) passed_over.insert(record->id);
    if (attempt == Attempt::begun) started.push_back(*record);
  }
}

std::vector<Record> pool_of(Context& context, const std::string& pool) {
  std::vector<Record> records = context.registry.live();
  std::erase_if(records, [&](const Record& record) { return record.request.pool.name != pool; });
  return records;
}

std::string holders_in_words(const std::vector<Record>& pool, const PoolRequest& request, const PoolLimits& limits) {
  std::string names;
  int taken = 0;
  for (const Record& record : pool) {
    if (!holds_slot(record)) continue;
    ++taken;
    names += (names.empty() ? "'" : ", '") + record.request.name + "'";
  }
  return std::to_string(taken) + " of " + std::to_string(slots_for(request, limits)) + " slots of pool '" +
         request.name + "' are " + (names.empty() ? "held" : "held by " + names);
}

Error no_slot(Context& context, const Record& record, microseconds timeout) {
  const PoolRequest& pool = record.request.pool;
  return Error({.code = ErrorCode::timed_out,
                .context = "cannot start session",
                .object = record.request.name,
                .reason = "its turn has not come within " + format_time_span(timeout) + ": " +
                          holders_in_words(pool_of(context, pool.name), pool,
                                           read_configuration(context.configuration_files).pools),
                .hint = "agentctl run --queue starts it when a slot comes free"});
}

Error cancelled_meanwhile(Context& context, const Record& record) {
  const auto ended = context.registry.find_ended(record.request.name, record.id);
  return Error({.code = ErrorCode::conflict,
                .context = "cannot start session",
                .object = record.request.name,
                .reason = ended ? ended->end->reason : "its record is gone",
                .hint = "agentctl list -a"});
}

}  // namespace

void resume_start(Context& context, const Record& record) {
  const auto held = context.runtime.take_over(record.id);
  if (held && !inspect_unit(context, record)) start_stored(context, record);
}

std::vector<Record> start_waiting(Context& context) {
  std::vector<Record> started;
  try {
    start_what_may(context, started);
  } catch (const Error& error) {
    context.registry.tell_trouble(error.object(), error.reason());
  }
  return started;
}

void use_room(Context& context, const std::vector<Record>& gone) {
  const bool is_waited_for = std::any_of(gone.begin(), gone.end(), [](const Record& record) {
    return !record.request.pool.name.empty() || record.flow;
  });
  if (is_waited_for) start_waiting(context);
}

void follow_ends(Context& context, const std::vector<Record>& ended) {
  run_hooks(context, ended);
  use_room(context, ended);
}

void follow_end(Context& context, const Record& ended) { follow_ends(context, {ended}); }

void refresh_holders(Context& context, const std::string& pool) {
  for (const Record& record : pool_of(context, pool))
    if (holds_slot(record)) observe(context, record);
}

void wait_for_turn(Context& context, const PreparedLaunch& prepared, microseconds timeout, const Tick& tick) {
  const Record& record = prepared.launch.record;
  RegistryWatch watch(context.registry.root());
  refresh_holders(context, record.request.pool.name);
  start_waiting(context);
  const WaitClock clock(timeout, tick);
  bool refreshed = false;
  for (;;) {
    const auto stored = context.registry.find_live(record.request.name, record.id);
    if (!stored) throw cancelled_meanwhile(context, record);
    if (stored->queued == Queued::no) return;
    if (clock.is_over()) {
      // Once more, for those that ended without a recorder.
      if (!std::exchange(refreshed, true)) {
        refresh_holders(context, record.request.pool.name);
      } else if (context.registry.cancel(record, std::nullopt)) {
        throw no_slot(context, record, timeout);
      }
      continue;
    }
    if (!watch.next_change(clock.nap())) clock.tick(1);
  }
}

std::vector<Record> cancel_queued(Context& context, const std::vector<Session>& sessions, const StopRequest& request) {
  std::vector<Record> cancelled;
  const End end = end_of_cancelled(request);
  for (const Session& session : sessions)
    if (session.state == State::queued && context.registry.cancel(session.record, end))
      cancelled.push_back(with_end(session.record, end));
  follow_ends(context, cancelled);
  return cancelled;
}

std::string why_queued(Context& context, const Record& record) {
  if (record.flow) {
    for (const Flow& flow : context.registry.live_flows()) {
      if (flow.id != record.flow->flow_id) continue;
      const auto standings = context.registry.standings(flow);
      for (std::size_t i = 0; i < flow.steps.size(); ++i) {
        if (flow.steps[i].session_id != record.id) continue;
        const StepVerdict verdict = judge_step(flow, standings, i);
        if (verdict.kind != StepVerdict::Kind::ready) return verdict.reason;
      }
    }
  }
  const PoolRequest& request = record.request.pool;
  if (request.name.empty()) return {};
  const std::vector<Record> pool = pool_of(context, request.name);
  const auto before = std::count_if(pool.begin(), pool.end(), [&](const Record& other) {
    return waits(other) && other.id != record.id && goes_before(other, record);
  });
  return holders_in_words(pool, request, read_configuration(context.configuration_files).pools) + "; " +
         std::to_string(before) + " before it in line";
}

}  // namespace agentctl
