#include "host/health_watch.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.hpp"
#include "host/host_fixture.hpp"

namespace agentctl {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// The host with a probe that says what the test wants.
class HealthWatchTest : public HostTest {
 protected:
  void set_check(HealthKind kind, std::chrono::milliseconds timeout = std::chrono::minutes(1)) {
    HealthCheck check;
    check.kind = kind;
    check.target = "3000";
    check.timeout = timeout;
    launch.record.request.health = check;
    config.libexec_dir = path("");
    config.libexec_dir.pop_back();
  }
  void set_probe(const std::string& script) {
    write_file(path("probe"), "#!/bin/sh\ncd " + path("") + "\n" + script, 0755);
    ::chmod(path("probe").c_str(), 0755);
  }
  void start(const std::string& script) {
    set_script(script);
    write_launch();
    start_host();
  }
  int end_command() {
    ::kill(note().pid, SIGTERM);
    return wait_for_end();
  }
};

TEST_F(HealthWatchTest, ReadyMeansHealthy) {
  set_check(HealthKind::tcp);
  set_probe("read x < fifo; echo healthy; exec sleep 1000");
  start("exec sleep 1000");
  eventually([&] { return note().started_at.has_value(); }, "the command runs");
  EXPECT_FALSE(is_ready());
  EXPECT_FALSE(note().ready_at.has_value());
  let_go();
  eventually([&] { return is_ready(); }, "READY=1");
  EXPECT_TRUE(note().ready_at.has_value());
  end_command();
}

TEST_F(HealthWatchTest, WhatIsNotHealthyInTimeHasFailed) {
  set_check(HealthKind::tcp, std::chrono::milliseconds(300));
  set_probe("exec sleep 1000");
  const HealthNote left{.healthy = false, .since = {}, .error = "refused"};
  start("trap '' TERM; while :; do sleep 0.1; done");
  eventually([&] { return note().started_at.has_value(); }, "the command runs");
  write_file(path(health_note_file), to_json(left));
  eventually([&] { return !note().unhealthy.empty(); }, "the deadline");
  EXPECT_EQ(note().unhealthy, "not healthy within 300ms: refused");
  ::kill(note().pid, SIGKILL);
  const int status = wait_for_end();
  EXPECT_EQ(WEXITSTATUS(status), 125) << "systemd must not take it for a success";
  EXPECT_FALSE(is_ready());
}

TEST_F(HealthWatchTest, AServiceOfAFileIsWaitedForAtLeastAnInterval) {
  set_check(HealthKind::tcp, std::chrono::milliseconds(1));
  launch.record.request.spec_digest = "0123456789abcdef";
  set_probe("sleep 0.2; echo healthy; exec sleep 1000");
  start("exec sleep 1000");
  eventually([&] { return is_ready(); }, "READY=1");
  end_command();
}

TEST_F(HealthWatchTest, AnEndBeforeIsTheEnd) {
  set_check(HealthKind::tcp);
  set_probe("exec sleep 1000");
  start("exit 3");
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 3);
  EXPECT_FALSE(note().ready_at.has_value());
}

TEST_F(HealthWatchTest, WhatIsForgedEndsItAtOnce) {
  set_check(HealthKind::unix_socket);
  set_probe("echo forged /x is a symbolic link; exec sleep 1000");
  start("exec sleep 1000");
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 125);
  EXPECT_EQ(note().unhealthy, "/x is a symbolic link");
}

TEST_F(HealthWatchTest, ToBecomeUnhealthyIsReportedOrEndsIt) {
  for (const WhenUnhealthy what : {WhenUnhealthy::report, WhenUnhealthy::stop, WhenUnhealthy::restart}) {
    manager.messages.clear();
    set_check(HealthKind::tcp);
    launch.record.request.health->when_unhealthy = what;
    set_probe("echo healthy; read x < fifo; echo unhealthy http status 500; exec sleep 1000");
    start("exec sleep 1000");
    eventually([&] { return is_ready(); }, "READY=1");
    let_go();
    eventually([&] { return testing::Matches(Contains(HasSubstr("is unhealthy: http status 500")))(manager.messages); },
               "the status");
    const int status = what == WhenUnhealthy::report ? end_command() : wait_for_end();
    EXPECT_EQ(note().unhealthy, what == WhenUnhealthy::report ? "" : "unhealthy: http status 500");
    EXPECT_EQ(WIFEXITED(status) && WEXITSTATUS(status) == 125, what != WhenUnhealthy::report);
  }
}

