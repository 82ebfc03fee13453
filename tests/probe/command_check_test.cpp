#include "probe/command_check.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "base/file.hpp"
#include "base/text.hpp"
#include "support/temporary_folder.hpp"

namespace agentctl {
namespace {

using testing::HasSubstr;

HealthCheck command(const std::string& target, const std::string& regex = {}) {
  HealthCheck check;
  check.kind = HealthKind::command;
  check.target = target;
  check.expect_regex = regex;
  return check;
}

std::string error_of(const HealthCheck& check) { return CommandCheck(check)().error; }

TEST(CommandCheck, NeedsBothTheStatusAndTheOutput) {
  EXPECT_EQ(error_of(command("echo ready", "^ready$")), "");
  EXPECT_EQ(error_of(command("true")), "");
  EXPECT_EQ(error_of(command("echo ready; exit 1", "ready")), "healthcheck command exit 1");
  EXPECT_EQ(error_of(command("echo no; echo why >&2; exit 7", "no")), "healthcheck command exit 7: why");
  EXPECT_EQ(error_of(command("echo ready >&2", "ready")), "healthcheck stdout did not match regex /ready/");
  EXPECT_EQ(error_of(command("kill -9 $$")), "healthcheck command was killed by signal 9");
}

TEST(CommandCheck, ShowsTheLast200BytesOfItsErrors) {
  const std::string error = error_of(command("head -c 100000 /dev/zero | tr '\\0' x >&2; printf end >&2; exit 2"));
  EXPECT_EQ(error, "healthcheck command exit 2: " + std::string(197, 'x') + "end");
}

TEST(CommandCheck, WithoutAShellItIsAProgramAndItsArguments) {
  HealthCheck check = command("echo");
  check.shell = false;
  check.args = {"$HOME;", "a b"};
  check.expect_regex = "^\\$HOME; a b$";
  EXPECT_EQ(error_of(check), "");
  check.target = "echo x";
  EXPECT_THAT(error_of(check), HasSubstr("exit 127: cannot execute 'echo x': No such file or directory"));
}

TEST(CommandCheck, EndlessOutputIsCutNotKept) {
  EXPECT_EQ(error_of(command("head -c 5000000 /dev/zero | tr '\\0' x", "^x+$")), "");
}

TEST(CommandCheck, WhoWritesWithoutEndHasNoMoreTimeThanOthers) {
  HealthCheck check = command("yes & yes & yes >&2 & wait");
  check.timeout = std::chrono::milliseconds(500);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(error_of(check), "healthcheck command timeout after 500ms");
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
}

// A process that is no child of ours and holds the one whose pid is in the file, as a debugger does: killed, it does
// not end for its parent before that lets go.
void start_debugger(const std::string& pid_file, const std::string& said) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  const pid_t between = ::fork();
  if (between > 0) {
    ::waitpid(between, nullptr, 0);
    return;
  }
  if (::fork() > 0) ::_exit(0);
  ::alarm(20);
  std::optional<std::int64_t> pid;
  for (; !pid; ::usleep(10'000))
    if (const auto text = read_file(pid_file, 100); text && text->ends_with('\n'))
      pid = parse_decimal(text->substr(0, text->size() - 1));
  const bool held = ::ptrace(PTRACE_SEIZE, static_cast<pid_t>(*pid), nullptr, nullptr) == 0;
  write_file(said, held ? std::to_string(::getpid()) : "0");
  ::pause();
}

TEST(CommandCheck, DoesNotWaitForWhatDoesNotEndWhenItIsKilled) {
  const TemporaryFolder folder;
  start_debugger(folder / "pid", folder / "said");
  HealthCheck check = command("echo $$ > " + (folder / "pid") + "; while [ ! -s " + (folder / "said") +
                              " ]; do sleep 0.01; done; sleep 1000");
  check.timeout = std::chrono::milliseconds(2000);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(error_of(check), "healthcheck command timeout after 2000ms");
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
  const auto debugger = parse_decimal(read_file(folder / "said", 100).value_or("0"));
  ASSERT_TRUE(debugger.has_value());
  if (*debugger == 0) GTEST_SKIP() << "no process may be held here";
  ::kill(static_cast<pid_t>(*debugger), SIGKILL);
}

TEST(CommandCheck, AtItsTimeoutTheWholeTreeGoes) {
  const TemporaryFolder folder;
  const std::string pids = folder / "pids";
  HealthCheck check = command("trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ >> " + pids +
                              "; sleep 1000' & (sh -c 'echo $$ >> " + pids + "; sleep 1000' &) ; sleep 1000");
  check.timeout = std::chrono::milliseconds(500);
  EXPECT_EQ(error_of(check), "healthcheck command timeout after 500ms");
  const std::string text = read_file(pids, 1000).value();
  std::string_view rest = text;
  int seen = 0;
  while (!rest.empty()) {
    const auto pid = parse_decimal(take_line(rest));
    ASSERT_TRUE(pid.has_value());
    EXPECT_NE(::kill(static_cast<pid_t>(*pid), 0), 0) << *pid << " lives";
    ++seen;
  }
  EXPECT_EQ(seen, 2);
}

TEST(CommandCheck, WhatACheckLeavesRunningGoesToo) {
  const TemporaryFolder folder;
  const std::string file = folder / "pid";
  EXPECT_EQ(error_of(command("setsid sh -c 'echo $$ > " + file + "; exec sleep 1000' & while [ ! -s " + file +
                             " ]; do sleep 0.01; done")),
            "");
  const auto pid = parse_decimal(read_file(file, 100).value().substr(0, read_file(file, 100)->find('\n')));
  ASSERT_TRUE(pid.has_value());
  EXPECT_NE(::kill(static_cast<pid_t>(*pid), 0), 0);
}

}  // namespace
}  // namespace agentctl
