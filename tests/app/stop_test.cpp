#include "app/stop.hpp"

#include <gmock/gmock.h>

#include <csignal>

#include "app/sessions.hpp"
#include "app_fixture.hpp"
#include "base/file.hpp"
#include "domain/naming.hpp"

namespace agentctl {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

class StopSessions : public AppTest {
 protected:
  StopSessions() {
    // systemd ends the unit at once, and the recorder writes what the record says of it.
    engine.on_stop = [this](const std::string& unit) {
      engine.meanwhile(unit, [this, unit] { unit_ends(unit, State::stopped); });
    };
  }
  void unit_ends(const std::string& unit, State state) {
    for (const Record& record : registry.live()) {
      if (record.unit != unit) continue;
      processes_of(record) = {};
      end_session(record, sample_end(state));
    }
  }
  std::vector<pid_t>& processes_of(const Record& record) {
    return engine.process_lists[engine.control_group(slice_name(record.request), record.unit)];
  }
  const StopOptions forget{.reason = {}, .remove = true};
  std::vector<StopOutcome> stop(const std::vector<std::string>& names, const StopOptions& options = {}) {
    return stop_sessions(context, find_sessions(context, names), options);
  }
};

TEST_F(StopSessions, EndsALiveOneAndCountsItsProcesses) {
  processes_of(add_session("web")) = {10, 11, 12};
  const auto outcomes = stop({"web"});
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].session.state, State::stopped);
  EXPECT_FALSE(outcomes[0].had_ended);
  EXPECT_EQ(outcomes[0].processes, 3U);
  EXPECT_EQ(outcomes[0].left, 0U);
}

TEST_F(StopSessions, RecordsWhoAskedAndWhyBeforeSystemdIsAsked) {
  const Record record = add_session("web");
  std::optional<StopRequest> known;
  engine.on_stop = [&](const std::string& unit) {
    known = stored(record).stop;
    unit_ends(unit, State::stopped);
  };
  const StopOptions options{.reason = "wrong branch"};
  const TimePoint before = now();
  stop({"web"}, options);
  ASSERT_TRUE(known.has_value());
  EXPECT_EQ(known->by.user, "ann");
  EXPECT_EQ(known->by.command, "zsh");
  EXPECT_EQ(known->reason, "wrong branch");
  EXPECT_GE(known->at, before);
}

TEST_F(StopSessions, ForgetsThemWhenAskedTo) {
  add_session("web", 'b');
  add_ended("old", 'c');
  const auto outcomes = stop({"web", "old"}, forget);
  EXPECT_TRUE(outcomes[0].removed);
  EXPECT_FALSE(outcomes[0].had_ended);
  EXPECT_TRUE(outcomes[1].removed);
  EXPECT_TRUE(outcomes[1].had_ended);
  EXPECT_THAT(registry.live(), IsEmpty());
  EXPECT_THAT(registry.ended(), IsEmpty());
}

TEST_F(StopSessions, ForgetsNoneThatHasProcessesLeft) {
  const Record record = add_session("web");
  engine.on_stop = [&](const std::string& unit) {
    engine.meanwhile(unit, [&] {
      end_session(record, sample_end(State::stopped));
      processes_of(record) = {10};
    });
  };
  const auto outcomes = stop({"web"}, forget);
  EXPECT_EQ(outcomes[0].left, 1U);
  EXPECT_FALSE(outcomes[0].removed);
  EXPECT_EQ(registry.ended().size(), 1U);
}

TEST_F(StopSessions, EndsNoneWhenAFlowNeedsOneThatIsToBeForgotten) {
  Flow flow;
  flow.id = sample_id('f');
  flow.name = flow.key = "release";
  flow.created_at = sample_time(0);
  Record record = sample_record("release-a", sample_id('b'));
  record.flow = FlowStep{.flow = flow.name, .flow_id = flow.id, .step = "a"};
  Step step;
  step.name = "a";
  step.session = record.request.name;
  step.session_id = record.id;
  flow.steps.push_back(step);
  ASSERT_FALSE(registry.create_flow(flow, {record}));
  engine.add_unit(record);
  add_session("web", 'c');
  const Error error = thrown_by([&] { stop({"web", "release-a"}, forget); });
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_STREQ(error.what(), "cannot remove session 'release-a': flow 'release' still needs to know how it ended");
  EXPECT_EQ(engine.count("stop "), 0U);
}

