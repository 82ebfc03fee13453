#include <gmock/gmock.h>
#include <sys/stat.h>

#include "app/reconcile.hpp"
#include "app/sessions.hpp"
#include "app_fixture.hpp"
#include "domain/naming.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class StartSession : public AppTest {
 protected:
  Session start() { return start_session(context, prepare_launch(context, options())); }
  Error refusal() {
    return thrown_by([&] { start(); });
  }
  static Error engine_error(ErrorCode code) {
    return Error({.code = code,
                  .context = "cannot start",
                  .object = "agentctl-web.service",
                  .reason = "because",
                  .hint = "try"});
  }
  /// What the recorder writes when the unit has failed to start.
  void recorder_writes(const UnitSpec& spec, const End& end) {
    for (const Record& record : registry.live())
      if (record.unit == spec.unit) end_session(record, end);
  }
  static End failed_end(int code, const std::string& reason, std::optional<TimePoint> started_at = std::nullopt) {
    End end;
    end.state = State::failed;
    end.reason = reason;
    end.exit.code = code;
    end.started_at = started_at;
    end.ended_at = sample_time(5);
    return end;
  }
};

TEST_F(StartSession, GivesTheRunningSession) {
  const Session session = start();
  EXPECT_EQ(session.state, State::running);
  EXPECT_EQ(session.invocation_id, "invocation-of-agentctl-web.service");
  EXPECT_THAT(engine.calls, ElementsAre("connect", "start agentctl-web.service", "inspect agentctl-web.service"));
  ASSERT_EQ(registry.live().size(), 1U);
  EXPECT_EQ(registry.live().front().id, session.record.id);
}

TEST_F(StartSession, HasWrittenAllBeforeSystemdIsAsked) {
  engine.on_start = [&](const UnitSpec& spec) {
    const auto id = id_from_description(spec.description);
    EXPECT_EQ(registry.by_name("web").size(), 1U);
    EXPECT_TRUE(runtime.launch(*id).has_value());
    EXPECT_TRUE(runtime.starter_alive(*id)) << "nobody takes it for abandoned";
    engine.units[spec.unit].state = {.unit = spec.unit, .description = spec.description, .activity = Activity::active};
    return StartResult{.started = true, .job_result = "done"};
  };
  const Session session = start();
  EXPECT_FALSE(runtime.starter_alive(session.record.id)) << "and lets go afterwards";
}

// It runs as another user, and may be quicker than we are.
TEST_F(StartSession, IsNotMisledByWhatTheSessionPutsIntoItsFolder) {
  engine.on_start = [&](const UnitSpec& spec) {
    const std::string file = runtime.folder(*id_from_description(spec.description)) + "/" + host_note_file;
    EXPECT_EQ(::mkfifo(file.c_str(), 0600), 0);
    engine.units[spec.unit].state = {.unit = spec.unit, .description = spec.description, .activity = Activity::active};
    return StartResult{.started = true, .job_result = "done"};
  };
  EXPECT_EQ(start().state, State::running);
}

TEST_F(StartSession, LeavesNothingWhenSystemdCannotBeReached) {
  engine.on_connect = [] { throw engine_error(ErrorCode::unreachable); };
  EXPECT_EQ(refusal().code(), ErrorCode::unreachable);
  expect_nothing_exists();
}

TEST_F(StartSession, LeavesNothingWhenAUnitOfThatNameLives) {
  engine.on_start = [](const UnitSpec&) -> StartResult { throw engine_error(ErrorCode::conflict); };
  const Error error = refusal();
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_STREQ(error.what(), "cannot start session 'web': because") << "in systemd's words: it may be another reason";
  EXPECT_EQ(error.hint(), "systemctl --user status agentctl-web.service");
  EXPECT_THAT(registry.by_name("web"), IsEmpty());
  EXPECT_THAT(runtime.ids(), IsEmpty());
}

