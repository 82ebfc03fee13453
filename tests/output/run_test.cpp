#include <boost/json.hpp>
#include <csignal>

#include "base/user.hpp"
#include "domain/naming.hpp"
#include "output/output_fixture.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using Exchange = FakeSystemd::Exchange;

class RunTest : public OutputOnBusTest {
 protected:
  Record only_record() {
    std::vector<Record> records = registry().live();
    EXPECT_EQ(records.size(), 1);
    return records.empty() ? Record{} : records.front();
  }
  // The session starts, and has ended at once.
  void end_when_started(State state, const std::string& reason, std::optional<int> code,
                        std::optional<int> signal = {}) {
    systemd.on("StartTransientUnit", [=, this](Exchange& exchange) {
      exchange.proceed();
      end(only_record(), state, reason, code, signal);
    });
  }
  // Its command cannot be executed: the session host says so, the recorder writes it down, the job fails.
  void fail_to_start(const std::string& reason, std::optional<int> code, const std::string& job_result) {
    systemd.on("StartTransientUnit", [=, this](Exchange& exchange) {
      exchange.reply_job();
      Registry registry = this->registry();
      const Record record = registry.live().at(0);
      End failed;
      failed.reason = reason;
      failed.exit.code = code;
      failed.ended_at = now();
      registry.finish(record, failed);
      systemd.remove_unit(record.unit);
      exchange.job_removed(job_result);
    });
  }
};

TEST_F(RunTest, PrintsTheNameAndNothingElse) {
  EXPECT_THAT(agentctl({"run", "-n", "web", "--", "sleep", "60"}), ended_with(0, "web\n", ""));
}

TEST_F(RunTest, ANameIsMadeOfTheCommandWhenNoneIsGiven) {
  EXPECT_THAT(agentctl({"run", "/bin/sleep", "60"}), ended_with(0, MatchesRegex("sleep-[a-z][a-z2-7]+\n"), ""));
}

TEST_F(RunTest, WritesDownWhatWasAskedFor) {
  environment["TOKEN"] = "secret";
  make_directories(path("work/app"));
  EXPECT_EQ(agentctl({"run",      "-n",          "web",   "-C",      "app",   "-e",
                      "A=1",      "-e",          "TOKEN", "--ttl",   "1h",    "--stop-timeout",
                      "10s",      "-p",          "shop",  "--group", "g",     "--agent",
                      "claude 4", "--work-item", "#12",   "--label", "a=b",   "--label",
                      "c=d=e",    "--port",      "65533", "--port",  "65534", "--stdout",
                      "out.log",  "sleep",       "60"})
                .status,
            0);
  const Record record = only_record();
  const SessionRequest& request = record.request;
  EXPECT_EQ(record.unit, "agentctl-web.service");
  EXPECT_EQ(request.command, (Words{"sleep", "60"}));
  EXPECT_EQ(request.cwd, path("work/app"));
  EXPECT_EQ(request.env_keys, (Words{"A=", "TOKEN"}));
  EXPECT_EQ(request.ttl, std::chrono::hours(1));
  EXPECT_EQ(request.stop_timeout, std::chrono::seconds(10));
  EXPECT_EQ(request.project + " " + request.group, "shop g");
  EXPECT_EQ(request.agent + " " + request.work_item, "claude 4 #12");
  EXPECT_EQ(request.labels, (std::map<std::string, std::string>{{"a", "b"}, {"c", "d=e"}}));
  EXPECT_THAT(request.ports, ElementsAre(65533, 65534));
  EXPECT_EQ(request.stdout_file, path("work/out.log"));
  EXPECT_EQ(record.created_by.user, own_user());
  // Values are only where nobody else can read them.
  EXPECT_THAT(get_file(path("state/agentctl/live/") + name_shard("web") + ".jsonl"), testing::Not(HasSubstr("secret")));
  EXPECT_THAT(runtime().launch(record.id).value().environment, testing::Contains("TOKEN=secret"));
}

TEST_F(RunTest, WhatFollowsTheCommandIsTheCommands) {
  struct Case {
    Words words;
    Words command;
  };
  put_file(path("work/-odd"), "#!/bin/sh\n", 0755);
  environment["PATH"] = path("work") + ":/usr/bin:/bin";
  for (const Case& row :
       {Case{{"sleep", "-n", "--json"}, {"sleep", "-n", "--json"}},
        Case{{"sh", "-c", "exit 3", "--", "-x"}, {"sh", "-c", "exit 3", "--", "-x"}},
        Case{{"--", "sh", "--user"}, {"sh", "--user"}}, Case{{"--", "-odd", "--help"}, {"-odd", "--help"}},
        Case{{"-n", "x", "--", "sh", "--", "x"}, {"sh", "--", "x"}}}) {
    Words words{"run"};
    words.insert(words.end(), row.words.begin(), row.words.end());
    const Outcome outcome = agentctl(words);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    const Record record = only_record();
    EXPECT_EQ(record.request.command, row.command);
    EXPECT_EQ(outcome.out, record.request.name + "\n");
    end(record, State::exited, "exited with status 0", 0);
  }
}

