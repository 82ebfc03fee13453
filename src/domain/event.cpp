#include "domain/event.hpp"

#include <algorithm>

namespace agentctl {

void EventTeller::note(const Session& session) {
  told_[session.record.id] = {session.state, session.record.attempt, session.ready_at.has_value(), {}};
}

void EventTeller::tell(const Session& session, TimePoint seen_at) {
  const Record& record = session.record;
  const auto known = told_.find(record.id);
  const bool is_new = known == told_.end();
  std::optional<Told> before;
  if (!is_new) before = known->second;
  if (before && before->state == session.state && before->attempt == record.attempt) return;
  const bool is_to_run = session.state == State::queued || session.state == State::starting;
  if (is_new && !is_to_run) say(record, State::starting, record.created_at, {});
  const bool ran_before = before && before->attempt == record.attempt && before->ran;
  // Its unit is gone and its end not written yet, which looks like a unit that is still to come.
  if (session.state == State::starting && ran_before) return;
  // Its host's note has gone already: the record will say when it started.
  if (session.state == State::stopping && !session.started_at && !ran_before) return;
  // It may have come to run since systemd was asked for its state: that is told with the next look.
  if (session.ready_at && !ran_before && !is_to_run && session.state != State::running)
    say(record, State::running, *session.ready_at, {});
  TimePoint at = seen_at;
  if (session.ended_at) at = *session.ended_at;
  if (session.state == State::stopping && record.stop) at = record.stop->at;
  if (session.state == State::running && session.ready_at) at = *session.ready_at;
  if (is_new && is_to_run) at = record.created_at;
  say(record, session.state, at, session.reason);
}

void EventTeller::say(const Record& record, State state, TimePoint at, const std::string& reason) {
  const auto known = told_.find(record.id);
  Event event{.at = at, .state = state, .before = {}, .reason = reason, .attempt = record.attempt, .record = record};
  bool ran = state == State::running;
  if (known != told_.end()) {
    const Told& before = known->second;
    event.before = before.state;
    event.at = std::max(at, before.at);
    ran = ran || (before.attempt == record.attempt && before.ran);
  }
  told_[record.id] = {state, record.attempt, ran, event.at};
  if (wants_more_) wants_more_ = sink_(event);
}

}  // namespace agentctl
