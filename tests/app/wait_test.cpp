#include "app/wait.hpp"

#include <gmock/gmock.h>

#include "app/sessions.hpp"
#include "app_fixture.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;

class WaitForSessions : public AppTest {
 protected:
  std::vector<Session> wait(const std::vector<std::string>& names, WaitFor what = WaitFor::exit,
                            std::optional<microseconds> timeout = std::nullopt, const Tick& tick = {}) {
    return wait_for_sessions(context, find_sessions(context, names), what, timeout, tick);
  }
  /// One that runs and is not healthy.
  Record add_checked(const std::string& name, char id) {
    Record record = sample_record(name, sample_id(id));
    record.request.health = HealthCheck{};
    registry.create(record);
    engine.add_unit(record);
    return record;
  }
};

TEST_F(WaitForSessions, ReturnsAtOnceWhenAllHaveEnded) {
  add_ended("web");
  EXPECT_EQ(wait({"web"})[0].state, State::exited);
  EXPECT_EQ(engine.count("watch "), 0U);
}

TEST_F(WaitForSessions, ReturnsWhenTheRecorderHasWrittenTheEnd) {
  const Record record = add_session("web");
  engine.meanwhile(record.unit, [&] { engine.units[record.unit].state.activity = Activity::deactivating; });
  engine.meanwhile(record.unit, [&] { end_session(record, sample_end(State::failed)); });
  EXPECT_EQ(wait({"web"})[0].state, State::failed);
}

TEST_F(WaitForSessions, SeesAnEndBetweenTheLookAndTheWait) {
  const Record record = add_session("web");
  const auto sessions = find_sessions(context, {"web"});
  end_session(record, sample_end(State::exited));
  EXPECT_EQ(wait_for_sessions(context, sessions, WaitFor::exit, std::nullopt)[0].state, State::exited);
}

TEST_F(WaitForSessions, ReturnsThemInTheOrderGivenHoweverTheyEnd) {
  const Record one = add_session("one", 'b');
  const Record two = add_session("two", 'c');
  add_ended("three", 'd', State::stopped);
  engine.meanwhile(two.unit, [&] { end_session(two, sample_end(State::failed)); });
  engine.meanwhile(one.unit, [&] { end_session(one, sample_end(State::exited)); });
  const auto sessions = wait({"one", "two", "three"});
  ASSERT_EQ(sessions.size(), 3U);
  EXPECT_EQ(sessions[0].state, State::exited);
  EXPECT_EQ(sessions[1].state, State::failed);
  EXPECT_EQ(sessions[2].state, State::stopped);
}

TEST_F(WaitForSessions, IsNotEndedByTheNextSessionOfTheSameName) {
  const Record record = add_session("web", 'b');
  engine.meanwhile(record.unit, [&] {
    end_session(record, sample_end(State::failed));
    add_session("web", 'c');
  });
  const auto sessions = wait({"web"});
  EXPECT_EQ(sessions[0].record.id, record.id);
  EXPECT_EQ(sessions[0].state, State::failed);
}

TEST_F(WaitForSessions, GoesOnThroughARestart) {
  const Record record = add_session("web");
  engine.meanwhile(record.unit, [&] { engine.units[record.unit].state.activity = Activity::restarting; });
  engine.meanwhile(record.unit, [&] { engine.units[record.unit].state.activity = Activity::active; });
  engine.meanwhile(record.unit, [&] { end_session(record, sample_end(State::exited)); });
  EXPECT_EQ(wait({"web"})[0].state, State::exited);
}

TEST_F(WaitForSessions, EndsWithLostWhenTheUnitIsGoneAndNobodyWroteWhy) {
  const Record record = add_session("web");
  engine.meanwhile(record.unit, [&] { engine.units.erase(record.unit); });
  EXPECT_EQ(wait({"web"})[0].state, State::lost);
}

TEST_F(WaitForSessions, ReturnsWhenOneIsReady) {
  const Record record = add_session("web", 'b', Activity::activating);
  engine.meanwhile(record.unit, [&] { engine.units[record.unit].state.activity = Activity::active; });
  EXPECT_EQ(wait({"web"}, WaitFor::ready)[0].state, State::running);
}

TEST_F(WaitForSessions, ReturnsWhenOneWillNeverBeReady) {
  const Record record = add_session("web", 'b', Activity::activating);
  engine.meanwhile(record.unit, [&] { end_session(record, sample_end(State::failed)); });
  EXPECT_EQ(wait({"web"}, WaitFor::ready)[0].state, State::failed);
}

TEST_F(WaitForSessions, ReturnsAtOnceForOneThatIsReady) {
  add_session("web");
  EXPECT_EQ(wait({"web"}, WaitFor::ready)[0].state, State::running);
  EXPECT_EQ(engine.count("watch "), 0U);
}

TEST_F(WaitForSessions, SeesTheEndOfOneThatWasClaimedAndNeverGotAUnit) {
  Record record = sample_record("web");
  record.request.pool.name = "build";
  record.queued = Queued::by_anyone;
  registry.create(record, {.cap = 0, .pools = {}});
  Launch launch;
  launch.record = record;
  const HeldLaunch held = runtime.create(launch, std::nullopt);
  engine.meanwhile(record.unit,
                   [&] { registry.update("web", record.id, [](Record& claimed) { claimed.queued = Queued::no; }); });
  // systemd refuses it, and tells nobody who watches its unit.
  engine.meanwhile("agentctl-other.service", [&] { registry.finish(record, sample_end(State::failed)); });
  EXPECT_EQ(wait({"web"})[0].state, State::failed);
}