TEST_F(StopSessions, SaysThatOneHadEndedAndDoesNothingToIt) {
  add_ended("web", 'b', State::exited);
  const auto outcomes = stop({"web"});
  EXPECT_TRUE(outcomes[0].had_ended);
  EXPECT_EQ(outcomes[0].session.state, State::exited);
  EXPECT_EQ(engine.count("stop "), 0U);
}

TEST_F(StopSessions, EndsSeveralWithOneCall) {
  add_session("one", 'b');
  add_ended("two", 'c');
  add_session("three", 'd');
  const auto outcomes = stop({"one", "two", "three"});
  EXPECT_THAT(engine.calls, Contains("stop agentctl-one.service agentctl-three.service"));
  ASSERT_EQ(outcomes.size(), 3U);
  EXPECT_EQ(outcomes[0].session.record.request.name, "one");
  EXPECT_EQ(outcomes[0].session.state, State::stopped);
  EXPECT_TRUE(outcomes[1].had_ended);
  EXPECT_EQ(outcomes[2].session.state, State::stopped);
}

TEST_F(StopSessions, StopsNothingWhenThereIsNothing) {
  EXPECT_THAT(stop_sessions(context, {}, {}), IsEmpty());
  EXPECT_THAT(engine.calls, IsEmpty());
}

TEST_F(StopSessions, RefusesALongerTimeoutForAScopeBeforeAnythingIsStopped) {
  add_session("web", 'b');
  Record scope = sample_record("shell", sample_id('c'));
  scope.request.kind = SessionKind::scope;
  scope.unit = "agentctl-shell.scope";
  registry.create(scope);
  engine.add_unit(scope);
  const StopOptions longer{.reason = {}, .timeout = std::chrono::minutes(1)};
  const Error error = thrown_by([&] { stop({"web", "shell"}, longer); });
  EXPECT_STREQ(error.what(),
               "cannot stop session 'shell': a --scope session has the stop timeout that it was started with (5s)");
  EXPECT_EQ(error.hint(), "agentctl stop shell");
  EXPECT_EQ(engine.count("stop "), 0U);
  EXPECT_FALSE(stored(scope).stop);
}

TEST_F(StopSessions, TellsHowItReallyEndedWhenThatCameFirst) {
  add_session("web");
  engine.on_stop = [this](const std::string& unit) { unit_ends(unit, State::failed); };
  EXPECT_EQ(stop({"web"})[0].session.state, State::failed);
}

TEST_F(StopSessions, KillsWhatIsLeftAfterAShorterTimeThanItsOwn) {
  add_session("web");
  engine.on_stop = nullptr;  // it ignores SIGTERM
  engine.on_kill = [this](const std::string& unit, int signal) {
    EXPECT_EQ(signal, SIGKILL);
    unit_ends(unit, State::stopped);
  };
  StopOptions options;
  options.timeout = microseconds(0);
  EXPECT_EQ(stop({"web"}, options)[0].session.state, State::stopped);
  EXPECT_EQ(engine.count("kill-host agentctl-web.service"), 1U);
}

TEST_F(StopSessions, KillsOnlyThoseThatAreLeft) {
  add_session("polite", 'b');
  add_session("stubborn", 'c');
  const Record recorded = add_session("recorded", 'd');
  engine.on_stop = [&](const std::string& unit) {
    if (unit == "agentctl-polite.service") unit_ends(unit, State::stopped);
    if (unit == recorded.unit) end_session(recorded, sample_end(State::stopped));  // its starter is at work
  };
  engine.on_kill = [&](const std::string& unit, int) {
    unit_ends(unit, State::stopped);
    engine.units.erase(recorded.unit);
  };
  StopOptions options;
  options.timeout = microseconds(0);
  stop({"polite", "stubborn", "recorded"}, options);
  EXPECT_EQ(engine.count("kill-host "), 1U);
  EXPECT_EQ(engine.count("kill-host agentctl-stubborn.service"), 1U);
}

TEST_F(StopSessions, CountsWhatTheKernelCouldNotKill) {
  const Record record = add_session("web");
  processes_of(record) = {10, 11};
  engine.on_stop = [&](const std::string&) {
    end_session(record, sample_end(State::stopped));
    processes_of(record) = {11};  // in uninterruptible sleep
  };
  EXPECT_EQ(stop({"web"})[0].left, 1U);
}

