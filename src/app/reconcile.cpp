#include "app/reconcile.hpp"

#include <unordered_set>

#include "app/hook.hpp"
#include "app/queue.hpp"
#include "app/sessions.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/user.hpp"
#include "domain/end_of_session.hpp"
#include "domain/naming.hpp"
#include "domain/restart.hpp"

namespace agentctl {
namespace {

// A session that was started with another XDG_STATE_HOME has its record there.
bool is_kept_here(Context& context, const std::string& id) {
  try {
    const auto launch = context.runtime.launch(id);
    if (!launch) return false;
    const std::string& root = context.registry.root();
    return launch->registry == root || is_same_file(launch->registry, root);
  } catch (const Error&) {
    return false;
  }
}

// The host wrote how the command ended, and then the recorder was killed: that is an end like any other.
bool tells_the_end(const HostNote& note) { return note.exit_code || note.exit_signal || note.start_status; }

// The runtime folder is on a tmpfs, so it proves the boot even where the boot ID does not: a container's own is mounted
// over the kernel's, and the sandbox of a unit can take that mount away.
bool is_of_this_boot(Context& context, const Record& record) {
  return record.boot_id == context.boot_id || context.runtime.exists(record.id);
}

// The attempt is one that systemd starts by itself, in the unit of the one before.
bool is_restart(const Record& record) {
  return !record.earlier_attempts.empty() && record.earlier_attempts.back().state != State::lost;
}

End end_of_lost(Context& context, const Record& record, const std::optional<HostNote>& note, bool same_boot) {
  End end = decide_lost(record, note, same_boot ? record.boot_id : context.boot_id, now());
  if (!same_boot || end.state != State::lost || note) return end;
  if (!context.runtime.exists(record.id)) {
    end.reason = context.scope == ManagerScope::user ? "its user manager went down while it ran"
                                                     : "its folder in /run and its unit are gone";
  } else if (is_restart(record)) {
    if (record.earlier_attempts.back().ended_at < context.engine.started_at()) {
      end.reason = "its user manager went down before its next attempt began";
      return end;
    }
    // Nobody else ends a unit between two attempts, and then no recorder runs.
    end.state = State::stopped;
    end.reason = "stopped before its next attempt began: with systemctl, or by systemd's start limit";
  }
  return end;
}

End end_without_recorder(Context& context, const Record& record, const std::optional<HostNote>& note, bool same_boot) {
  if (note && tells_the_end(*note) && same_boot) {
    EndEvidence evidence;
    evidence.note = note;
    evidence.invocation_id = note->invocation_id;
    evidence.at = note->exited_at.value_or(now());
    End end = decide_end(record, evidence);
    if (end.state != State::restarting) return end;
  }
  return end_of_lost(context, record, note, same_boot);
}

// False when something is in the way that no host puts there. The session itself may, and must hold up nobody else.
bool remove_folder(Context& context, const std::string& id) {
  try {
    context.runtime.remove(id);
  } catch (const Error&) {
    return false;
  }
  return true;
}

// A child that dies while systemd moves it into its scope (its agentctl was killed just then) can leave a scope that
// never hears that it is empty, and stays active for ever.
void end_empty_scopes(Context& context, const std::vector<UnitState>& units) {
  std::vector<std::string> empty;
  for (const UnitState& unit : units) {
    if (unit.activity != Activity::active || !unit.unit.ends_with(".scope")) continue;
    const auto details = context.engine.inspect(unit.unit);
    if (!details || details->state.activity != Activity::active || details->control_group.empty()) continue;
    if (context.engine.processes(details->control_group).empty()) empty.push_back(unit.unit);
  }
  context.engine.stop(empty);
}

// Who waited for its turn by itself has to be there when it comes.
std::optional<Record> settle_queued(Context& context, const Record& record) {
  if (record.queued == Queued::by_anyone || context.runtime.starter_alive(record.id)) return std::nullopt;
  const End end = end_of_abandoned_wait(now());
  if (!context.registry.cancel(record, end)) return std::nullopt;
  remove_folder(context, record.id);
  return with_end(record, end);
}

// Whoever claimed it died before systemd had it: a host says that it has come up before it starts anything. Its note
// goes when systemd is about to restart it, and with the tmpfs.
bool never_began(Context& context, const Record& record) {
  return context.runtime.exists(record.id) && !context.runtime.note(record.id) && !record.stop && !is_restart(record) &&
         context.registry.stored_launch(record.id);
}

// What went down with the host or its manager goes on. Not what somebody was stopping.
bool goes_on(Context& context, const Record& record, const std::optional<HostNote>& note, const End& lost) {
  if (!record.request.persist || lost.state != State::lost || record.stop) return false;
  if (note && note->terminated_at && is_of_this_boot(context, record)) return false;
  return context.registry
      .update(record.request.name, record.id,
              [&](Record& stored) {
                const bool is_it = stored.boot_id == record.boot_id && stored.attempt == record.attempt;
                if (is_it && stored.queued == Queued::no && !stored.stop) queue_next_attempt(stored, lost);
              })
      .has_value();
}

}  // namespace

std::optional<Record> settle_record(Context& context, const Record& looked_at) {
  // It may have been stopped, restarted or put back in line since. What the registry has lost is only in the look.
  const auto stored = context.registry.find_live(looked_at.request.name, looked_at.id);
  // Nor is there anything to settle of what has left nothing: it was refused, or forgotten since.
  if (!stored && !context.runtime.exists(looked_at.id)) return std::nullopt;
  const Record record = stored.value_or(looked_at);
  if (record.queued != Queued::no) return settle_queued(context, record);
  if (is_of_this_boot(context, record)) {
    // A starter that is done has its unit, whose host may not have read the launch yet.
    if (context.runtime.starter_alive(record.id) || inspect_unit(context, record)) return std::nullopt;
    if (never_began(context, record)) {
      resume_start(context, record);
      return std::nullopt;
    }
    // One that died may have its call still under way to systemd. Without its launch file a host that comes up now
    // starts nothing; a unit that is there gets it back.
    const bool withdrawn = context.runtime.withdraw(record.id);
    if (inspect_unit(context, record)) {
      if (withdrawn) context.runtime.give_back(record.id);
      return std::nullopt;
    }
  }
  const auto note = context.runtime.note(record.id);
  const End end = end_without_recorder(context, record, note, is_of_this_boot(context, record));
  if (goes_on(context, record, note, end)) return std::nullopt;
  if (!context.registry.finish(record, end)) return std::nullopt;
  remove_folder(context, record.id);
  context.engine.forget_time_limit(record.unit);
  return with_end(record, end);
}

std::optional<End> reconcile_record(Context& context, const Record& record) {
  const auto ended = settle_record(context, record);
  if (!ended) return std::nullopt;
  follow_end(context, *ended);
  return ended->end;
}

Record rebuild_record(Context& context, const UnitState& unit) {
  const std::string id = id_from_description(unit.description).value_or("");
  try {
    if (const auto launch = context.runtime.launch(id); launch && launch->record.unit == unit.unit) {
      Record record = launch->record;
      if (const auto user = find_user(record.request.user)) record.request.user = user->name;
      return record;
    }
  } catch (const Error&) {
    // Unreadable: what the unit itself says is still true.
  }
  Record record;
  record.id = id;
  record.unit = unit.unit;
  record.scope = context.scope;
  record.boot_id = context.boot_id;
  record.request.name = name_from_unit(unit.unit).value_or(unit.unit);
  record.request.kind = unit.unit.ends_with(".scope") ? SessionKind::scope : SessionKind::service;
  return record;
}

std::vector<Record> restore_lost_records(Context& context, const std::vector<UnitState>& units) {
  std::unordered_set<std::string> recorded;
  for (const Record& record : context.registry.live()) recorded.insert(record.id);
  std::vector<Record> restored;
  for (const UnitState& unit : units) {
    const auto id = id_from_description(unit.description);
    if (!id || recorded.contains(*id)) continue;
    const Record record = rebuild_record(context, unit);
    // A unit can outlast its recorder by a moment.
    if (context.registry.has_ended(record.request.name, *id)) continue;
    if (!is_kept_here(context, *id) || !inspect_unit(context, record)) continue;
    if (!context.registry.create(record).rival) restored.push_back(record);
  }
  return restored;
}

ReconcileReport reconcile(Context& context) {
  ReconcileReport report;
  const std::vector<UnitState> units = context.engine.list();
  end_empty_scopes(context, units);
  std::unordered_set<std::string> alive;
  for (const UnitState& unit : units)
    if (const auto id = id_from_description(unit.description); id && is_alive(unit.activity)) alive.insert(*id);

  std::unordered_set<std::string> recorded;
  for (const Record& record : context.registry.live()) {
    recorded.insert(record.id);
    if (alive.contains(record.id)) continue;
    // What follows comes when all of them are where they belong: who goes on may be before who just waits.
    try {
      if (auto ended = settle_record(context, record)) report.ended.push_back(std::move(*ended));
    } catch (const Error& error) {
      if (error.code() == ErrorCode::unreachable) throw;
      // One that cannot be settled, perhaps because of what its user put into its folder, holds up no other.
      context.registry.tell_trouble(record.unit, error.what());
    }
  }
  report.restored = restore_lost_records(context, units);
  for (const std::string& id : context.runtime.ids()) {
    if (alive.contains(id) || recorded.contains(id) || !context.runtime.is_abandoned(id)) continue;
    if (remove_folder(context, id)) report.removed.push_back(id);
  }
  context.runtime.remove_strays();
  context.registry.remove_strays();
  for (std::string& id : context.registry.forget_abandoned_launches()) report.removed.push_back(std::move(id));
  run_left_hooks(context);
  report.started = start_waiting(context);
  return report;
}

}  // namespace agentctl