TEST_F(StartSession, LeavesNothingWhenItIsNotPermitted) {
  engine.on_start = [](const UnitSpec&) -> StartResult { throw engine_error(ErrorCode::not_permitted); };
  const Error error = refusal();
  EXPECT_EQ(error.code(), ErrorCode::not_permitted);
  EXPECT_STREQ(error.what(), "cannot start session 'web': because");
  EXPECT_EQ(error.hint(), "try");
  EXPECT_THAT(registry.by_name("web"), IsEmpty());
  EXPECT_THAT(runtime.ids(), IsEmpty());
}

TEST_F(StartSession, LeavesWhatReconcileNeedsWhenTheConnectionBreaksInTheMiddle) {
  engine.on_start = [](const UnitSpec&) -> StartResult { throw engine_error(ErrorCode::unreachable); };
  EXPECT_EQ(refusal().code(), ErrorCode::unreachable);
  ASSERT_EQ(registry.live().size(), 1U);
  const Record record = registry.live().front();
  EXPECT_TRUE(runtime.launch(record.id).has_value());
  // Nothing came of it: the record ends as lost, and the name is free again.
  const Session session = find_session(context, "web");
  EXPECT_EQ(session.state, State::lost);
  EXPECT_EQ(session.reason, "it was never started: the agentctl that asked for it was gone");
  engine.on_start = nullptr;
  EXPECT_EQ(start().state, State::running);
}

TEST_F(StartSession, FindsTheUnitThatABrokenConnectionDidStart) {
  engine.on_start = [&](const UnitSpec& spec) -> StartResult {
    engine.units[spec.unit].state = {.unit = spec.unit, .description = spec.description, .activity = Activity::active};
    throw engine_error(ErrorCode::unreachable);
  };
  EXPECT_EQ(refusal().code(), ErrorCode::unreachable);
  EXPECT_EQ(find_session(context, "web").state, State::running);
  const auto ids = runtime.ids();
  ASSERT_EQ(ids.size(), 1U);
  EXPECT_TRUE(runtime.launch(ids.front()).has_value()) << "a unit that lives keeps its launch";
}

TEST_F(StartSession, IsStoppedWhenThatWasAskedForBeforeSystemdHadTheUnit) {
  engine.on_start = [&](const UnitSpec& spec) {
    const Record record = registry.live().front();
    registry.update("web", record.id,
                    [&](Record& live) { live.stop = StopRequest{.by = context.asker, .reason = {}}; });
    engine.units[spec.unit].state = {.unit = spec.unit, .description = spec.description, .activity = Activity::active};
    return StartResult{.started = true, .job_result = "done"};
  };
  start();
  EXPECT_EQ(engine.count("stop agentctl-web.service"), 1U);
}

TEST_F(StartSession, EndsWithTheStatusOfACommandThatCouldNotBeExecuted) {
  for (const int status : {126, 127}) {
    engine.on_start = [&](const UnitSpec& spec) {
      recorder_writes(spec, failed_end(status, "cannot run '/x': Exec format error"));
      return StartResult{.started = false, .job_result = "failed"};
    };
    const Error error = refusal();
    EXPECT_EQ(static_cast<int>(error.code()), status);
    EXPECT_STREQ(error.what(), "cannot start session 'web': cannot run '/x': Exec format error");
  }
  EXPECT_EQ(registry.ended().size(), 2U) << "a command that was tried leaves how it failed";
}

TEST_F(StartSession, WaitsForTheRecorderToSayWhyTheUnitFailed) {
  engine.on_start = [&](const UnitSpec& spec) {
    engine.units[spec.unit].state = {.unit = spec.unit,
                                     .description = spec.description,
                                     .activity = Activity::deactivating};
    engine.meanwhile(spec.unit, [&, spec] { recorder_writes(spec, failed_end(127, "gone")); });
    return StartResult{.started = false, .job_result = "failed"};
  };
  EXPECT_EQ(refusal().code(), ErrorCode::command_not_found);
}

TEST_F(StartSession, DoesNotTakeACommandsOwnStatus127ForOneThatIsMissing) {
  engine.on_start = [&](const UnitSpec& spec) {
    recorder_writes(spec, failed_end(127, "exited with status 127", sample_time(1)));
    return StartResult{.started = false, .job_result = "failed"};
  };
  EXPECT_EQ(refusal().code(), ErrorCode::failed);
}

