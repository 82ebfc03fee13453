#include <gmock/gmock.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>

#include "app/sessions.hpp"
#include "app/wait.hpp"
#include "app_fixture.hpp"
#include "base/file.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class RunScope : public AppTest {
 protected:
  RunScope() {
    context.environment["PATH"] += ":/usr/bin:/bin";
    engine.on_stop = [this](const std::string& unit) { engine.units.erase(unit); };
  }
  PreparedLaunch prepare(const std::string& script) {
    LaunchOptions launch = options({"sh", "-c", script});
    launch.request.kind = SessionKind::scope;
    return prepare_launch(context, launch);
  }
  Session run(const std::string& script) { return run_scope_session(context, prepare(script)); }
  /// Runs it, and when it has ended systemd says this of its unit.
  Session run(const PreparedLaunch& prepared, Activity activity, std::optional<microseconds> ended_after,
              const std::string& result = "success") {
    engine.on_inspect = [&, activity, ended_after, result](const std::string& unit) {
      UnitDetails& details = engine.units.at(unit);
      details.state.activity = activity;
      details.ended_after = ended_after;
      details.result = result;
      engine.on_inspect = nullptr;
    };
    return run_scope_session(context, prepared);
  }
  PreparedLaunch prepare_limited(const std::string& script, microseconds ttl) {
    LaunchOptions launch = options({"sh", "-c", script});
    launch.request.kind = SessionKind::scope;
    launch.request.ttl = ttl;
    return prepare_launch(context, launch);
  }
};

TEST_F(RunScope, GivesHowTheCommandEnded) {
  const Session session = run("exit 3");
  EXPECT_EQ(session.state, State::failed);
  EXPECT_EQ(session.reason, "exited with status 3");
  EXPECT_EQ(session.exit.code, 3);
  EXPECT_TRUE(session.started_at.has_value());
  EXPECT_EQ(stored(session.record).end->exit.code, 3);
  EXPECT_THAT(runtime.ids(), IsEmpty());
}

TEST_F(RunScope, GivesTheSignalThatEndedIt) {
  const Session session = run("kill -USR1 $$");
  EXPECT_EQ(session.reason, "killed by SIGUSR1");
  EXPECT_EQ(session.exit.signal, SIGUSR1);
}

TEST_F(RunScope, PutsTheCommandIntoItsScopeBeforeItRuns) {
  pid_t process = 0;
  engine.on_start = [&](const UnitSpec& spec) {
    process = spec.processes.at(0);
    EXPECT_EQ(spec.unit, "agentctl-web.scope");
    EXPECT_FALSE(exists(folder / "ran")) << "the child stands still until the scope is there";
    return StartResult{.started = true, .job_result = "done"};
  };
  const Session session = run("echo $$ > ran");
  EXPECT_EQ(get_file(folder / "ran"), std::to_string(process) + "\n");
  EXPECT_EQ(session.pid, process);
}

TEST_F(RunScope, RunsInItsFolderWithItsEnvironmentAndTheCallersSignals) {
  make_directories(folder / "there");
  LaunchOptions launch = options({"sh", "-c", "pwd; echo $AGENTCTL_NAME; exec grep SigBlk /proc/self/status"});
  launch.request.command[2] = "{ " + launch.request.command[2] + "; } > out";
  launch.request.cwd = "there";
  launch.request.kind = SessionKind::scope;
  run_scope_session(context, prepare_launch(context, launch));
  EXPECT_EQ(get_file(folder / "there/out"), (folder / "there") + "\nweb\nSigBlk:\t0000000000000000\n");
}

TEST_F(RunScope, TellsThatTheCommandCouldNotBeExecuted) {
  put_file(folder / "bin/tool", "#!/no/such/interpreter\n", 0755);
  LaunchOptions launch = options({"tool"});
  launch.request.kind = SessionKind::scope;
  const Error error = thrown_by([&] { run_scope_session(context, prepare_launch(context, launch)); });
  EXPECT_EQ(error.code(), ErrorCode::command_not_executable);
  ASSERT_EQ(registry.ended().size(), 1U);
  EXPECT_EQ(registry.ended().front().end->exit.code, 126);
  EXPECT_THAT(runtime.ids(), IsEmpty());
}

TEST_F(RunScope, TellsThatTheCommandVanished) {
  LaunchOptions launch = options({"tool"});
  launch.request.kind = SessionKind::scope;
  const PreparedLaunch prepared = prepare_launch(context, launch);
  remove_file(folder / "bin/tool");
  EXPECT_EQ(thrown_by([&] { run_scope_session(context, prepared); }).code(), ErrorCode::command_not_found);
}

TEST_F(RunScope, RunsNothingWhenSystemdRefuses) {
  engine.on_start = [](const UnitSpec&) -> StartResult {
    throw Error({.code = ErrorCode::not_permitted, .context = "", .object = "", .reason = "no", .hint = ""});
  };
  EXPECT_EQ(thrown_by([&] { run("touch ran"); }).code(), ErrorCode::not_permitted);
  EXPECT_FALSE(exists(folder / "ran"));
  EXPECT_THAT(registry.by_name("web"), IsEmpty());
  EXPECT_THAT(runtime.ids(), IsEmpty());
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "and leaves no child behind";
}

