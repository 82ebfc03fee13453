#include "domain/session_view.hpp"

#include <gtest/gtest.h>

#include "support/sample_records.hpp"

namespace agentctl {
namespace {

SessionEvidence unit_is(Activity activity) {
  SessionEvidence evidence;
  evidence.unit = activity;
  return evidence;
}

SessionEvidence no_unit(bool starter_alive = false, bool was_started = false) {
  SessionEvidence evidence;
  evidence.starter_alive = starter_alive;
  evidence.was_started = was_started;
  return evidence;
}

SessionEvidence unrecorded(Activity activity) {
  SessionEvidence evidence = unit_is(activity);
  evidence.recorded = false;
  return evidence;
}

Record stopping() {
  Record record = sample_record();
  record.stop = StopRequest{.by = {.uid = 1000, .user = "ann", .pid = 5, .command = ""}, .reason = "", .at = {}};
  return record;
}

TEST(SessionState, IsDerivedFromTheRecordAndTheUnit) {
  struct Row {
    const char* what;
    Record record;
    SessionEvidence evidence;
    State state;
    std::string reason;
    bool needs_reconcile;
  };
  const std::vector<Row> table{
      {"the unit starts", sample_record(), unit_is(Activity::activating), State::starting, "", false},
      {"the unit is active", sample_record(), unit_is(Activity::active), State::running, "", false},
      {"the unit is active and the record lost", sample_record(), unrecorded(Activity::active), State::running,
       "its record was lost; shown from the unit", false},
      {"the unit stops and nobody said why", sample_record(), unit_is(Activity::deactivating), State::stopping, "",
       false},
      {"the unit stops because somebody asked", stopping(), unit_is(Activity::deactivating), State::stopping,
       "stop asked for by ann", false},
      {"a stop was asked for and has not begun", stopping(), unit_is(Activity::active), State::running, "", false},
      {"the unit is about to restart", sample_record(), unit_is(Activity::restarting), State::restarting, "", false},
      {"the unit is loaded but has ended", sample_record(), unit_is(Activity::inactive), State::lost,
       "its unit has ended and no recorder wrote down how", true},
      {"the unit is loaded and has failed", sample_record(), unit_is(Activity::failed), State::lost,
       "its unit has ended and no recorder wrote down how", true},
      {"there is no unit yet and its starter lives", sample_record(), no_unit(true), State::starting, "", false},
      {"there is no unit any more and its starter is about to write the end", sample_record(), no_unit(true, true),
       State::stopping, "", false},
      {"there is no unit and its starter is dead", sample_record(), no_unit(), State::lost,
       "its unit is gone and no recorder wrote down how it ended", true},
      {"there is no unit, it had started, and nobody is left", sample_record(), no_unit(false, true), State::lost,
       "its unit is gone and no recorder wrote down how it ended", true},
  };
  for (const Row& row : table) {
    const DerivedState derived = derive_state(row.record, row.evidence);
    EXPECT_STREQ(to_string(derived.state), to_string(row.state)) << row.what;
    EXPECT_EQ(derived.reason, row.reason) << row.what;
    EXPECT_EQ(derived.needs_reconcile, row.needs_reconcile) << row.what;
  }
}

TEST(SessionState, OfAnAttemptThatWaitsForItsTurnIsRestarting) {
  Record record = sample_record();
  record.attempt = 3;
  record.earlier_attempts = {sample_end(State::failed), sample_end(State::failed)};
  record.retry_at = sample_time(90);
  const DerivedState waiting = derive_state(record, {.unit = Activity::activating});
  EXPECT_EQ(waiting.state, State::restarting);
  EXPECT_EQ(waiting.reason, "exited with status 0; attempt 3 follows");
  record.retry_at.reset();  // one that was asked for by hand starts at once
  EXPECT_EQ(derive_state(record, {.unit = Activity::activating}).state, State::starting);
}

TEST(SessionState, OfARecordWithAnEndIsFinalWhateverTheUnitDoes) {
  Record record = sample_record();
  for (const State state :
       {State::exited, State::failed, State::stopped, State::expired, State::cancelled, State::parked, State::lost}) {
    record.end = sample_end(state);
    record.end->reason = "as it was";
    for (const Activity activity : {Activity::inactive, Activity::activating, Activity::active, Activity::deactivating,
                                    Activity::failed, Activity::restarting}) {
      const DerivedState derived = derive_state(record, unit_is(activity));
      EXPECT_EQ(derived.state, state);
      EXPECT_EQ(derived.reason, "as it was");
      EXPECT_FALSE(derived.needs_reconcile);
    }
    EXPECT_FALSE(derive_state(record, no_unit()).needs_reconcile);
  }
}

TEST(SessionState, HasAWordThatIsReadBack) {
  for (int i = 0; i <= static_cast<int>(State::lost); ++i) {
    const auto state = static_cast<State>(i);
    EXPECT_EQ(parse_state(to_string(state)), state);
  }
  EXPECT_EQ(parse_state("Running"), std::nullopt);
  EXPECT_EQ(parse_state(""), std::nullopt);
}

TEST(SessionState, IsTerminalFromExitedOn) {
  for (const State state : {State::queued, State::starting, State::running, State::stopping, State::restarting})
    EXPECT_FALSE(is_terminal(state)) << to_string(state);
  for (const State state :
       {State::exited, State::failed, State::stopped, State::expired, State::cancelled, State::parked, State::lost})
    EXPECT_TRUE(is_terminal(state)) << to_string(state);
}

TEST(Session, ThatLivesShowsWhatItsHostNoted) {
  Record record = sample_record();
  record.request.ttl = std::chrono::minutes(1);
  HostNote note;
  note.pid = 4711;
  note.invocation_id = "i1";
  note.started_at = sample_time(10);
  note.log_lost = 3;
  const Session session = make_session(record, unit_is(Activity::active), note);
  EXPECT_EQ(session.pid, 4711);
  EXPECT_EQ(session.invocation_id, "i1");
  EXPECT_EQ(session.started_at, sample_time(10));
  EXPECT_EQ(session.expires_at, sample_time(70));
  EXPECT_EQ(session.log_lost, 3U);
  EXPECT_EQ(session.ended_at, std::nullopt);
}

TEST(Session, WithoutANoteShowsNoProcess) {
  const Session session = make_session(sample_record(), unit_is(Activity::activating), std::nullopt);
  EXPECT_EQ(session.state, State::starting);
  EXPECT_EQ(session.pid, std::nullopt);
  EXPECT_EQ(session.started_at, std::nullopt);
}

TEST(Session, BetweenTwoAttemptsShowsNothingOfTheOneThatEnded) {
  Record record = sample_record();
  record.attempt = 2;
  record.earlier_attempts = {sample_end(State::failed)};
  HostNote note;
  note.pid = 4711;
  note.invocation_id = record.earlier_attempts.back().invocation_id;
  note.started_at = sample_time(10);
  const Session between = make_session(record, unit_is(Activity::activating), note);
  EXPECT_EQ(between.pid, std::nullopt);
  EXPECT_EQ(between.started_at, std::nullopt);
  note.invocation_id = "that of the second";
  EXPECT_EQ(make_session(record, unit_is(Activity::active), note).pid, 4711);
}

TEST(Session, ThatHasEndedShowsItsEndAndNoNoteOfAnother) {
  Record record = sample_record();
  record.end = sample_end(State::failed);
  record.end->usage.cpu_ns = 5;
  record.end->log_lost = 1;
  HostNote note;
  note.pid = 1;
  note.log_lost = 99;
  const Session session = make_session(record, unit_is(Activity::active), note);
  EXPECT_EQ(session.state, State::failed);
  EXPECT_EQ(session.pid, 4711);
  EXPECT_EQ(session.ended_at, sample_time(60));
  EXPECT_EQ(session.exit.result, "success");
  EXPECT_EQ(session.usage.cpu_ns, 5U);
  EXPECT_EQ(session.log_lost, 1U);
}

TEST(SessionHealth, IsNotWhatWasFoundLongAgo) {
  using std::chrono::seconds;
  struct Row {
    const char* ready;
    std::optional<microseconds> interval;
    microseconds fresh;  ///< the oldest that counts
  };
  for (const Row& row : {Row{"tcp:3000", {}, seconds(105)}, Row{"cmd:true", seconds(1), seconds(18)},
                         Row{"log:ready", {}, seconds(1'000'000)}, Row{"notify", {}, seconds(1'000'000)}}) {
    Record record = sample_record();
    record.request.health = parse_ready(row.ready);
    record.request.health->interval = row.interval;
    Session session = make_session(record, unit_is(Activity::active), std::nullopt);
    const HealthReport report{.note = {.healthy = true, .since = sample_time(1), .error = {}},
                              .checked_at = sample_time(0)};
    add_health(session, report, sample_time(0) + row.fresh);
    EXPECT_EQ(session.healthy, true) << row.ready;
    EXPECT_EQ(session.reason, "");
    if (row.fresh > seconds(1000)) continue;
    add_health(session, report, sample_time(0) + row.fresh + microseconds(1));
    EXPECT_EQ(session.healthy, false) << row.ready;
    EXPECT_EQ(session.reason, "unhealthy: not checked for " + format_rough_span(row.fresh));
  }
}

TEST(SessionHealth, TheReasonOfAFailedCheckStays) {
  Record record = sample_record();
  record.request.health = parse_ready("tcp:3000");
  Session session = make_session(record, unit_is(Activity::active), std::nullopt);
  add_health(session, HealthReport{.note = {.healthy = false, .since = {}, .error = "refused"}, .checked_at = {}},
             sample_time(0));
  EXPECT_EQ(session.healthy, false);
  EXPECT_EQ(session.reason, "unhealthy: refused");
}

}  // namespace
}  // namespace agentctl
