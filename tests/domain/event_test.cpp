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

  std::vector<State> told;
  std::vector<TimePoint> times;
  const EventSink sink = [this](const Event& event) {
    told.push_back(event.state);
    times.push_back(event.at);
    return told.size() < 5;
  };
  EventTeller teller{sink};
};

TEST_F(Events, ALifeTooShortToBeSeenIsToldInFull) {
  teller.tell(session(State::failed), sample_time(0));
  EXPECT_THAT(told, ElementsAre(State::starting, State::running, State::failed));
}

TEST_F(Events, WhatWasToldIsNotToldAgain) {
  teller.tell(session(State::starting, false), sample_time(0));
  teller.tell(session(State::running), sample_time(0));
  teller.tell(session(State::running), sample_time(0));
  teller.tell(session(State::exited), sample_time(0));
  EXPECT_THAT(told, ElementsAre(State::starting, State::running, State::exited));
}

TEST_F(Events, NothingIsToldAfterWhatFollowsIt) {
  teller.tell(session(State::running), sample_time(0));
  teller.tell(session(State::starting, false), sample_time(0));
  teller.tell(session(State::failed), sample_time(0));
  EXPECT_THAT(told, ElementsAre(State::starting, State::running, State::failed));
}

// Its unit was asked for its state before it ran, its host's note was read after.
TEST_F(Events, ItRunsOnlyAfterItHasStarted) {
  teller.tell(session(State::starting), sample_time(0));
  EXPECT_THAT(told, ElementsAre(State::starting));
  teller.tell(session(State::failed), sample_time(0));
  EXPECT_THAT(told, ElementsAre(State::starting, State::running, State::failed));
}

TEST_F(Events, WhatNeverBecameHealthyNeverRan) {
  Session service = session(State::failed);
  service.ready_at.reset();
  teller.tell(service, sample_time(0));
  EXPECT_THAT(told, ElementsAre(State::starting, State::failed));
}

TEST_F(Events, OfWhatWasThereBeforeOnlyTheChangesAreTold) {
  teller.note(session(State::running));
  teller.tell(session(State::running), sample_time(0));
  EXPECT_THAT(told, IsEmpty());
  teller.tell(session(State::stopped), sample_time(0));
  EXPECT_THAT(told, ElementsAre(State::stopped));
}

TEST_F(Events, AnAttemptMoreIsALifeMore) {
  teller.tell(session(State::running), sample_time(0));
  Session again = session(State::starting, false);
  again.record.attempt = 2;
  teller.tell(again, sample_time(0));
  again = session(State::running);
  again.record.attempt = 2;
  teller.tell(again, sample_time(0));
  EXPECT_THAT(told, ElementsAre(State::starting, State::running, State::starting, State::running));
  EXPECT_TRUE(teller.wants_more());
}

TEST_F(Events, AStopHasTheTimeAtWhichItWasAskedFor) {
  teller.note(session(State::running));
  Session stopping = session(State::stopping);
  stopping.record.stop = StopRequest{.by = {}, .reason = {}, .at = sample_time('c')};
  teller.tell(stopping, sample_time('z'));
  Session stopped = session(State::stopped);
  stopped.ended_at = sample_time('d');
  teller.tell(stopped, sample_time('z'));
  EXPECT_THAT(told, ElementsAre(State::stopping, State::stopped));
  EXPECT_THAT(times, ElementsAre(sample_time('c'), sample_time('d')));
}

// It was seen ending after it had ended.
TEST_F(Events, NoneIsOlderThanTheOneBefore) {
  teller.note(session(State::running));
  teller.tell(session(State::stopping), sample_time('z'));
  teller.tell(session(State::exited), sample_time('z'));
  EXPECT_THAT(told, ElementsAre(State::stopping, State::exited));
  EXPECT_THAT(times, ElementsAre(sample_time('z'), sample_time('z')));
}

}  // namespace
}  // namespace agentctl