TEST_F(StartSession, SaysWhatItCanWhenNoRecorderRan) {
  engine.on_start = [&](const UnitSpec&) { return StartResult{.started = false, .job_result = "timeout"}; };
  const Error error = refusal();
  EXPECT_EQ(error.code(), ErrorCode::failed);
  EXPECT_EQ(error.reason(), "systemd ended its start with 'timeout'");
  ASSERT_EQ(registry.ended().size(), 1U);
  EXPECT_EQ(registry.ended().front().end->state, State::failed);
  EXPECT_THAT(runtime.ids(), IsEmpty());
}

TEST_F(StartSession, SaysThatTheSessionHostIsMissing) {
  remove_file(folder / "libexec/session-host");
  engine.on_start = [&](const UnitSpec&) { return StartResult{.started = false, .job_result = "failed"}; };
  const Error error = refusal();
  EXPECT_STREQ(error.what(), ("cannot start session 'web': '" + folder / "libexec/session-host" +
                              "' cannot be executed: No such file or directory")
                                 .c_str());
  ASSERT_EQ(registry.ended().size(), 1U);
  EXPECT_EQ(registry.ended().front().end->state, State::failed);
  EXPECT_THAT(runtime.ids(), IsEmpty());
}

TEST_F(StartSession, RefusesANameThatALiveSessionHas) {
  const Record holder = add_session("web");
  const Error error = refusal();
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_EQ(error.reason(),
            "a session of that name lives (" + holder.id + "), running since " + format_local(holder.created_at));
  EXPECT_EQ(engine.count("start "), 0U);
  EXPECT_THAT(runtime.ids(), IsEmpty());
  EXPECT_EQ(registry.live().size(), 1U);
}

TEST_F(StartSession, NamesWhoHoldsAKey) {
  LaunchOptions first = options({"tool"}, "one");
  first.request.exclusive = "deploy";
  const Session holder = start_session(context, prepare_launch(context, first));
  LaunchOptions second = options({"tool"}, "two");
  second.request.exclusive = "deploy";
  const Error error = thrown_by([&] { start_session(context, prepare_launch(context, second)); });
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_EQ(error.reason(), "exclusive key 'deploy' is held by session 'one' (" + holder.record.id +
                                "), running since " + format_local(holder.record.created_at));
  EXPECT_EQ(error.hint(), "agentctl status one");
  EXPECT_EQ(runtime.ids().size(), 1U);
}

TEST_F(StartSession, ReusesTheSameCommandAndNoOther) {
  const Session first = start();
  LaunchOptions again = options();
  again.existing = Existing::reuse;
  EXPECT_EQ(start_session(context, prepare_launch(context, again)).record.id, first.record.id);
  again.request.command = {"tool", "other"};
  const Error error = thrown_by([&] { start_session(context, prepare_launch(context, again)); });
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_EQ(error.reason(), "it is not the same: tool arg in " + folder.path());
  EXPECT_EQ(engine.count("start "), 1U);
}

TEST_F(StartSession, ReusesAQueuedOneAtOnceOrWaitsForItAsLongAsForASlot) {
  Record waiter = sample_record("web");
  waiter.request.command = {"tool", "arg"};
  waiter.request.cwd = folder.path();
  waiter.request.pool.name = "build";
  waiter.queued = Queued::by_anyone;
  registry.create(waiter, {.cap = 0, .pools = {}});
  LaunchOptions again = options();
  again.existing = Existing::reuse;
  again.queue_timeout = microseconds(1000);
  const Error error = thrown_by([&] { start_session(context, prepare_launch(context, again)); });
  EXPECT_EQ(error.code(), ErrorCode::timed_out);
  EXPECT_STREQ(error.what(), "still waiting for 'web': queued after 1ms");
  again.request.pool.name = "build";
  again.queue = true;
  const Session reused = start_session(context, prepare_launch(context, again));
  EXPECT_EQ(reused.record.id, waiter.id);
  EXPECT_EQ(reused.state, State::queued);
  EXPECT_EQ(engine.count("start "), 0U);
}

