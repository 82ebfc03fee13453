#include "host/session_host.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.hpp"
#include "host/host_fixture.hpp"

namespace agentctl {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

using Strings = std::vector<std::string>;

/// How a host starts a command and how it ends.
class SessionHostTest : public HostTest {
 protected:
  void run_executable(const std::string& executable) {
    launch.executable = executable;
    launch.record.request.command = {executable};
    write_launch();
    start_host();
  }
  void make_file(const std::string& name, const std::string& content, mode_t mode) {
    write_file(path(name), content, mode);
    ::chmod(path(name).c_str(), mode);
  }
};

TEST_F(SessionHostTest, ExitsWithTheCommandsStatus) {
  const int status = run_to_end("exit 3");
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 3);
  EXPECT_EQ(note().exit_code, 3);
  EXPECT_FALSE(note().exit_signal);
  EXPECT_TRUE(note().started_at);
  EXPECT_TRUE(note().exited_at);
  EXPECT_EQ(note().invocation_id, config.invocation_id);
}

TEST_F(SessionHostTest, DiesOfTheSignalThatKilledTheCommand) {
  for (const int signal : {SIGKILL, SIGTERM, SIGSEGV, SIGRTMIN + 3}) {
    const int status = run_to_end("kill -" + std::to_string(signal) + " $$");
    ASSERT_TRUE(WIFSIGNALED(status)) << signal;
    EXPECT_EQ(WTERMSIG(status), signal);
    EXPECT_FALSE(WCOREDUMP(status)) << "one core is enough";
    EXPECT_EQ(note().exit_signal, signal);
    EXPECT_FALSE(note().exit_code);
  }
}

TEST_F(SessionHostTest, SaysReadyWhenTheCommandRunsAndTheNoteAndTheSocketAreThere) {
  set_script("read x < fifo");
  write_launch();
  start_host();
  eventually([&] { return is_ready(); }, "READY=1");
  const HostNote found = note();
  EXPECT_GT(found.pid, 0);
  EXPECT_EQ(manager.messages.front(), "READY=1\nSTATUS=sh (pid " + std::to_string(found.pid) + ")");
  struct stat status {};
  ASSERT_EQ(::stat(path(control_socket).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode, S_IFSOCK | 0600u);
  ::kill(found.pid, SIGTERM);
  EXPECT_EQ(WTERMSIG(wait_for_end()), SIGTERM);
}

TEST_F(SessionHostTest, PassesOnTheLaunchsEnvironmentAndNothingElse) {
  run_to_end("exec env");
  // env shows what sh adds too, which is why its own variables are left out.
  Strings variables;
  for (const std::string& line : lines())
    if (!line.starts_with("o:PWD=") && !line.starts_with("o:OLDPWD=") && !line.starts_with("o:_="))
      variables.push_back(line);
  EXPECT_THAT(variables, testing::UnorderedElementsAre("o:PATH=/usr/bin:/bin", "o:GREETING=hello"));
}

TEST_F(SessionHostTest, PassesOnNoDescriptorAndNoSignalOfItsOwn) {
  run_to_end("ls -l /proc/self/fd | sed 's/.*[0-9] -> //'; grep -E '^Sig(Blk|Ign)' /proc/self/status");
  const Strings found = lines();
  EXPECT_THAT(found, Contains("o:/dev/null"));
  EXPECT_THAT(found, Not(Contains(HasSubstr("socket:"))));
  EXPECT_THAT(found, Not(Contains(HasSubstr("signalfd"))));
  EXPECT_THAT(found, Contains("o:SigBlk:\t0000000000000000"));
  EXPECT_THAT(found, Contains("o:SigIgn:\t0000000000000000"));
}

TEST_F(SessionHostTest, GivesTheCommandASessionOfItsOwn) {
  run_to_end("set -- $(cat /proc/self/stat); echo $5 $6; echo $$; kill -HUP 0");
  const Strings found = lines();
  ASSERT_EQ(found.size(), 2u);
  const std::string pid = found[1].substr(2);
  EXPECT_EQ(found[0], "o:" + pid + " " + pid);
  EXPECT_EQ(note().exit_signal, SIGHUP) << "it reached the host's group, or did nothing";
}

TEST_F(SessionHostTest, RunsTheCommandInItsFolderWithTheCallersUmask) {
  launch.umask = 027;
  run_to_end("echo x > made; stat -c %a made");
  EXPECT_THAT(lines(), ElementsAre("o:640"));
  EXPECT_EQ(file("made"), "x\n");
}

TEST_F(SessionHostTest, SaysThatTheProgramIsMissing) {
  run_executable("/no/such/program");
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 127);
  EXPECT_EQ(note().start_error, "cannot execute '/no/such/program': No such file or directory");
  EXPECT_EQ(note().start_status, 127);
  EXPECT_THAT(manager.messages, IsEmpty());
  ASSERT_EQ(journald.log().size(), 1u);
  EXPECT_EQ(journald.log()[0].kind, LogEntryKind::notice);
  EXPECT_EQ(journald.log()[0].text, "agentctl: " + note().start_error);
}