TEST_F(RunTest, InJsonIsTheSessionAsOneObject) {
  for (const Words& words :
       {Words{"--json", "run", "-n", "web", "sleep", "60"}, Words{"run", "--json", "-n", "api", "sleep", "60"}}) {
    const Outcome outcome = agentctl(words);
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.err, "");
    const auto session = boost::json::parse(outcome.out).as_object();
    EXPECT_EQ(session.at("state").as_string(), "running");
    EXPECT_EQ(session.at("command"), (boost::json::array{"sleep", "60"}));
  }
}

std::string name_is_taken(const Record& holder) {
  return error_text("cannot start session 'web': a session of that name lives (" + holder.id + "), running since " +
                        format_local(holder.created_at),
                    "agentctl status web");
}

TEST_F(RunTest, ANameThatALiveSessionHasIsAConflict) {
  const Record holder = record_of("web");
  add_live(holder);
  EXPECT_THAT(agentctl({"run", "-n", "web", "--", "sleep", "60"}), ended_with(4, "", name_is_taken(holder)));
  EXPECT_THAT(systemd.calls("StartTransientUnit"), IsEmpty());
}

TEST_F(RunTest, WhatIsRefusedLeavesNoSessionBehindThatNeverWas) {
  add_live(record_of("web"));
  const Outcome outcome =
      agentctl({"run", "-n", "web", "--ready", "tcp:3000", "--on-end", "true", "--", "sleep", "60"});
  EXPECT_EQ(outcome.status, 4) << outcome.err;
  EXPECT_THAT(registry().ended(), IsEmpty());
  EXPECT_EQ(systemd.calls("StartTransientUnit").size(), 0) << "nor does anything follow its end";
}

TEST_F(RunTest, ANameThatAnEndedSessionHadIsFree) {
  add_ended(record_of("web"), State::exited, "exited with status 0", 0);
  EXPECT_THAT(agentctl({"run", "-n", "web", "--", "sleep", "60"}), ended_with(0, "web\n", ""));
}

TEST_F(RunTest, AUnitOfThatNameThatIsNotInTheRegistryIsAConflictToo) {
  systemd.set_unit({.name = "agentctl-web.service", .description = "somebody else's"});
  EXPECT_THAT(agentctl({"run", "-n", "web", "--", "sleep", "60"}),
              ended_with(4, "",
                         error_text("cannot start session 'web': a session of that name lives",
                                    "systemctl --user status agentctl-web.service")));
  EXPECT_THAT(registry().live(), IsEmpty());
  EXPECT_THAT(runtime().ids(), IsEmpty());
}

TEST_F(RunTest, WhatPolicyForbidsIsNotPermittedAndLeavesNothing) {
  systemd.on("StartTransientUnit", refuse_with("org.freedesktop.DBus.Error.AccessDenied", "Permission denied"));
  EXPECT_THAT(agentctl({"run", "-n", "web", "--", "sleep", "60"}),
              ended_with(5, "",
                         error_text("cannot start session 'web': Permission denied", "agentctl --user, or as root")));
  EXPECT_THAT(registry().live(), IsEmpty());
  EXPECT_THAT(registry().ended(), IsEmpty());
  EXPECT_THAT(runtime().ids(), IsEmpty());
}

TEST_F(RunTest, ACommandThatTheHostCannotExecuteEndsWithItsStatus) {
  struct Case {
    int code;
    const char* reason;
  };
  for (const Case& row :
       {Case{127, "cannot run './x': no interpreter '/bin/nope'"}, Case{126, "cannot run './x': Exec format error"}}) {
    fail_to_start(row.reason, row.code, "failed");
    EXPECT_THAT(agentctl({"run", "-n", "web", "--", "sleep", "60"}),
                ended_with(row.code, "",
                           error_text(std::string("cannot start session 'web': ") + row.reason,
                                      "agentctl status web")));
  }
}

TEST_F(RunTest, ASessionThatDoesNotBecomeReadyHasFailed) {
  fail_to_start("did not start in time", std::nullopt, "timeout");
  EXPECT_THAT(agentctl({"run", "-n", "web", "--", "sleep", "60"}),
              ended_with(1, "",
                         error_text("cannot start session 'web': did not start in time", "agentctl status web")));
}