TEST_F(StopSessions, EndsAUnitWhoseRecordWasLost) {
  const Record record = sample_record("web");
  engine.add_unit(record);
  engine.on_stop = [&](const std::string&) { end_session(record, sample_end(State::stopped)); };
  EXPECT_EQ(stop({"web"})[0].session.state, State::stopped);
}

TEST_F(StopSessions, EndsAUnitWhoseRecorderCannotWrite) {
  const Record record = add_session("web");
  engine.on_stop = [&](const std::string& unit) { engine.units.erase(unit); };
  EXPECT_EQ(stop({"web"})[0].session.state, State::stopped) << "who asked is on record, and the unit is gone";
  EXPECT_EQ(stored(record).end->reason, "stopped by ann");
}

class RestartSession : public StopSessions {
 protected:
  Session restart(const std::string& name, const std::vector<std::string>& variables = {}) {
    return restart_session(context, find_session(context, name), variables);
  }
  Error refusal(const std::string& name, const std::vector<std::string>& variables = {}) {
    return thrown_by([&] { restart(name, variables); });
  }
  Record add_ended_with(const std::vector<std::string>& env_keys, SessionKind kind = SessionKind::service) {
    Record record = sample_record("web");
    record.request.command = {"tool", "x"};
    record.request.cwd = folder.path();
    record.request.project = "shop";
    record.request.env_keys = env_keys;
    record.request.kind = kind;
    record.unit = unit_name("web", kind);
    registry.create(record);
    registry.finish(record, sample_end(State::failed));
    return record;
  }
};

TEST_F(RestartSession, OfALiveOneIsTheNextAttemptOfItsRecord) {
  const Record record = add_session("web");
  registry.update("web", record.id, [](Record& live) { live.stop = StopRequest{}; });
  engine.on_restart = [&](const std::string&) {
    EXPECT_EQ(stored(record).restart_by->user, "ann") << "the recorder must know";
    EXPECT_FALSE(stored(record).stop.has_value()) << "a stop that never came is no reason any more";
    registry.update("web", record.id, [](Record& live) { live.attempt = 2; });
    return StartResult{.started = true, .job_result = "done"};
  };
  const Session session = restart("web");
  EXPECT_EQ(session.record.id, record.id);
  EXPECT_EQ(session.record.attempt, 2);
  EXPECT_EQ(session.state, State::running);
}

TEST_F(RestartSession, OfOneThatWaitsForItsNextAttemptBeginsAnewAtOnce) {
  const Record record = add_session("web", 'b', Activity::restarting);
  registry.update("web", record.id, [](Record& live) {
    live.retry_at = live.first_started_at = live.expires_at = sample_time(5);
    live.early_ends = 3;
  });
  make_directories(runtime.folder(record.id));
  runtime.plan_attempt(record.id, {.not_before = sample_time(5), .expires_at = {}});
  engine.on_restart = [&](const std::string&) {
    EXPECT_FALSE(exists(runtime.folder(record.id) + "/" + attempt_plan_file)) << "no recorder may run to do it";
    return StartResult{.started = true, .job_result = "done"};
  };
  restart("web");
  EXPECT_FALSE(stored(record).retry_at || stored(record).first_started_at || stored(record).expires_at);
  EXPECT_EQ(stored(record).early_ends, 0);
}

TEST_F(RestartSession, OfALiveOneSaysWhyItFailed) {
  const Record record = add_session("web");
  engine.on_restart = [&](const std::string&) {
    End end = sample_end(State::failed);
    end.reason = "cannot run '/x': No such file or directory";
    end_session(record, end);
    return StartResult{.started = false, .job_result = "failed"};
  };
  EXPECT_STREQ(refusal("web").what(), "cannot restart session 'web': cannot run '/x': No such file or directory");
}

TEST_F(RestartSession, OfALiveOneKeepsItsEnvironment) {
  add_session("web");
  const Error error = refusal("web", {"A=1"});
  EXPECT_EQ(error.code(), ErrorCode::usage);
  EXPECT_EQ(engine.count("restart "), 0U);
}