TEST_F(SessionHostTest, SaysThatAProgramCannotBeExecuted) {
  make_file("plain", "#!/bin/sh\n", 0644);
  run_executable(path("plain"));
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 126);
  EXPECT_EQ(note().start_error, "cannot execute '" + path("plain") + "': Permission denied");
  make_file("garbage", "garbage", 0755);
  run_executable(path("garbage"));
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 126);
  EXPECT_EQ(note().start_error, "cannot execute '" + path("garbage") + "': Exec format error");
}

TEST_F(SessionHostTest, SaysThatAScriptsInterpreterIsMissing) {
  make_file("script", "#! /no/such/python3 -u\nprint()\n", 0755);
  run_executable(path("script"));
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 126);
  EXPECT_EQ(note().start_error,
            "cannot execute '" + path("script") + "': its interpreter '/no/such/python3' does not exist");
}

TEST_F(SessionHostTest, SaysThatTheFolderCannotBeEntered) {
  launch.record.request.cwd = "/no/such/folder";
  EXPECT_EQ(WEXITSTATUS(run_to_end("true")), 126);
  EXPECT_EQ(note().start_error, "cannot enter '/no/such/folder': No such file or directory");
  EXPECT_EQ(note().start_status, 126);
}

TEST_F(SessionHostTest, SaysThatAnOutputFileCannotBeOpened) {
  launch.record.request.stdout_file = "/no/such/folder/file";
  EXPECT_EQ(WEXITSTATUS(run_to_end("true")), 125);
  EXPECT_EQ(note().start_error, "cannot open the output file '/no/such/folder/file': No such file or directory");
}

TEST_F(SessionHostTest, FailsWhenTheLaunchWasWithdrawn) {
  start_host();
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 125);
  EXPECT_EQ(note().start_error, "the launch was withdrawn");
  EXPECT_EQ(note().start_status, 125);
}

TEST_F(SessionHostTest, FailsWhenTheLaunchIsBroken) {
  write_file(path(launch_file), "{\"record\":");
  start_host();
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 125);
  EXPECT_EQ(note().start_status, 125);
  EXPECT_THAT(note().start_error, StartsWith("invalid JSON"));
}

TEST_F(SessionHostTest, FailsQuietlyWithoutItsFolder) {
  config.runtime_dir = path("missing");
  start_host();
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 125);
}

TEST_F(SessionHostTest, NotesThatTheManagerStopsItAndGoesOnUntilTheCommandEnds) {
  // The command ends at the second of its own signals, which systemd would send to the whole control group.
  set_script("trap 'trap \"exit 5\" TERM; echo stopping' TERM; echo up; while :; do sleep 0.01; done");
  start_until_ready();
  eventually([&] { return lines() == Strings{"o:up"}; }, "the trap is set");
  begin_stop();
  eventually([&] { return note().terminated_at.has_value(); }, "the note");
  const auto terminated_at = note().terminated_at;
  ::kill(note().pid, SIGTERM);
  eventually([&] { return lines() == Strings{"o:up", "o:stopping"}; }, "output after SIGTERM");
  begin_stop();
  ::kill(note().pid, SIGTERM);
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 5);
  EXPECT_EQ(note().terminated_at, terminated_at) << "the first one counts";
}

TEST_F(SessionHostTest, KillsACommandWhoseStopTimeoutIsTooShortForSystemd) {
  launch.record.request.stop_timeout = std::chrono::milliseconds(200);
  set_script("trap '' TERM; echo up; while :; do sleep 0.01; done");
  start_until_ready();
  eventually([&] { return lines() == Strings{"o:up"}; }, "the trap is set");
  begin_stop();
  EXPECT_EQ(WTERMSIG(wait_for_end()), SIGKILL);
  EXPECT_EQ(note().exit_signal, SIGKILL);
  EXPECT_GE(note().exited_at.value() - note().terminated_at.value(), std::chrono::milliseconds(190));
}

TEST_F(SessionHostTest, IsNotEndedByAnySignalThatCanBeBlocked) {
  set_script("read x < fifo; exit 4");
  start_until_ready();
  for (const int signal : {SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGPIPE, SIGALRM, SIGTSTP, SIGTTIN, SIGCONT})
    ::kill(host, signal);
  let_go();
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 4);
  EXPECT_FALSE(note().terminated_at);
}