TEST_F(StartSession, ReplacesOnceTheOldOneHasEnded) {
  const Session first = start();
  engine.on_stop = [&](const std::string& unit) {
    engine.meanwhile(unit, [&] { end_session(first.record, sample_end(State::stopped)); });
  };
  LaunchOptions again = options();
  again.existing = Existing::replace;
  const Session second = start_session(context, prepare_launch(context, again));
  EXPECT_NE(second.record.id, first.record.id);
  EXPECT_EQ(stored(first.record).end->state, State::stopped);
}

TEST_F(StartSession, DoesNotReplaceTheSessionItRunsIn) {
  const Session first = start();
  context.environment["AGENTCTL_SESSION"] = first.record.id;
  LaunchOptions again = options();
  again.existing = Existing::replace;
  const Error error = thrown_by([&] { start_session(context, prepare_launch(context, again)); });
  EXPECT_EQ(error.reason(), "this command runs in it, and would end with it");
  EXPECT_EQ(engine.count("stop "), 0U);
}

TEST_F(StartSession, RefusesANameWhoseStarterIsStillAtIt) {
  const Record record = add_record("web");
  Launch launch;
  launch.record = record;
  const HeldLaunch held = runtime.create(launch, std::nullopt);
  EXPECT_EQ(refusal().code(), ErrorCode::conflict);
  EXPECT_EQ(engine.count("start "), 0U);
}

TEST_F(StartSession, TakesTheNameOfADeadHolderAndWritesDownThatItIsDead) {
  const Record dead = add_record("web");
  const Session session = start();
  EXPECT_EQ(session.state, State::running);
  EXPECT_NE(session.record.id, dead.id);
  EXPECT_EQ(stored(dead).end->state, State::lost);
}

TEST_F(StartSession, WaitsForTheUnitOfAnEndedHolderWhoseRecorderIsStillAtWork) {
  const Record old = add_ended("web");
  engine.add_unit(old, Activity::deactivating);
  engine.meanwhile(old.unit, [&] { engine.units.erase(old.unit); });
  engine.on_start = [&](const UnitSpec& spec) -> StartResult {
    if (engine.units.contains(old.unit)) throw engine_error(ErrorCode::conflict);
    engine.units[spec.unit].state = {.unit = spec.unit, .description = spec.description, .activity = Activity::active};
    return {.started = true, .job_result = "done"};
  };
  EXPECT_EQ(start().state, State::running);
  EXPECT_EQ(engine.count("start agentctl-web.service"), 2U);
}

TEST_F(StartSession, SaysWhyItCannotTakeTheNameOfADeadHolder) {
  add_record("web");
  put_file(registry.root() + "/ended", "in the way");
  const Error error = refusal();
  EXPECT_EQ(error.code(), ErrorCode::failed);
  EXPECT_FALSE(error.reason().empty());
  EXPECT_EQ(engine.count("start "), 0U);
  EXPECT_THAT(runtime.ids(), IsEmpty());
}

TEST_F(StartSession, TakesTheNameOfAHolderThatAnEarlierBootHad) {
  Record dead = sample_record("web", sample_id('b'));
  dead.boot_id = "ffffffffffffffffffffffffffffffff";
  registry.create(dead);
  EXPECT_EQ(start().state, State::running);
  EXPECT_EQ(stored(dead).end->reason, "the host went down while it ran (boot ffffffff, now 01234567)");
}

TEST_F(StartSession, TakesTheNameOfAHolderWhoseUnitIsAnotherSessions) {
  const Record dead = add_record("web", 'b');
  engine.add_unit(sample_record("web", sample_id('c')));  // and so it cannot be this one's
  engine.on_start = [&](const UnitSpec&) -> StartResult { throw engine_error(ErrorCode::conflict); };
  EXPECT_EQ(refusal().code(), ErrorCode::conflict);
  EXPECT_EQ(stored(dead).end->state, State::lost);
}

}  // namespace
}  // namespace agentctl
