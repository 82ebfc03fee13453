#include "probe/command_check.hpp"

#include <gmock/gmock.h>
#include <signal.h>

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

TEST(CommandCheck, ArgumentsReachTheShellsCommandAsTheyAre) {
  HealthCheck check = command("echo");
  check.args = {"$HOME", "a  b", "it's"};
  check.expect_regex = "^\\$HOME a  b it's$";
  EXPECT_EQ(error_of(check), "");
}

TEST(CommandCheck, EndlessOutputIsCutNotKept) {
  EXPECT_EQ(error_of(command("head -c 5000000 /dev/zero | tr '\\0' x", "^x+$")), "");
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
