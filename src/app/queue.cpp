#include "app/queue.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "app/hook.hpp"
#include "app/sessions.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/user.hpp"
#include "domain/end_of_session.hpp"
#include "domain/naming.hpp"
#include "store/registry_watch.hpp"

namespace agentctl {
namespace {

using Clock = std::chrono::steady_clock;

End cancelled_end(const StopRequest& request) {
  End end;
  end.state = State::cancelled;
  end.reason = "cancelled by " + request.by.user;
  if (!request.reason.empty()) end.reason += ": " + request.reason;
  end.ended_at = request.at;
  return end;
}

End failed_end(const std::string& reason) {
  End end;
  end.reason = reason;
  end.ended_at = now();
  return end;
}

/// A queued session that has been chosen: what of it is ours until systemd has it.
struct Claimed {
  std::optional<Launch> launch;  ///< nothing: its own agentctl waits and starts it
  std::optional<HeldLaunch> held;
};

std::optional<uid_t> owner_of(const Record& record) {
  if (record.request.user.empty()) return std::nullopt;
  const auto user = find_user(record.request.user);
  if (!user)
    throw Error({.code = ErrorCode::failed,
                 .context = "cannot run as",
                 .object = record.request.user,
                 .reason = "there is no such user any more",
                 .hint = {}});
  return user->uid;
}

Hold hold(Context& context, Record& record, Claimed& claimed) {
  RuntimeFolders& runtime = context.runtime;
  const bool alive = runtime.starter_alive(record.id);
  if (record.queued == Queued::by_asker) {
    if (!alive) runtime.remove(record.id);
    return alive ? Hold::held : Hold::gone;
  }
  if (alive) return Hold::busy;
  if (runtime.exists(record.id)) runtime.remove(record.id);
  claimed.launch = context.registry.stored_launch(record.id);
  if (!claimed.launch) return Hold::gone;
  record.boot_id = context.boot_id;
  claimed.launch->record = record;
  claimed.launch->record.queued = Queued::no;
  claimed.held = runtime.create(*claimed.launch, owner_of(record));
  if (record.first_started_at) runtime.plan_attempt(record.id, {.not_before = {}, .expires_at = expiry(record, {})});
  return Hold::held;
}

// False when systemd takes nothing now: it is going down, or out of reach.
bool start_stored(Context& context, const Record& record) {
  const UnitSpec spec = unit_spec(context, record);
  try {
    try {
      context.engine.request_start(spec);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::conflict || !await_unloaded(context, spec.unit)) throw;
      context.engine.request_start(spec);
    }
  } catch (const Error& error) {
    // The call of a starter that died and was given up on has come through after all.
    if (error.code() == ErrorCode::conflict && inspect_unit(context, record)) return true;
    context.runtime.remove(record.id);
    if (error.code() == ErrorCode::unreachable || error.code() == ErrorCode::conflict) {
      context.registry.requeue(record);
      return false;
    }
    const End end = failed_end(error.what());
    if (context.registry.finish(record, end)) {
      Record ended = record;
      ended.end = end;
      run_hook(context, ended);
    }
    return true;
  }
  if (!record.request.persist) context.registry.forget_launch(record.id);
  return true;
}

void advance_flows(Context& context) {
  for (const Flow& flow : context.registry.live_flows()) {
    std::vector<Record> cancelled;
    context.registry.advance_flow(flow, cancelled);
    for (const Record& record : cancelled) run_hook(context, record);
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
                          holders_in_words(pool_of(context, pool.name), pool, load_configuration(context).pools),
                .hint = "agentctl run --queue starts it when a slot comes free"});
}

Error cancelled_meanwhile(Context& context, const Record& record) {
  std::string reason = "its record is gone";
  for (const Record& stored : context.registry.by_name(record.request.name))
    if (stored.id == record.id && stored.end) reason = stored.end->reason;
  return Error({.code = ErrorCode::conflict,
                .context = "cannot start session",
                .object = record.request.name,
                .reason = std::move(reason),
                .hint = {}});
}

}  // namespace

Configuration load_configuration(const Context& context) {
  Configuration configuration;
  for (const std::string& file : context.configuration_files)
    if (const auto text = read_file(file, configuration_size_limit)) apply_configuration(configuration, *text, file);
  return configuration;
}

void resume_start(Context& context, const Record& record) {
  if (!context.runtime.exists(record.id)) {
    context.registry.requeue(record);
    use_room(context, {record});
    return;
  }
  const auto held = context.runtime.take_over(record.id);
  if (held && !inspect_unit(context, record)) start_stored(context, record);
}

std::vector<Record> start_waiting(Context& context) {
  advance_flows(context);
  const PoolLimits limits = load_configuration(context).pools;
  std::vector<Record> started;
  for (;;) {
    Claimed claimed;
    const auto record = context.registry.claim_next(limits, [&](Record& next) {
      context.engine.connect();
      return hold(context, next, claimed);
    });
    if (!record || (claimed.launch && !start_stored(context, *record))) return started;
    if (claimed.launch) started.push_back(*record);
  }
}

void use_room(Context& context, const std::vector<Record>& gone) {
  const bool is_waited_for = std::any_of(gone.begin(), gone.end(), [](const Record& record) {
    return !record.request.pool.name.empty() || record.flow;
  });
  try {
    if (is_waited_for) start_waiting(context);
  } catch (const Error& error) {
    context.registry.tell_trouble(error.object(), error.reason());
  }
}

void follow_ends(Context& context, const std::vector<Record>& ended) {
  for (const Record& record : ended) {
    try {
      run_hook(context, record);
    } catch (const Error& error) {
      context.registry.tell_trouble(error.object(), error.reason());
    }
  }
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
  const auto began = Clock::now();
  bool refreshed = false;
  for (;;) {
    const auto stored = context.registry.find_live(record.request.name, record.id);
    if (!stored) {
      context.runtime.remove(record.id);
      throw cancelled_meanwhile(context, record);
    }
    if (stored->queued == Queued::no) return;
    const auto waited = std::chrono::duration_cast<microseconds>(Clock::now() - began);
    if (waited >= timeout) {
      // Once more, for those that ended without a recorder.
      if (!std::exchange(refreshed, true)) {
        refresh_holders(context, record.request.pool.name);
      } else if (context.registry.cancel(record, std::nullopt)) {
        context.runtime.remove(record.id);
        start_waiting(context);
        throw no_slot(context, record, timeout);
      }
      continue;
    }
    microseconds left = timeout - waited;
    if (tick) left = std::min(left, microseconds(std::chrono::seconds(1)));
    if (!watch.next_change(left) && tick) tick(waited, 1);
  }
}

std::vector<Record> cancel_queued(Context& context, const std::vector<Session>& sessions, const StopRequest& request) {
  std::vector<Record> cancelled;
  const End end = cancelled_end(request);
  for (const Session& session : sessions) {
    if (session.state != State::queued || !context.registry.cancel(session.record, end)) continue;
    cancelled.push_back(session.record);
    cancelled.back().end = end;
  }
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
    return other.queued != Queued::no && other.id != record.id && goes_before(other, record);
  });
  return holders_in_words(pool, request, load_configuration(context).pools) + "; " + std::to_string(before) +
         " before it in line";
}

}  // namespace agentctl