TEST_F(RestartSession, OfAScopeIsRefused) {
  Record record = sample_record("web");
  record.request.kind = SessionKind::scope;
  record.unit = "agentctl-web.scope";
  registry.create(record);
  engine.add_unit(record);
  EXPECT_EQ(refusal("web").hint(), "start it again there");
  end_session(record, sample_end());
  EXPECT_EQ(refusal("web").hint(), "agentctl run --scope -- COMMAND");
}

TEST_F(RestartSession, OfAnEndedOneIsANewSessionWithTheSameRequest) {
  const Record ended = add_ended_with({});
  const Session session = restart("web");
  EXPECT_NE(session.record.id, ended.id);
  EXPECT_EQ(session.record.attempt, 1);
  EXPECT_EQ(session.record.request.project, "shop");
  EXPECT_THAT(session.record.request.command, ElementsAre("tool", "x"));
  EXPECT_EQ(stored(ended).end->state, State::failed) << "the old one stays as it ended";
}

TEST_F(RestartSession, OfAnEndedOneNeedsTheValuesThatWereNotKept) {
  add_ended_with({"TOKEN=", "LANG"});
  const Error error = refusal("web");
  EXPECT_STREQ(error.what(), "cannot restart session 'web': it was started with -e TOKEN=..., and values are not kept");
  EXPECT_EQ(error.hint(), "agentctl restart -e TOKEN=VALUE web");
  EXPECT_EQ(refusal("web", {"TOKENS=x"}).hint(), error.hint());
  EXPECT_EQ(engine.count("start "), 0U);
}

TEST_F(RestartSession, OfAnEndedOneTakesTheValuesGivenAgain) {
  add_ended_with({"TOKEN=", "LANG"});
  const Session session = restart("web", {"TOKEN=again"});
  const auto launch = runtime.launch(session.record.id);
  ASSERT_TRUE(launch.has_value());
  EXPECT_THAT(launch->environment, Contains("TOKEN=again"));
  EXPECT_THAT(launch->environment, Contains("LANG=C.UTF-8"));
  EXPECT_THAT(session.record.request.env_keys, ElementsAre("TOKEN=", "LANG"));
}

TEST_F(RestartSession, OfAnEndedOneMayPassTheCallersOwnValueOn) {
  add_ended_with({"SECRET="});
  const Session session = restart("web", {"SECRET"});
  EXPECT_THAT(runtime.launch(session.record.id)->environment, Contains("SECRET=s3cret"));
}

TEST_F(RestartSession, OfAnEndedOneIsRefusedWhenItsCommandIsGone) {
  add_ended_with({});
  remove_file(folder / "bin/tool");
  EXPECT_EQ(refusal("web").code(), ErrorCode::command_not_found);
}

class KillSession : public StopSessions {};

TEST_F(KillSession, SignalsTheUnit) {
  add_session("web");
  kill_sessions(context, {find_session(context, "web")}, SIGUSR1);
  EXPECT_EQ(engine.count("kill agentctl-web.service 10"), 1U);
}

TEST_F(KillSession, OfOneThatHasEndedSignalsNoneOfThem) {
  add_session("api", 'c');
  add_ended("web");
  const std::vector<Session> sessions = find_sessions(context, {"api", "web"});
  EXPECT_EQ(thrown_by([&] { kill_sessions(context, sessions, SIGTERM); }).code(), ErrorCode::conflict);
  EXPECT_EQ(engine.count("kill "), 0U);
}

TEST_F(KillSession, OfAGroupReachesWhatLives) {
  Record queued = sample_record("late", sample_id('d'));
  queued.queued = Queued::by_anyone;
  registry.create(queued);
  add_session("web", 'b');
  add_session("api", 'c');
  const std::vector<Session> sessions = find_sessions(context, {"late", "web", "api"});
  engine.on_kill = [](const std::string& unit, int) {
    if (unit == "agentctl-web.service")
      throw Error({.code = ErrorCode::not_found, .context = "cannot signal", .object = unit, .reason = {}, .hint = {}});
  };
  const std::vector<Session> reached = kill_those_that_live(context, sessions, SIGHUP);
  ASSERT_EQ(reached.size(), 1U) << "one waits, and one has ended since it was looked at";
  EXPECT_EQ(reached.front().record.request.name, "api");
}

}  // namespace
}  // namespace agentctl
