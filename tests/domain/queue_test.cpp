#include "domain/queue.hpp"

#include <gtest/gtest.h>

#include "support/sample_records.hpp"

namespace agentctl {
namespace {

const auto everyone = [](const Record&) { return true; };

Record in_pool(const std::string& name, char id, Queued queued, int priority = 0, int max = 0,
               const std::string& pool = "build") {
  Record record = sample_record(name, sample_id(id));
  record.created_at = sample_time(id);
  record.request.pool = {.name = pool, .max = max, .priority = priority};
  record.queued = queued;
  return record;
}

std::string next_of(const std::vector<Record>& live, const PoolLimits& limits = {.cap = 2, .pools = {}}) {
  const Record* next = next_to_start(live, limits, everyone);
  return next != nullptr ? next->request.name : "";
}

TEST(Slots, AreTheSmallestOfWhatWasAskedConfiguredAndAllowed) {
  const PoolLimits limits{.cap = 5, .pools = {{"build", 3}, {"wide", 9}}};
  EXPECT_EQ(slots_for({.name = "build", .max = 0, .priority = 0}, limits), 3);
  EXPECT_EQ(slots_for({.name = "build", .max = 2, .priority = 0}, limits), 2);
  EXPECT_EQ(slots_for({.name = "build", .max = 4, .priority = 0}, limits), 3);
  EXPECT_EQ(slots_for({.name = "other", .max = 0, .priority = 0}, limits), 5);
  EXPECT_EQ(slots_for({.name = "wide", .max = 9, .priority = 0}, limits), 5) << "a later file may have lowered the cap";
}

TEST(NextToStart, IsTheFirstInLineWhileASlotIsFree) {
  const Record holder = in_pool("holder", 'a', Queued::no);
  const Record first = in_pool("first", 'b', Queued::by_anyone);
  const Record second = in_pool("second", 'c', Queued::by_asker);
  EXPECT_EQ(next_of({second, first, holder}), "first");
  EXPECT_EQ(next_of({second, first, holder, in_pool("other", 'd', Queued::no)}), "");
  EXPECT_EQ(next_of({holder}), "");
  EXPECT_EQ(next_of({}), "");
}

TEST(NextToStart, IsTheOneOfTheHighestPriorityThenTheOldest) {
  const Record low = in_pool("low", 'a', Queued::by_anyone, -5);
  const Record old = in_pool("old", 'b', Queued::by_anyone);
  const Record young = in_pool("young", 'c', Queued::by_anyone);
  const Record high = in_pool("high", 'd', Queued::by_anyone, 7);
  EXPECT_EQ(next_of({low, young, old, high}), "high");
  EXPECT_EQ(next_of({low, young, old}), "old");
  EXPECT_EQ(next_of({low}), "low");
}

TEST(NextToStart, LetsNobodyOvertakeInAPoolAndNoPoolHoldUpAnother) {
  const Record holder = in_pool("holder", 'a', Queued::no);
  const Record modest = in_pool("modest", 'b', Queued::by_anyone, 0, 1);
  const Record behind = in_pool("behind", 'c', Queued::by_anyone, 0, 2);
  EXPECT_EQ(next_of({holder, modest, behind}), "");
  EXPECT_EQ(next_of({holder, modest, behind, in_pool("else", 'd', Queued::by_anyone, 0, 0, "other")}), "else");
}

TEST(NextToStart, PassesOverWhatIsNotReady) {
  const Record step = in_pool("step", 'a', Queued::by_anyone);
  const Record behind = in_pool("behind", 'b', Queued::by_anyone);
  const std::vector<Record> live{step, behind};
  const Record* next =
      next_to_start(live, {.cap = 1, .pools = {}}, [](const Record& record) { return record.request.name != "step"; });
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(next->request.name, "behind");
}

TEST(NextToStart, NeedsNoPool) {
  Record step = in_pool("step", 'a', Queued::by_anyone);
  step.request.pool = {};
  EXPECT_EQ(next_of({step}), "step");
}

}  // namespace
}  // namespace agentctl