TEST_F(WaitForSessions, GivesUpAtTheDeadlineAndNamesThoseThatAreLeft) {
  add_session("one", 'b');
  add_ended("two", 'c');
  add_session("three", 'd');
  const Error error = thrown_by([&] { wait({"one", "two", "three"}, WaitFor::exit, microseconds(1)); });
  EXPECT_EQ(error.code(), ErrorCode::timed_out);
  EXPECT_STREQ(error.what(), "still waiting for 'one, three': not ended after 1us");
  EXPECT_EQ(error.hint(), "agentctl status one");
}

TEST_F(WaitForSessions, SaysForHowLongItWasToWaitForHealth) {
  add_checked("web", 'b');
  const Error error = thrown_by([&] { wait({"web"}, WaitFor::healthy, microseconds(1)); });
  EXPECT_EQ(error.reason(), "not healthy after 1us");
}

TEST_F(WaitForSessions, SeesTheEndOfOneThatIsNotHealthyAndHasNoFolderAnyMore) {
  const Record record = add_checked("web", 'b');
  engine.meanwhile(record.unit, [&] { end_session(record, sample_end(State::failed)); });
  EXPECT_EQ(wait({"web"}, WaitFor::healthy)[0].state, State::failed);
}

TEST_F(WaitForSessions, GivesUpAtOnceWithoutAnyTime) {
  add_session("web", 'b', Activity::activating);
  const Error error = thrown_by([&] { wait({"web"}, WaitFor::ready, microseconds(0)); });
  EXPECT_EQ(error.reason(), "not ready after 0");
}

TEST_F(WaitForSessions, GivesUpThoughChangesNeverStopComing) {
  const Record record = add_session("web");
  engine.on_inspect = [&](const std::string& unit) { engine.meanwhile(unit, [] {}); };
  EXPECT_EQ(thrown_by([&] { wait({"web"}, WaitFor::exit, microseconds(1)); }).code(), ErrorCode::timed_out);
}

TEST_F(WaitForSessions, TakesWhatHappensBeforeTheDeadline) {
  const Record record = add_session("web");
  engine.meanwhile(record.unit, [&] { end_session(record, sample_end(State::exited)); });
  EXPECT_EQ(wait({"web"}, WaitFor::exit, std::chrono::hours(1))[0].state, State::exited);
}

TEST_F(WaitForSessions, WaitsForEverWhenAskedTo) {
  const Record record = add_session("web");
  engine.meanwhile(record.unit, [&] { end_session(record, sample_end(State::exited)); });
  EXPECT_EQ(wait({"web"}, WaitFor::exit, forever)[0].state, State::exited);
}

TEST_F(WaitForSessions, TellsHowManyAreLeftWhileNothingHappens) {
  const Record one = add_session("one", 'b');
  const Record two = add_session("two", 'c');
  std::vector<std::size_t> left;
  wait({"one", "two"}, WaitFor::exit, std::nullopt, [&](microseconds, std::size_t count) {
    left.push_back(count);
    end_session(left.size() == 1 ? one : two, sample_end(State::exited));
    engine.meanwhile(left.size() == 1 ? one.unit : two.unit, nullptr);
  });
  EXPECT_THAT(left, ElementsAre(2U, 1U));
}

TEST_F(WaitForSessions, AsksSystemdToTellOfTheLiveOnesOnly) {
  const Record record = add_session("one", 'b');
  add_ended("two", 'c');
  engine.meanwhile(record.unit, [&] { end_session(record, sample_end(State::exited)); });
  wait({"one", "two"});
  EXPECT_EQ(engine.count("watch agentctl-one.service"), 1U);
}

class AwaitEnd : public AppTest {};

TEST_F(AwaitEnd, WaitsForTheRecorder) {
  const Record record = add_session("web", 'b', Activity::deactivating);
  engine.meanwhile(record.unit, [&] { end_session(record, sample_end(State::failed)); });
  EXPECT_EQ(await_end(context, record).state, State::failed);
}

TEST_F(AwaitEnd, WritesTheEndItselfWhenTheUnitIsGoneWithoutOne) {
  const Record record = add_record("web");
  EXPECT_EQ(await_end(context, record).state, State::lost);
  EXPECT_TRUE(stored(record).end.has_value());
}

TEST(ExitStatusOfSession, IsThatOfItsEnd) {
  Session session;
  session.state = State::running;
  EXPECT_EQ(exit_status_of(session), 0);
  session.state = State::lost;
  EXPECT_EQ(exit_status_of(session), 1);
  session.record.end = sample_end(State::failed);
  session.record.end->exit.code = 3;
  EXPECT_EQ(exit_status_of(session), 3);
  session.record.end->state = State::expired;
  EXPECT_EQ(exit_status_of(session), 124);
}

}  // namespace
}  // namespace agentctl
