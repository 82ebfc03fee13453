#include "domain/event.hpp"

#include <gmock/gmock.h>

#include "support/sample_records.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Events : public testing::Test {
 protected:
  static Session session(State state, bool started = true) {
    Session seen(sample_record("web"));
    seen.state = state;
    if (started) seen.started_at = seen.ready_at = sample_time('b');
    if (is_terminal(state)) seen.ended_at = sample_time('c');
    return seen;
  }

  // After one attempt that ran from 'b' to 'd'.
  static Session second_attempt(State state) {
    Session again = session(state, false);
    again.record.attempt = 2;
    End end = sample_end(State::failed, 'd');
    end.started_at = sample_time('b');
    again.record.earlier_attempts = {end};
    again.record.retry_at = sample_time('e');
    return again;
  }

  struct Told {
    State state;
    int attempt;
    TimePoint at;
  };
  std::vector<State> told() {
    for (const Event& event : teller.take()) events.push_back({event.state, event.attempt, event.at});
    std::vector<State> states;
    for (const Told& event : events) states.push_back(event.state);
    return states;
  }
  std::vector<int> attempts() const {
    std::vector<int> numbers;
    for (const Told& event : events) numbers.push_back(event.attempt);
    return numbers;
  }
  std::vector<TimePoint> times() const {
    std::vector<TimePoint> when;
    for (const Told& event : events) when.push_back(event.at);
    return when;
  }

  std::vector<Told> events;
  EventTeller teller;
};

TEST_F(Events, ALifeTooShortToBeSeenIsToldInFull) {
  teller.tell(session(State::failed), sample_time('z'));
  EXPECT_THAT(told(), ElementsAre(State::starting, State::running, State::failed));
  EXPECT_THAT(times(), ElementsAre(sample_time(0), sample_time('b'), sample_time('c')));
}

TEST_F(Events, WhatWasToldIsNotToldAgain) {
  teller.tell(session(State::starting, false), sample_time(0));
  teller.tell(session(State::running), sample_time(0));
  teller.tell(session(State::running), sample_time(0));
  teller.tell(session(State::exited), sample_time(0));
  EXPECT_THAT(told(), ElementsAre(State::starting, State::running, State::exited));
}

TEST_F(Events, NothingIsToldAfterWhatFollowsIt) {
  teller.tell(session(State::running), sample_time(0));
  teller.tell(session(State::starting, false), sample_time(0));
  teller.tell(session(State::failed), sample_time(0));
  teller.tell(session(State::stopping), sample_time(0));
  EXPECT_THAT(told(), ElementsAre(State::starting, State::running, State::failed));
}

// Its unit was asked for its state before it ran, its host's note was read after.
TEST_F(Events, ItRunsWhenItsHostSaysSo) {
  teller.tell(session(State::starting), sample_time(0));
  EXPECT_THAT(told(), ElementsAre(State::starting, State::running));
  teller.tell(session(State::failed), sample_time(0));
  EXPECT_THAT(told(), ElementsAre(State::starting, State::running, State::failed));
}

TEST_F(Events, WhatNeverBecameHealthyNeverRan) {
  Session service = session(State::failed);
  service.ready_at.reset();
  teller.tell(service, sample_time(0));
  EXPECT_THAT(told(), ElementsAre(State::starting, State::failed));
}

TEST_F(Events, OfWhatWasThereBeforeOnlyTheChangesAreTold) {
  teller.note(session(State::running));
  teller.tell(session(State::running), sample_time(0));
  EXPECT_THAT(told(), IsEmpty());
  teller.tell(session(State::stopped), sample_time(0));
  EXPECT_THAT(told(), ElementsAre(State::stopped));
}

TEST_F(Events, ARestartByHandIsALifeMore) {
  teller.tell(session(State::running), sample_time('b'));
  Session again = second_attempt(State::starting);
  again.record.retry_at.reset();
  teller.tell(again, sample_time('e'));
  again.state = State::running;
  again.started_at = again.ready_at = sample_time('f');
  teller.tell(again, sample_time('g'));
  EXPECT_THAT(told(), ElementsAre(State::starting, State::running, State::starting, State::running));
  EXPECT_THAT(attempts(), ElementsAre(1, 1, 2, 2));
  EXPECT_THAT(times(), ElementsAre(sample_time(0), sample_time('b'), sample_time('d'), sample_time('f')));
}