TEST_F(HealthWatchTest, GoesOnAfterASigtermThatIsNoStop) {
  set_check(HealthKind::tcp);
  set_probe("[ -e died ] && echo unhealthy refused && exec sleep 1000; touch died; echo healthy; read x < fifo");
  start("trap '' TERM; while :; do sleep 0.01; done");
  eventually([&] { return is_ready(); }, "READY=1");
  ::kill(host, SIGTERM);
  let_go();  // the signal reaches the probe as well
  eventually([&] { return testing::Matches(Contains(HasSubstr("is unhealthy: refused")))(manager.messages); },
             "what the next probe has found");
  ::kill(note().pid, SIGKILL);
  wait_for_end();
}

TEST_F(HealthWatchTest, AProbeThatDiesIsStartedAgain) {
  set_check(HealthKind::tcp);
  set_probe("[ -e died ] && echo healthy && exec sleep 1000; touch died; exit 1");
  start("exec sleep 1000");
  eventually([&] { return is_ready(); }, "READY=1");
  end_command();
}

TEST_F(HealthWatchTest, TheProgramsOwnWordIsTakenAndNotPassedOnToSystemd) {
  set_check(HealthKind::notify);
  start(
      "echo $NOTIFY_SOCKET; read x < fifo; python3 -c '"
      "import os,socket; s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.connect(os.environ[\"NOTIFY_SOCKET\"]); "
      "s.send(b\"STATUS=warm\\nREADY=1\\nMAINPID=1\")'; exec sleep 1000");
  eventually([&] { return !lines().empty(); }, "its output");
  EXPECT_EQ(lines().front(), "o:" + path("notifications"));
  EXPECT_FALSE(is_ready());
  let_go();
  eventually([&] { return is_ready(); }, "READY=1");
  EXPECT_THAT(manager.messages, Contains(HasSubstr("STATUS=warm")));
  EXPECT_THAT(manager.messages, Not(Contains(HasSubstr("MAINPID"))));
  EXPECT_TRUE(parse_health_note(file(health_note_file).value()).healthy);
  end_command();
}

TEST_F(HealthWatchTest, ACheckOfTheLogGetsAllOfTheOutput) {
  set_check(HealthKind::log);
  set_probe("exec 3<&0; cat <&3 > got & while ! grep -aq first got; do sleep 0.01; done; echo healthy; wait");
  launch.record.request.cwd = path("");
  start("echo first; exec sleep 1000");
  eventually([&] { return is_ready(); }, "READY=1");
  end_command();
}

TEST_F(HealthWatchTest, OutputDoesNotOutrunACheckOfTheLog) {
  set_check(HealthKind::log);
  set_probe(
      "exec 3<&0; read x < fifo; cat <&3 > got & while ! grep -aq ready got; do sleep 0.05; done; echo healthy; wait");
  launch.record.request.cwd = path("");
  start("head -c 8000000 /dev/zero | tr '\\0' '\\n'; echo x > written; echo ready; exec sleep 1000");
  eventually([&] { return note().started_at.has_value(); }, "the command runs");
  for (int i = 0; i < 50; ++i) pump();
  EXPECT_FALSE(file("written")) << "it waits for who looks at its output";
  let_go();
  eventually([&] { return is_ready(); }, "READY=1");
  end_command();
}

TEST_F(HealthWatchTest, AMissingProbeIsNamed) {
  set_check(HealthKind::tcp, std::chrono::milliseconds(100));
  start("exec sleep 1000");
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 125);
  EXPECT_THAT(note().unhealthy, StartsWith("not healthy within 100ms: cannot execute '" + path("probe") + "'"));
}

}  // namespace
}  // namespace agentctl