TEST_F(SessionHostTest, TakesNoStopFromAnybodyButItsManager) {
  set_script("kill -TERM $PPID; kill -CONT $PPID; exit 6");
  write_launch();
  start_host();
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 6);
  EXPECT_FALSE(note().terminated_at);
}

TEST_F(SessionHostTest, TakesASigtermThatTheManagerWasAskedToSendForNoStop) {
  set_script("trap 'exit 6' TERM; echo up; while :; do sleep 0.01; done");
  start_until_ready();
  eventually([&] { return !lines().empty(); }, "the trap is set");
  ::kill(host, SIGTERM);
  ::kill(note().pid, SIGTERM);
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 6);
  EXPECT_FALSE(note().terminated_at);
}

TEST_F(SessionHostTest, RunsWithoutAServiceManager) {
  config.notify_socket = "";
  EXPECT_EQ(WEXITSTATUS(run_to_end("exit 2")), 2);
}

TEST_F(SessionHostTest, KeepsTheSessionWhenItsFolderIsGone) {
  set_script("read x < fifo; echo alive; exit 7");
  ASSERT_EQ(::mkdir(path("run").c_str(), 0700), 0);
  config.runtime_dir = path("run");
  write_file(path("run/launch.json"), to_json(launch));
  start_host();
  eventually([&] { return is_ready(); }, "READY=1");
  remove_directory(path("run"));
  let_go();
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 7);
  EXPECT_THAT(lines(), ElementsAre("o:alive"));
}

/// An attempt that the recorder has planned.
class PlannedAttempt : public SessionHostTest {
 protected:
  void plan(std::chrono::milliseconds delay, std::optional<std::chrono::milliseconds> limit = std::nullopt) {
    AttemptPlan plan{.not_before = now() + delay, .expires_at = {}};
    if (limit) plan.expires_at = now() + *limit;
    write_file(path(attempt_plan_file), to_json(plan));
  }
};

TEST_F(PlannedAttempt, StartsWhenItsTimeHasComeAndTellsTheManagerMeanwhile) {
  plan(std::chrono::milliseconds(300));
  const TimePoint began = now();
  EXPECT_EQ(WEXITSTATUS(run_to_end("exit 3")), 3);
  EXPECT_GE(note().started_at.value() - began, std::chrono::milliseconds(290));
  ASSERT_GE(manager.messages.size(), 3u);
  EXPECT_THAT(manager.messages[0], StartsWith("EXTEND_TIMEOUT_USEC=60"));
  EXPECT_EQ(manager.messages[1], "STATUS=waits for its next attempt");
  EXPECT_THAT(manager.messages[2], StartsWith("READY=1"));
}

TEST_F(PlannedAttempt, WhoseTimeHasPassedStartsAtOnce) {
  plan(std::chrono::hours(-1));
  run_to_end("exit 3");
  EXPECT_THAT(manager.messages.front(), StartsWith("READY=1"));
}

TEST_F(PlannedAttempt, IsEndedAtOnceByAStop) {
  plan(std::chrono::hours(1));
  set_script("touch made");
  write_launch();
  start_host();
  eventually([&] { return manager.messages.size() == 2; }, "that it waits");
  begin_stop();
  EXPECT_EQ(wait_for_end(), 0);
  EXPECT_TRUE(note().terminated_at);
  EXPECT_FALSE(note().started_at);
  EXPECT_EQ(file("made"), std::nullopt);
}

TEST_F(PlannedAttempt, IsEndedWhenTheSessionsTimeIsUp) {
  plan(std::chrono::milliseconds(0), std::chrono::milliseconds(300));
  EXPECT_EQ(WTERMSIG(run_to_end("exec sleep 1000")), SIGTERM);
  EXPECT_TRUE(note().expired);
  EXPECT_THAT(manager.messages, Contains(StartsWith("EXTEND_TIMEOUT_USEC=60"))) << "systemd's own limit comes later";
  EXPECT_GE(note().exited_at.value() - note().started_at.value(), std::chrono::milliseconds(250));
}

TEST_F(PlannedAttempt, IsKilledWhenItIgnoresThatItsTimeIsUp) {
  plan(std::chrono::milliseconds(0), std::chrono::milliseconds(200));
  launch.record.request.stop_timeout = std::chrono::milliseconds(300);
  EXPECT_EQ(WTERMSIG(run_to_end("trap '' TERM; while :; do sleep 0.05; done")), SIGKILL);
  EXPECT_TRUE(note().expired);
}

TEST_F(PlannedAttempt, ThatIsNoPlanFailsTheStart) {
  write_file(path(attempt_plan_file), "{");
  EXPECT_EQ(WEXITSTATUS(run_to_end("true")), 125);
}

}  // namespace
}  // namespace agentctl
