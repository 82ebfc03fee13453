#include <boost/json.hpp>

#include "base/system.hpp"
#include "output/output_fixture.hpp"

namespace agentctl {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Exchange = FakeSystemd::Exchange;

/// rm, prune, reconcile, kill, extend, restart, logs of nothing, and what the shells' completions ask.
using HousekeepingTest = OutputOnBusTest;

TEST_F(HousekeepingTest, RmForgetsWhatHasEnded) {
  const Record record = add_ended(record_of("web"), State::exited, "exited with status 0", 0);
  EXPECT_THAT(agentctl({"rm", "web"}), ended_with(0, "web: removed (" + record.id + ")\n", ""));
  EXPECT_EQ(agentctl({"status", "web"}).status, 3);
}

TEST_F(HousekeepingTest, RmOfALiveSessionIsRefusedAndRemovesNoneOfTheOthers) {
  add_ended(record_of("old"), State::exited, "exited with status 0", 0);
  add_live(record_of("web"));
  EXPECT_THAT(agentctl({"rm", "old", "web"}),
              ended_with(4, "", error_text("cannot remove session 'web': it is running", "agentctl stop web")));
  EXPECT_THAT(registry().ended(), SizeIs(1));
}

TEST_F(HousekeepingTest, PruneForgetsWhatEndedLongAgo) {
  add_ended(record_of("today"), State::exited, "exited with status 0", 0);
  add_ended(record_of("then", 24h * 8), State::exited, "exited with status 0", 0);
  add_ended(record_of("yesterday", 25h), State::exited, "exited with status 0", 0);
  EXPECT_THAT(agentctl({"prune"}), ended_with(0, "forgot 1 session that ended more than 1w ago\n", ""));
  EXPECT_THAT(agentctl({"prune", "--older-than", "1d"}),
              ended_with(0, "forgot 1 session that ended more than 1d ago\n", ""));
  EXPECT_THAT(agentctl({"prune", "--older-than", "infinity"}),
              ended_with(0, "forgot 0 sessions that ended more than infinity ago\n", ""));
  const Outcome outcome = agentctl({"prune", "--json", "--older-than", "0"});
  EXPECT_EQ(boost::json::parse(outcome.out).at(0).at("name").as_string(), "today");
}

TEST_F(HousekeepingTest, ReconcileTellsWhatItRepaired) {
  EXPECT_THAT(agentctl({"reconcile"}), ended_with(0, "nothing to repair\n", ""));
  registry().create(record_of("web"));
  EXPECT_THAT(agentctl({"reconcile"}), ended_with(0, "web: lost, its user manager went down while it ran\n", ""));
  EXPECT_THAT(agentctl({"reconcile", "--json"}),
              ended_with(0, "{\"ended\":[],\"restored\":[],\"removed\":[],\"started\":[]}\n", ""));
}

TEST_F(HousekeepingTest, KillSendsTheSignal) {
  add_live(record_of("web"));
  EXPECT_THAT(agentctl({"kill", "web"}), ended_with(0, "web: sent SIGTERM\n", ""));
  EXPECT_THAT(agentctl({"kill", "-s", "HUP", "web"}), ended_with(0, "web: sent SIGHUP\n", ""));
  EXPECT_THAT(agentctl({"kill", "-s", "SIGUSR1", "web"}), ended_with(0, "web: sent SIGUSR1\n", ""));
  EXPECT_THAT(agentctl({"kill", "-s", "9", "web"}), ended_with(0, "web: sent SIGKILL\n", ""));
  Words signals;
  for (const RecordedCall& call : systemd.calls("KillUnit")) signals.push_back(call.arguments);
  EXPECT_EQ(signals, (Words{R"("agentctl-web.service" "all" 15)", R"("agentctl-web.service" "all" 1)",
                            R"("agentctl-web.service" "all" 10)", R"("agentctl-web.service" "all" 9)"}));
}

TEST_F(HousekeepingTest, KillOfAProjectReachesWhatLives) {
  Record queued = record_of("late");
  queued.request.project = "shop";
  queued.queued = Queued::by_anyone;
  registry().create(queued);
  EXPECT_THAT(agentctl({"kill", "-p", "shop"}), ended_with(0, "nothing to kill\n", ""));
  const auto add = [&](const char* name) {
    Record record = record_of(name);
    record.request.project = "shop";
    add_live(record);
  };
  add("web");
  EXPECT_THAT(agentctl({"kill", "-p", "shop"}), ended_with(0, "web: sent SIGTERM\n", ""));
  add("api");
  EXPECT_THAT(agentctl({"kill", "-p", "shop"}).out, EndsWith("\n2 sessions: sent SIGTERM\n"));
}

TEST_F(HousekeepingTest, WhatHasEndedCannotBeSignalledOrExtended) {
  add_ended(record_of("web"), State::exited, "exited with status 0", 0);
  add_live(record_of("api"));
  EXPECT_THAT(agentctl({"kill", "api", "web"}),
              ended_with(4, "",
                         error_text("cannot signal session 'web': it has ended (exited)", "agentctl status web")));
  EXPECT_THAT(systemd.calls("KillUnit"), IsEmpty());
  EXPECT_THAT(agentctl({"extend", "web", "1h"}),
              ended_with(4, "",
                         error_text("cannot extend session 'web': it has ended (exited)", "agentctl status web")));
}

TEST_F(HousekeepingTest, ExtendNeedsATimeLimitAndAHost) {
  add_live(record_of("web"));
  EXPECT_THAT(agentctl({"extend", "web", "1h"}),
              ended_with(4, "", error_text("cannot extend session 'web': it has no time limit", "agentctl stop web")));
  Record limited = record_of("api");
  limited.request.ttl = 1h;
  add_live(limited);
  EXPECT_THAT(agentctl({"extend", "api", "1h"}),
              ended_with(4, "",
                         error_text("cannot extend session 'api': its session host does not answer",
                                    "agentctl status api")));
}

TEST_F(HousekeepingTest, RestartOfALiveSessionIsSystemdsRestart) {
  add_live(record_of("web"));
  EXPECT_THAT(agentctl({"restart", "web"}), ended_with(0, "web: running, attempt 1\n", ""));
  EXPECT_THAT(systemd.calls("RestartUnit"), SizeIs(1));
  EXPECT_THAT(agentctl({"restart", "-e", "A=1", "web"}),
              ended_with(2, "",
                         error_text("cannot restart session 'web': -e is for sessions that have ended; a live one "
                                    "keeps its own",
                                    "agentctl stop web")));
}

TEST_F(HousekeepingTest, RestartOfAnEndedSessionStartsANewOneOfItsName) {
  const Record before = add_ended(record_of("web"), State::failed, "exited with status 3", 3);
  EXPECT_THAT(agentctl({"restart", "web"}), ended_with(0, "web: running, attempt 1\n", ""));
  ASSERT_THAT(registry().live(), SizeIs(1));
  EXPECT_NE(registry().live().front().id, before.id);
  EXPECT_EQ(registry().live().front().request.command, before.request.command);
}

TEST_F(HousekeepingTest, RestartAsksForTheValuesThatWereNotKept) {
  Record record = record_of("web");
  record.request.env_keys = {"TOKEN="};
  add_ended(record, State::failed, "exited with status 3", 3);
  EXPECT_THAT(agentctl({"restart", "web"}),
              ended_with(1, "",
                         error_text("cannot restart session 'web': it was started with -e TOKEN=..., and values are "
                                    "not kept",
                                    "agentctl restart -e TOKEN=VALUE web")));
  EXPECT_THAT(agentctl({"restart", "-e", "TOKEN=x", "web"}), ended_with(0, "web: running, attempt 1\n", ""));
}

TEST_F(HousekeepingTest, ARestartThatSystemdCannotDoIsToldWithItsJobsResult) {
  add_live(record_of("web"));
  systemd.on("RestartUnit", end_job_with("timeout"));
  EXPECT_THAT(agentctl({"restart", "web"}),
              ended_with(1, "",
                         error_text("cannot restart session 'web': systemd job result 'timeout'",
                                    "agentctl status web")));
}

TEST_F(HousekeepingTest, LogsOfASessionWithoutOutputAreEmpty) {
  add_ended(record_of("web"), State::exited, "exited with status 0", 0);
  for (const Words& options :
       {Words{}, Words{"-f"}, Words{"-n", "5"}, Words{"--json"}, Words{"--since", "1h", "--stream", "stderr"}}) {
    Words words{"logs", "web"};
    words.insert(words.end(), options.begin(), options.end());
    EXPECT_THAT(agentctl(words), ended_with(0, "", ""));
  }
}

TEST_F(HousekeepingTest, AScopeSessionHasNoLog) {
  Record record = record_of("web");
  record.request.kind = SessionKind::scope;
  record.unit = "agentctl-web.scope";
  add_ended(record, State::exited, "exited with status 0", 0);
  EXPECT_THAT(agentctl({"logs", "web"}),
              ended_with(1, "",
                         error_text("there is no log of session 'web': it was started with --scope, so its output "
                                    "went to its own terminal",
                                    "agentctl status web")));
}

TEST_F(HousekeepingTest, CompletionListsVerbsAndNames) {
  add_live(record_of("web"));
  add_ended(record_of("old"), State::exited, "exited with status 0", 0);
  EXPECT_THAT(agentctl({"__complete", "live"}), ended_with(0, "web\n", ""));
  EXPECT_THAT(agentctl({"__complete", "ended"}), ended_with(0, "old\n", ""));
  EXPECT_THAT(agentctl({"__complete", "verbs"}),
              ended_with(0,
                         "run\nlist\nstatus\nwhy\nlogs\nstop\ncancel\nwait\nkill\nrestart\nextend\nflow\napply\ncontext"
                         "\nhint\nevents\nport\nserve\nadopt\nrm\n"
                         "prune\nreconcile\ndoctor\n",
                         ""));
  EXPECT_THAT(agentctl({"__complete"}), ended_with(0, "", ""));
  EXPECT_THAT(agentctl({"__complete", "rubbish"}), ended_with(0, "", ""));
}

TEST_F(HousekeepingTest, CompletionNeedsNoBus) {
  add_live(record_of("web"));
  bus.kill();
  EXPECT_THAT(agentctl({"__complete", "live"}), ended_with(0, "web\n", ""));
}

TEST_F(HousekeepingTest, WithoutABusEachVerbThatNeedsOneIsUnreachable) {
  add_live(record_of("web"));
  bus.kill();
  const std::string message =
      error_text("cannot reach your systemd user manager over 'unix:path=" + path("run/bus") + "': Connection refused",
                 way_to_user_manager(path("run"), ::getuid(), own_user()));
  for (const Words& words :
       {Words{"list"}, Words{"status", "web"}, Words{"logs", "web"}, Words{"stop", "web"}, Words{"stop", "--all"},
        Words{"kill", "web"}, Words{"restart", "web"}, Words{"extend", "web", "1h"}, Words{"rm", "web"},
        Words{"reconcile"}, Words{"run", "true"}})
    EXPECT_THAT(agentctl(words), ended_with(6, "", message)) << words.front();
  EXPECT_THAT(agentctl({"wait", "web"}), ended_with(125, "", message)) << "6 could be the session's own";
  EXPECT_THAT(registry().live(), SizeIs(1));
}

TEST_F(HousekeepingTest, DoctorTellsAFindingALine) {
  const Outcome outcome = agentctl({"doctor"});
  EXPECT_THAT(outcome.out, HasSubstr("ok       systemd         version 252.39-1~deb12u1\n"));
  EXPECT_THAT(outcome.out, HasSubstr("ok       runtime folder  " + path("run") + "\n"));
  EXPECT_THAT(outcome.out,
              HasSubstr("ok       registry        " + path("state/agentctl") + ", 0 live and 0 ended sessions\n"));
  const Outcome json = agentctl({"doctor", "--json"});
  EXPECT_EQ(json.status, outcome.status);
  const auto findings = boost::json::parse(json.out);
  for (const auto& finding : findings.as_array()) EXPECT_EQ(finding.as_object().size(), 4);
}

}  // namespace
}  // namespace agentctl
