#include "domain/restart.hpp"

#include <algorithm>

namespace agentctl {
namespace {

// The first start is answered to whoever asked for it: what never got healthy is not tried again behind their back.
bool has_started(const Record& record, const HostNote& note) {
  if (!note.started_at || note.start_status) return false;
  return !record.request.health || note.ready_at || record.attempt > 1;
}

bool ended_by_itself(const Record& record, const EndEvidence& evidence, const End& end) {
  const bool ran = evidence.note && has_started(record, *evidence.note);
  return ran && (end.state == State::exited || end.state == State::failed);
}

bool is_never_restarted(const RestartRules& rules, const End& end) {
  if (end.exit.code == configuration_error) return true;
  return end.exit.code &&
         std::find(rules.never_on.begin(), rules.never_on.end(), *end.exit.code) != rules.never_on.end();
}

}  // namespace

void begin_anew(Record& record) {
  record.expires_at.reset();
  record.first_started_at.reset();
  record.retry_at.reset();
  record.early_ends = 0;
}

void begin_attempt(Record& record, const End& end, const AfterEnd* next) {
  constexpr std::size_t kept_attempts = 20;
  record.earlier_attempts.push_back(end);
  if (record.earlier_attempts.size() > kept_attempts) record.earlier_attempts.erase(record.earlier_attempts.begin());
  ++record.attempt;
  record.restart_by.reset();
  if (next == nullptr) {
    begin_anew(record);
  } else {
    if (!record.first_started_at) record.first_started_at = end.started_at;
    record.retry_at = next->retry_at;
    record.early_ends = next->early_ends;
  }
}

void queue_next_attempt(Record& record, const End& end) {
  const TimePoint first = record.first_started_at.value_or(end.started_at.value_or(record.created_at));
  const auto expires_at = record.expires_at;
  begin_attempt(record, end, nullptr);
  record.first_started_at = first;
  record.expires_at = expires_at;
  record.stop.reset();
  record.queued = Queued::by_anyone;
}

microseconds restart_delay(const RestartRules& rules, int early_ends) {
  microseconds delay = rules.delay;
  for (int i = 1; i < early_ends && delay < rules.max_delay; ++i) delay *= 2;
  return std::min(delay, rules.max_delay);
}

AfterEnd after_end(const Record& record, const EndEvidence& evidence, const End& end) {
  const RestartRules& rules = record.request.restart;
  AfterEnd after;
  // Without systemd's result no recorder runs, and the unit is gone.
  if (rules.policy == RestartPolicy::no || evidence.service_result.empty() || !ended_by_itself(record, evidence, end))
    return after;
  const bool unhealthy = !evidence.note->unhealthy.empty();
  if (unhealthy && record.request.health && record.request.health->when_unhealthy == WhenUnhealthy::stop) return after;
  if (!unhealthy && rules.policy == RestartPolicy::on_failure && evidence.service_result == "success") return after;
  if (is_never_restarted(rules, end)) {
    after.step = AfterEnd::Step::park;
    after.reason = end.reason + ", which is never restarted";
    return after;
  }
  // Not until the end of what it left behind, which may take as long as the stop timeout.
  const TimePoint exited_at = evidence.note->exited_at.value_or(*end.ended_at);
  const bool early = exited_at - *evidence.note->started_at < rules.early;
  after.early_ends = early ? record.early_ends + 1 : 0;
  if (after.early_ends >= rules.limit) {
    after.step = AfterEnd::Step::park;
    after.reason = "ended " + std::to_string(after.early_ends) + " times within " + format_time_span(rules.early) +
                   " of its start; the last time it " + end.reason;
    return after;
  }
  after.retry_at = *end.ended_at + restart_delay(rules, after.early_ends);
  const auto limit = expiry(record, evidence.note->started_at);
  // There would be no time left for it.
  if (!limit || after.retry_at < *limit) after.step = AfterEnd::Step::retry;
  return after;
}

}  // namespace agentctl