// The unit's state is the first attempt's, the record the second's, whose host has written nothing yet.
TEST_F(Events, AnAttemptDoesNotRunBecauseTheOneBeforeDid) {
  teller.note(session(State::running));
  teller.tell(second_attempt(State::running), sample_time('e'));
  EXPECT_THAT(told(), ElementsAre(State::restarting));
  teller.tell(second_attempt(State::stopping), sample_time('e'));
  EXPECT_THAT(told(), ElementsAre(State::restarting));
  EXPECT_THAT(times(), ElementsAre(sample_time('d')));
}

TEST_F(Events, AttemptsThatNobodySawAreTold) {
  Session parked = session(State::parked);
  parked.started_at = parked.ready_at = sample_time('h');
  parked.ended_at = sample_time('i');
  parked.record.attempt = 3;
  parked.record.retry_at = sample_time('g');
  for (const char at : {'b', 'e'}) {
    End end = sample_end(State::failed, at + 1);
    end.started_at = sample_time(at);
    parked.record.earlier_attempts.push_back(end);
  }
  teller.tell(parked, sample_time('z'));
  EXPECT_THAT(told(), ElementsAre(State::starting, State::running, State::restarting, State::running, State::restarting,
                                  State::running, State::parked));
  EXPECT_THAT(attempts(), ElementsAre(1, 1, 2, 2, 3, 3, 3));
  EXPECT_THAT(times(), ElementsAre(sample_time(0), sample_time('b'), sample_time('c'), sample_time('e'),
                                   sample_time('f'), sample_time('h'), sample_time('i')));
}

TEST_F(Events, OfAttemptsThatAreNoLongerKeptNothingIsTold) {
  Session seen = second_attempt(State::restarting);
  seen.record.attempt = 100;
  teller.tell(seen, sample_time('z'));
  EXPECT_THAT(told(), ElementsAre(State::starting, State::running, State::restarting));
  EXPECT_THAT(attempts(), ElementsAre(1, 99, 100));
}

TEST_F(Events, TheLineIsLeftForAStartOrForGood) {
  Session waits = session(State::queued, false);
  teller.tell(waits, sample_time('a'));
  teller.tell(session(State::running), sample_time('z'));
  EXPECT_THAT(told(), ElementsAre(State::queued, State::starting, State::running));
  EXPECT_THAT(times(), ElementsAre(sample_time(0), sample_time('b'), sample_time('b')));

  Session cancelled = session(State::cancelled, false);
  cancelled.record.id = sample_id('x');
  teller.tell(cancelled, sample_time('z'));
  events.clear();
  EXPECT_THAT(told(), ElementsAre(State::queued, State::cancelled));
}

TEST_F(Events, WhatGoesOnAfterARebootIsInLineAgain) {
  teller.note(session(State::running));
  Session again = second_attempt(State::queued);
  again.record.retry_at.reset();
  teller.tell(again, sample_time('e'));
  again.state = State::running;
  again.started_at = again.ready_at = sample_time('f');
  teller.tell(again, sample_time('g'));
  EXPECT_THAT(told(), ElementsAre(State::queued, State::starting, State::running));
  EXPECT_THAT(attempts(), ElementsAre(2, 2, 2));
}

TEST_F(Events, AreInTheOrderOfTimeWhateverTheOrderOfTheirSessions) {
  Session late = session(State::running);
  late.record.id = sample_id('x');
  late.record.created_at = sample_time('y');
  late.started_at = late.ready_at = sample_time('z');
  teller.tell(late, sample_time('z'));
  teller.tell(session(State::exited), sample_time('z'));
  EXPECT_THAT(told(), ElementsAre(State::starting, State::running, State::exited, State::starting, State::running));
}

TEST_F(Events, AStopHasTheTimeAtWhichItWasAskedFor) {
  teller.note(session(State::running));
  Session stopping = session(State::stopping);
  stopping.record.stop = StopRequest{.by = {}, .reason = {}, .at = sample_time('c')};
  teller.tell(stopping, sample_time('z'));
  Session stopped = session(State::stopped);
  stopped.ended_at = sample_time('d');
  teller.tell(stopped, sample_time('z'));
  EXPECT_THAT(told(), ElementsAre(State::stopping, State::stopped));
  EXPECT_THAT(times(), ElementsAre(sample_time('c'), sample_time('d')));
}

// It was seen ending after it had ended.
TEST_F(Events, NoneIsOlderThanTheOneBefore) {
  teller.note(session(State::running));
  teller.tell(session(State::stopping), sample_time('z'));
  teller.tell(session(State::exited), sample_time('z'));
  EXPECT_THAT(told(), ElementsAre(State::stopping, State::exited));
  EXPECT_THAT(times(), ElementsAre(sample_time('z'), sample_time('z')));
}

}  // namespace
}  // namespace agentctl
