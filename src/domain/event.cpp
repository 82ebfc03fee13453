#include "domain/event.hpp"

#include <algorithm>
#include <utility>

namespace agentctl {
namespace {

// States of one attempt follow one another in this order.
int place_in_order(State state) {
  switch (state) {
    case State::queued: return 0;
    case State::starting:
    case State::restarting: return 1;
    case State::running: return 2;
    case State::stopping: return 3;
    default: return 4;
  }
}

std::optional<TimePoint> ready_at(const Record& record, const End& end) {
  return record.request.health ? end.ready_at : end.started_at;
}

// Nothing when it is one of those that are no longer kept.
const End* end_of_attempt(const Record& record, int attempt) {
  const int kept = static_cast<int>(record.earlier_attempts.size());
  const int index = kept - (record.attempt - attempt);
  return index < 0 || index >= kept ? nullptr : &record.earlier_attempts[static_cast<std::size_t>(index)];
}

}  // namespace

void EventTeller::note(const Session& session) {
  told_[session.record.id] = {.state = session.state, .attempt = session.record.attempt};
}

void EventTeller::tell(const Session& session, TimePoint seen_at) {
  const Record& record = session.record;
  begin(session, seen_at);
  tell_earlier_attempts(session, seen_at);
  if (session.ready_at) say(record, record.attempt, State::running, *session.ready_at);
  if (session.state == State::stopping && (record.stop || session.ready_at))
    say(record, record.attempt, State::stopping, record.stop ? record.stop->at : seen_at, session.reason);
  if (is_terminal(session.state))
    say(record, record.attempt, session.state, session.ended_at.value_or(seen_at), session.reason);
}

std::vector<Event> EventTeller::take() {
  std::stable_sort(events_.begin(), events_.end(), [](const Event& a, const Event& b) { return a.at < b.at; });
  return std::exchange(events_, {});
}

void EventTeller::begin(const Session& session, TimePoint seen_at) {
  const Record& record = session.record;
  const bool never_left_the_line = session.state == State::cancelled && !session.started_at;
  const auto known = told_.find(record.id);
  if (known == told_.end()) {
    const bool waits = never_left_the_line || (session.state == State::queued && record.attempt == 1);
    say(record, 1, waits ? State::queued : State::starting, record.created_at, waits ? session.reason : "");
  } else if (session.state != State::queued && !never_left_the_line) {
    // Where it was queued, nobody wrote down when its turn came.
    const TimePoint latest = session.started_at.value_or(session.ended_at.value_or(seen_at));
    say(record, known->second.attempt, State::starting, std::min(latest, seen_at));
  }
}

void EventTeller::tell_earlier_attempts(const Session& session, TimePoint seen_at) {
  const Record& record = session.record;
  for (int attempt = told_.at(record.id).attempt; attempt < record.attempt; ++attempt) {
    const End* end = end_of_attempt(record, attempt);
    if (end == nullptr) continue;
    if (const auto ready = ready_at(record, *end)) say(record, attempt, State::running, *ready);
    State next = State::restarting;
    if (attempt + 1 == record.attempt && session.state == State::queued) next = State::queued;
    if (attempt + 1 == record.attempt && !record.retry_at && next != State::queued) next = State::starting;
    say(record, attempt + 1, next, end->ended_at.value_or(seen_at), end->reason);
  }
}

void EventTeller::say(const Record& record, int attempt, State state, TimePoint at, const std::string& reason) {
  Event event{.at = at, .state = state, .before = {}, .reason = reason, .attempt = attempt, .record = record};
  if (const auto known = told_.find(record.id); known != told_.end()) {
    const Told& before = known->second;
    if (std::pair(attempt, place_in_order(state)) <= std::pair(before.attempt, place_in_order(before.state))) return;
    event.before = before.state;
    event.at = std::max(at, before.at);
  }
  told_[record.id] = {.state = state, .attempt = attempt, .at = event.at};
  events_.push_back(std::move(event));
}

}  // namespace agentctl
