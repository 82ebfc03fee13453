#include "probe/health_loop.hpp"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace agentctl
