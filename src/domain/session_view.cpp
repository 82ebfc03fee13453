#include "domain/session_view.hpp"

#include "domain/end_of_session.hpp"

namespace agentctl {
namespace {

std::string retry_in_words(const Record& record) {
  if (!record.retry_at || record.earlier_attempts.empty()) return {};
  return record.earlier_attempts.back().reason + "; attempt " + std::to_string(record.attempt) + " follows";
}

std::string wait_in_words(const Record& record) {
  const std::string& pool = record.request.pool.name;
  if (record.flow) return "waits for its turn in flow '" + record.flow->flow + "'";
  if (!pool.empty()) return "waits for a slot of pool '" + pool + "'";
  return "waits to be started again";
}

DerivedState state_of_unit(Activity activity, const Record& record, bool recorded) {
  switch (activity) {
    case Activity::activating:
      if (!record.retry_at) return {State::starting, {}, false};
      return {State::restarting, retry_in_words(record), false};
    case Activity::active: return {State::running, recorded ? "" : "its record was lost; shown from the unit", false};
    case Activity::deactivating:
      if (record.stop) return {State::stopping, "stop asked for by " + record.stop->by.user, false};
      return {State::stopping, {}, false};
    case Activity::restarting: return {State::restarting, retry_in_words(record), false};
    case Activity::inactive:
    case Activity::failed: break;
  }
  return {State::lost, "its unit has ended and no recorder wrote down how", true};
}

// Until the next host writes its own, the note is still that of the attempt that ended.
bool is_outdated(const HostNote& note, const Record& record) {
  return !record.earlier_attempts.empty() && !note.invocation_id.empty() &&
         note.invocation_id == record.earlier_attempts.back().invocation_id;
}

}  // namespace

DerivedState derive_state(const Record& record, const SessionEvidence& evidence) {
  if (record.end) return {record.end->state, record.end->reason, false};
  if (evidence.unit) return state_of_unit(*evidence.unit, record, evidence.recorded);
  if (record.queued == Queued::by_anyone || (record.queued == Queued::by_asker && evidence.starter_alive))
    return {State::queued, wait_in_words(record), false};
  // A scope's starter waits for its child: once that has run, no unit means that the end is about to be written.
  if (evidence.starter_alive) return {evidence.was_started ? State::stopping : State::starting, {}, false};
  return {State::lost, "its unit is gone and no recorder wrote down how it ended", true};
}

void complete(Session& session, const SessionEvidence& evidence, const std::optional<HostNote>& note) {
  const Record& record = session.record;
  DerivedState derived = derive_state(record, evidence);
  session.state = derived.state;
  session.reason = std::move(derived.reason);
  session.recorded = evidence.recorded;
  if (record.end) {
    const End& end = *record.end;
    session.pid = end.pid;
    session.invocation_id = end.invocation_id;
    session.started_at = end.started_at;
    session.ready_at = record.request.health ? end.ready_at : end.started_at;
    session.ended_at = end.ended_at;
    session.exit = end.exit;
    session.usage = end.usage;
    session.log_lost = end.log_lost;
  } else if (note && !is_outdated(*note, record)) {
    if (note->pid > 0) session.pid = note->pid;
    session.invocation_id = note->invocation_id;
    session.started_at = note->started_at;
    session.ready_at = record.request.health ? note->ready_at : note->started_at;
    session.log_lost = note->log_lost;
  }
  session.expires_at = expiry(record, session.started_at);
  add_health(session, std::nullopt, {});
}

void add_health(Session& session, const std::optional<HealthReport>& report, TimePoint at) {
  const auto& check = session.record.request.health;
  if (!check) return;
  // A probe that hangs, is stopped or cannot be started says nothing: then what it said last is not true for ever.
  const microseconds age = report ? at - report->checked_at : microseconds(0);
  const bool is_outdated = report && report->note.healthy && age > longest_silence(*check);
  session.healthy = session.state == State::running && report && report->note.healthy && !is_outdated;
  if (is_terminal(session.state)) return;
  session.health = report;
  if (!report || !session.reason.empty()) return;
  const std::string& error = report->note.error;
  if (session.state == State::starting && !error.empty()) session.reason = "not healthy yet: " + error;
  if (session.state != State::running) return;
  if (is_outdated) session.reason = "unhealthy: not checked for " + format_rough_span(age);
  if (!report->note.healthy && !error.empty()) session.reason = "unhealthy: " + error;
}

Session make_session(Record record, const SessionEvidence& evidence, const std::optional<HostNote>& note) {
  Session session(std::move(record));
  complete(session, evidence, note);
  return session;
}

}  // namespace agentctl
