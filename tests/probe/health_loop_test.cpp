#include "probe/health_loop.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "base/fd.hpp"
#include "base/file.hpp"
#include "support/temporary_folder.hpp"

namespace agentctl {
namespace {

using Change = HealthJudge::Change;
using std::chrono::milliseconds;

const CheckResult good{};
const CheckResult bad{.error = "refused"};
const CheckResult forged{.error = "a symbolic link", .is_forged = true};

TEST(HealthJudge, OneSuccessIsHealthyAndThreeFailuresAreNot) {
  HealthJudge judge;
  EXPECT_EQ(judge.add(bad), Change::none);
  EXPECT_EQ(judge.add(good), Change::healthy);
  EXPECT_EQ(judge.add(good), Change::none);
  EXPECT_EQ(judge.add(bad), Change::none);
  EXPECT_EQ(judge.add(bad), Change::none);
  EXPECT_TRUE(judge.is_healthy());
  EXPECT_EQ(judge.add(bad), Change::unhealthy);
  EXPECT_FALSE(judge.is_healthy());
  EXPECT_EQ(judge.add(bad), Change::none) << "it is told once";
  EXPECT_EQ(judge.add(good), Change::healthy);
}

TEST(HealthJudge, FailuresInARowCountOnly) {
  HealthJudge judge;
  judge.add(good);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(judge.add(bad), Change::none);
    EXPECT_EQ(judge.add(bad), Change::none);
    EXPECT_EQ(judge.add(good), Change::none);
  }
}

TEST(HealthJudge, WhatIsForgedIsFinalUntilItWasHealthyOnce) {
  HealthJudge judge;
  EXPECT_EQ(judge.add(forged), Change::forged);
  HealthJudge healthy;
  healthy.add(good);
  EXPECT_EQ(healthy.add(forged), Change::none);
  EXPECT_EQ(healthy.add(forged), Change::none);
  EXPECT_EQ(healthy.add(forged), Change::unhealthy);
}

TEST(HealthJudge, TheFirstChecksFollowFasterAndTheLaterOnesAsAskedFor) {
  HealthCheck check;
  HealthJudge judge;
  std::vector<long> pauses;
  for (int i = 0; i < 9; ++i) {
    judge.add(bad);
    pauses.push_back(std::chrono::duration_cast<milliseconds>(judge.pause(check)).count());
  }
  EXPECT_EQ(pauses, (std::vector<long>{20, 40, 80, 160, 320, 640, 1000, 1000, 1000}));
  judge.add(good);
  EXPECT_EQ(judge.pause(check), std::chrono::seconds(30));
  check.interval = milliseconds(500);
  EXPECT_EQ(judge.pause(check), milliseconds(500));
  HealthJudge other;
  for (int i = 0; i < 20; ++i) other.add(bad);
  EXPECT_EQ(other.pause(check), milliseconds(500));
}

TEST(HealthJudge, GoesOnWhereTheProbeBeforeStopped) {
  HealthJudge healthy(HealthNote{.healthy = true, .since = now(), .error = {}});
  EXPECT_EQ(healthy.pause({}), std::chrono::seconds(30));
  EXPECT_EQ(healthy.add(bad), Change::none);
  EXPECT_TRUE(healthy.is_healthy()) << "one failure is not enough now, either";
  EXPECT_EQ(healthy.add(bad), Change::none);
  EXPECT_EQ(healthy.add(bad), Change::unhealthy);
  HealthJudge unhealthy(HealthNote{.healthy = false, .since = now(), .error = "refused"});
  EXPECT_EQ(unhealthy.add(bad), Change::none);
  EXPECT_EQ(unhealthy.add(forged), Change::none) << "it was healthy once";
  EXPECT_EQ(unhealthy.add(good), Change::healthy);
  HealthJudge starting(HealthNote{.healthy = false, .since = {}, .error = "refused"});
  EXPECT_EQ(starting.add(forged), Change::forged);
  EXPECT_EQ(starting.pause({}), milliseconds(20));
}

// What the loop says to its host, until that has heard `count` lines.
std::string told_by_loop(const std::string& folder, const CheckResult& result, int count) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  const pid_t probe = ::fork();
  if (probe == 0) {
    ::dup2(writer.get(), STDOUT_FILENO);
    HealthCheck check;
    check.interval = milliseconds(10);
    run_health_loop(check, folder, [&] { return result; });
    ::_exit(0);
  }
  writer.reset();
  std::string told;
  for (char c = 0; count > 0 && ::read(reader.get(), &c, 1) == 1; count -= c == '\n' ? 1 : 0) told += c;
  ::kill(probe, SIGKILL);
  ::waitpid(probe, nullptr, 0);
  return told;
}

TEST(HealthLoop, AProbeThatFollowsAKilledOneStillSaysUnhealthy) {
  const TemporaryFolder folder;
  EXPECT_EQ(told_by_loop(folder.path(), good, 1), "healthy\n");
  EXPECT_EQ(told_by_loop(folder.path(), bad, 2), "healthy\nunhealthy refused\n");
  EXPECT_EQ(told_by_loop(folder.path(), good, 2), "unhealthy refused\nhealthy\n");
  EXPECT_TRUE(parse_health_note(read_file(folder / health_note_file, 1000).value()).healthy);
}

}  // namespace
}  // namespace agentctl