TEST_F(RunTest, AJobThatSystemdDropsHasFailedAndTheRecordSaysSo) {
  systemd.on("StartTransientUnit", end_job_with("canceled"));
  EXPECT_THAT(agentctl({"run", "-n", "web", "--", "sleep", "60"}),
              ended_with(1, "",
                         error_text("cannot start session 'web': systemd ended its start with 'canceled'",
                                    "agentctl status web")));
  EXPECT_THAT(registry().live(), IsEmpty());
  ASSERT_EQ(registry().ended().size(), 1);
}

TEST_F(RunTest, ABusThatDiesMeanwhileIsUnreachableAndTheRecordStays) {
  systemd.on("StartTransientUnit", [](Exchange& exchange) { exchange.reply_job(); });
  Program program(start_of({"--user", "run", "-n", "web", "--", "sleep", "60"}));
  ASSERT_TRUE(systemd.wait_for_call("StartTransientUnit"));
  bus.kill();
  EXPECT_THAT(program.finish(),
              ended_with(6, "",
                         error_text("cannot start session 'web': the bus closed the connection", "agentctl doctor")));
  EXPECT_EQ(only_record().request.name, "web");
}

TEST_F(RunTest, WaitEndsWithTheSessionsOwnStatus) {
  end_when_started(State::exited, "exited with status 0", 0);
  EXPECT_THAT(agentctl({"run", "--wait", "-n", "a", "true"}), ended_with(0, "", ""));
  end_when_started(State::failed, "exited with status 3", 3);
  EXPECT_THAT(agentctl({"run", "--wait", "-n", "b", "true"}), ended_with(3, "", ""));
  end_when_started(State::failed, "killed by SIGSEGV", std::nullopt, SIGSEGV);
  EXPECT_THAT(agentctl({"run", "--wait", "-n", "c", "true"}), ended_with(128 + SIGSEGV, "", ""));
  end_when_started(State::expired, "time limit of 1s reached", std::nullopt, SIGTERM);
  EXPECT_THAT(agentctl({"run", "--wait", "-n", "d", "true"}), ended_with(124, "", ""));
}

TEST_F(RunTest, WaitInJsonPrintsTheEndedSession) {
  end_when_started(State::failed, "exited with status 3", 3);
  const Outcome outcome = agentctl({"run", "--wait", "--json", "-n", "a", "true"});
  EXPECT_EQ(outcome.status, 3);
  const auto session = boost::json::parse(outcome.out);
  EXPECT_EQ(session.at("state").as_string(), "failed");
  EXPECT_EQ(session.at("exit").at("code").as_int64(), 3);
}

TEST_F(RunTest, InTheForegroundAConflictIs125) {
  const Record holder = record_of("web");
  add_live(holder);
  EXPECT_THAT(agentctl({"run", "--wait", "-n", "web", "true"}), ended_with(125, "", name_is_taken(holder)));
}

TEST_F(RunTest, AScopeSessionRunsHereWithItsOwnStreamsAndStatus) {
  const Outcome outcome = agentctl({"run", "--scope", "-n", "here", "sh", "-c", "echo out; echo err >&2; pwd; exit 3"});
  EXPECT_THAT(outcome, ended_with(3, "out\n" + path("work") + "\n", "err\n"));
  const std::vector<Record> ended = registry().ended();
  ASSERT_EQ(ended.size(), 1);
  EXPECT_EQ(ended.front().end.value().reason, "exited with status 3");
  EXPECT_THAT(systemd.calls("StartTransientUnit").at(0).arguments, HasSubstr(R"("agentctl-here.scope" "fail")"));
}

TEST_F(RunTest, AScopeSessionTellsTheSignalThatKilledIt) {
  EXPECT_THAT(agentctl({"run", "--scope", "-n", "here", "sh", "-c", "kill -KILL $$"}),
              ended_with(128 + SIGKILL, "", ""));
}

TEST_F(RunTest, AScopeSessionSeesWhoItIs) {
  environment["CLAUDECODE"] = "1";
  const Outcome outcome = agentctl({"run", "--scope", "-n", "here", "-p", "shop", "-e", "A=b c", "sh", "-c",
                                    "echo \"$AGENTCTL_NAME $AGENTCTL_UNIT $AGENTCTL_PROJECT $A ${CLAUDECODE-unset}\""});
  EXPECT_THAT(outcome, ended_with(0, "here agentctl-here.scope shop b c unset\n", ""));
}

}  // namespace
}  // namespace agentctl