TEST_F(RunScope, RunsNothingWhenTheScopeFails) {
  engine.on_start = [](const UnitSpec&) { return StartResult{.started = false, .job_result = "timeout"}; };
  const Error error = thrown_by([&] { run("touch ran"); });
  EXPECT_STREQ(error.what(), "cannot start session 'web': systemd job result 'timeout'");
  EXPECT_FALSE(exists(folder / "ran"));
  ASSERT_EQ(registry.ended().size(), 1U);
  EXPECT_TRUE(registry.ended().front().end->ended_at.has_value());
}

TEST_F(RunScope, EndsWhatTheCommandLeftBehind) {
  const Session session = run("true");
  EXPECT_EQ(session.state, State::exited);
  EXPECT_EQ(engine.count("stop agentctl-web.scope"), 1U);
  EXPECT_THAT(engine.units, IsEmpty());
}

TEST_F(RunScope, WaitsForNothingWhereNothingIsLeft) {
  for (const Activity activity : {Activity::inactive, Activity::failed}) {
    run(prepare("true"), activity, std::nullopt);
    EXPECT_EQ(engine.count("stop "), 0U);
    EXPECT_EQ(engine.count("watch "), 0U);
    EXPECT_THAT(engine.units, IsEmpty()) << "the unit is let go of";
    registry.remove_ended(registry.ended().at(0));
  }
}

TEST_F(RunScope, LetsGoOfItsUnitWhenTheEndIsWritten) {
  engine.on_release = [&](const std::string& unit) {
    EXPECT_EQ(unit, "agentctl-web.scope");
    EXPECT_EQ(registry.ended().size(), 1U);
  };
  run("true");
  EXPECT_EQ(engine.count("release agentctl-web.scope"), 1U);
}

TEST_F(RunScope, EndedWhenTheCommandDidWhateverItLeftBehindTakes) {
  TimePoint stop_began{};
  engine.on_stop = [&](const std::string& unit) {
    stop_began = now();
    while (now() <= stop_began) {
    }
    engine.units.erase(unit);
  };
  EXPECT_LE(run("true").ended_at.value(), stop_began);
}

TEST_F(RunScope, KnowsWhoStoppedIt) {
  const PreparedLaunch prepared = prepare("kill -TERM $$");
  engine.on_start = [&](const UnitSpec&) {
    registry.update("web", prepared.launch.record.id,
                    [&](Record& record) { record.stop = StopRequest{.by = context.asker, .reason = "", .at = now()}; });
    return StartResult{.started = true, .job_result = "done"};
  };
  const Session session = run_scope_session(context, prepared);
  EXPECT_EQ(session.state, State::stopped);
  EXPECT_EQ(session.reason, "stopped by ann");
}

TEST_F(RunScope, KnowsThatItsTimeWasUpWhateverTheCommandMadeOfSigterm) {
  for (const char* script : {"kill -TERM $$", "exit 0", "exit 3"}) {
    for (const Activity activity : {Activity::deactivating, Activity::failed}) {
      const Session session = run(prepare_limited(script, microseconds(5)), activity, microseconds(5), "timeout");
      EXPECT_EQ(session.state, State::expired) << script;
      EXPECT_EQ(session.reason, "time limit of 5us reached");
      EXPECT_EQ(exit_status_of(session), 124);
      registry.remove_ended(session.record);
    }
  }
}

TEST_F(RunScope, KnowsThatSomebodyStoppedItWithSystemctl) {
  for (const char* script : {"kill -TERM $$", "exit 0", "exit 3"}) {
    for (const Activity activity : {Activity::deactivating, Activity::inactive}) {
      const Session session = run(prepare(script), activity, microseconds(7));
      EXPECT_EQ(session.state, State::stopped) << script;
      EXPECT_EQ(session.reason, "stopped with systemctl");
      registry.remove_ended(session.record);
    }
  }
}

TEST_F(RunScope, AStopThatTookTooLongIsNoTimeLimit) {
  const Session session =
      run(prepare_limited("kill -KILL $$", microseconds(50)), Activity::failed, microseconds(49), "timeout");
  EXPECT_EQ(session.state, State::stopped);
  EXPECT_EQ(session.reason, "stopped with systemctl");
}

TEST_F(RunScope, WhatEndsByItselfWhenItsTimeIsUpHasNotExpired) {
  const Session session = run(prepare_limited("kill -TERM $$", microseconds(1)), Activity::active, std::nullopt);
  EXPECT_EQ(session.state, State::failed);
  EXPECT_EQ(session.reason, "killed by SIGTERM");
}

TEST_F(RunScope, IsLostWhenTheManagerGoesDown) {
  engine.shutting_down = true;
  const Session session = run(prepare("exit 0"), Activity::deactivating, microseconds(7));
  EXPECT_EQ(session.state, State::lost);
  EXPECT_EQ(session.reason, "the host or its user manager was shut down");
}

TEST_F(RunScope, KnowsThatSystemdEndedItForMemory) {
  const Session session = run(prepare("kill -TERM $$"), Activity::failed, microseconds(7), "oom-kill");
  EXPECT_EQ(session.state, State::failed);
  EXPECT_EQ(session.reason, "out of memory: killed by the kernel");
}

}  // namespace
}  // namespace agentctl
