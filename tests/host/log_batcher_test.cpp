#include "host/log_batcher.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace agentctl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto out = OutputStream::out;
constexpr auto err = OutputStream::err;

/// A batcher on a clock that only the test moves.
class LogBatcherTest : public testing::Test {
 protected:
  void add(OutputStream stream, std::string_view bytes) {
    batcher.add(stream, bytes, TimePoint(std::chrono::duration_cast<microseconds>(now.time_since_epoch())), now);
  }
  std::string take() {
    const auto entry = batcher.take(now);
    return entry ? entry->text : "";
  }
  void use_up_burst() {
    for (int i = 0; i < 16; ++i) {
      add(out, "x\n");
      ASSERT_EQ(take(), "x\n");
    }
  }

  Monotonic now = Monotonic(seconds(1000));
  LogBatcher batcher;
};

TEST_F(LogBatcherTest, GivesAQuietProgramsLinesAtOnce) {
  EXPECT_FALSE(batcher.due());
  add(out, "hello\n");
  ASSERT_TRUE(batcher.due());
  EXPECT_LE(*batcher.due(), now);
  EXPECT_EQ(take(), "hello\n");
  EXPECT_FALSE(batcher.due());
  EXPECT_EQ(take(), "");
}

TEST_F(LogBatcherTest, GathersALoudProgramsLinesUntilTheNextTurn) {
  use_up_burst();
  add(out, "a\n");
  now += milliseconds(400);
  add(out, "b\n");
  EXPECT_EQ(take(), "");
  ASSERT_TRUE(batcher.due());
  EXPECT_EQ(*batcher.due() - now, milliseconds(600));
  now = *batcher.due();
  EXPECT_EQ(take(), "a\nb\n");
  add(out, "c\n");
  EXPECT_EQ(take(), "") << "one turn, one entry";
}

TEST_F(LogBatcherTest, GetsItsBurstBackWithTime) {
  use_up_burst();
  now += seconds(3);
  for (int i = 0; i < 3; ++i) {
    add(out, "x\n");
    EXPECT_EQ(take(), "x\n");
  }
  add(out, "x\n");
  EXPECT_EQ(take(), "");
  now += seconds(3600);
  EXPECT_EQ(take(), "x\n");
  for (int i = 0; i < 15; ++i) {
    add(out, "x\n");
    EXPECT_EQ(take(), "x\n");
  }
  add(out, "x\n");
  EXPECT_EQ(take(), "") << "never more than the burst";
}

TEST_F(LogBatcherTest, SendsAMinuteOfLinesInAsManyEntriesAsBurstAndSeconds) {
  int entries = 0;
  std::string text;
  std::string expected;
  for (int i = 0; i < 6000; ++i, now += milliseconds(10)) {
    expected += std::to_string(i) + "\n";
    add(out, std::to_string(i) + "\n");
    if (const std::string taken = take(); !taken.empty()) {
      ++entries;
      text += taken;
    }
  }
  EXPECT_LE(entries, 16 + 60);
  text += batcher.take_rest(now)->text;
  EXPECT_EQ(text, expected);
}

TEST_F(LogBatcherTest, DoesNotWaitWhenAnEntryIsFull) {
  use_up_burst();
  const std::string half(512 * 1024 - 1, 'x');
  add(out, half + "\n");
  EXPECT_FALSE(batcher.full());
  EXPECT_EQ(take(), "");
  add(out, half + "\n");
  EXPECT_TRUE(batcher.full());
  EXPECT_EQ(*batcher.due(), Monotonic::min());
  EXPECT_EQ(take().size(), 1u << 20);
  EXPECT_FALSE(batcher.full());
}

TEST_F(LogBatcherTest, IsFullWithTooManyChangesBetweenTheStreams) {
  for (int i = 0; i < 8192; ++i) {
    EXPECT_FALSE(batcher.full());
    add(out, "\n");
    add(err, "\n");
  }
  EXPECT_TRUE(batcher.full());
}

TEST_F(LogBatcherTest, KeepsTheOrderOfLinesOfBothStreams) {
  use_up_burst();
  now += seconds(1);
  add(out, "1\n2\n");
  add(err, "3\n");
  now += milliseconds(20);
  add(out, "4\n");
  add(out, "5\n");
  const auto entry = batcher.take(now);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->text, "1\n2\n3\n4\n5\n");
  EXPECT_EQ(entry->segments, (std::vector<LogSegment>{{out, 4, 0}, {err, 2, 0}, {out, 4, 20}}));
  EXPECT_EQ(entry->time.time_since_epoch(), seconds(1001));
}

TEST_F(LogBatcherTest, CountsPositionsOverAllEntries) {
  add(out, "ab\n");
  EXPECT_EQ(batcher.take(now)->position, LogPosition{});
  add(err, "c\n");
  add(out, "rest");
  EXPECT_EQ(batcher.take(now)->position, (LogPosition{.out = {3, 1}, .err = {}}));
  EXPECT_EQ(batcher.take_rest(now)->position, (LogPosition{.out = {3, 1}, .err = {2, 1}}));
  EXPECT_EQ(batcher.gathered().position, (LogPosition{.out = {7, 1}, .err = {2, 1}}));
}

TEST_F(LogBatcherTest, WaitsForTheRestOfALine) {
  add(out, "whole\nbeg");
  EXPECT_EQ(take(), "whole\n");
  EXPECT_EQ(batcher.begun_line(out), "beg");
  now += milliseconds(500);
  add(out, "un\n");
  EXPECT_EQ(take(), "begun\n");
  EXPECT_EQ(batcher.begun_line(out), "");
}

TEST_F(LogBatcherTest, GivesALineWithoutNewlineWhenItStaysSo) {
  add(out, "name? ");
  EXPECT_EQ(take(), "");
  ASSERT_TRUE(batcher.due());
  EXPECT_EQ(*batcher.due() - now, seconds(1));
  now += milliseconds(900);
  add(out, "really? ");
  now += milliseconds(999);
  EXPECT_EQ(take(), "");
  now += milliseconds(1);
  const auto entry = batcher.take(now);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->text, "name? really? ");
  EXPECT_EQ(format_segments(*entry), "o14");
  EXPECT_FALSE(batcher.due());
}

TEST_F(LogBatcherTest, PutsABegunLineBehindTheOtherStreamsLinesThatCameMeanwhile) {
  use_up_burst();
  add(out, "begun");
  now += milliseconds(10);
  add(err, "line\n");
  now += seconds(1);
  const auto entry = batcher.take(now);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->text, "line\nbegun");
  EXPECT_EQ(entry->segments, (std::vector<LogSegment>{{err, 5, 0}, {out, 5, 0}}));
}

TEST_F(LogBatcherTest, BoundsALineWithoutEnd) {
  const std::string chunk(64 * 1024, 'x');
  std::size_t given = 0;
  for (int i = 0; i < 16 * 20; ++i) {
    add(out, chunk);
    given += take().size();
    EXPECT_LE(batcher.gathered().text.size() + batcher.begun_line(out).size(), (1u << 20) + (512u << 10));
  }
  if (const auto rest = batcher.take_rest(now)) given += rest->text.size();
  EXPECT_EQ(given, 20u << 20);
}

TEST_F(LogBatcherTest, HurriesWhenTheSessionIsToEnd) {
  use_up_burst();
  batcher.hurry(milliseconds(50));
  add(out, "a\n");
  add(err, "begun");
  EXPECT_EQ(*batcher.due() - now, milliseconds(50));
  now += milliseconds(50);
  EXPECT_EQ(take(), "a\nbegun");
}

TEST_F(LogBatcherTest, KeepsNulBytesAndBlankLines) {
  const std::string bytes("\n\0\n\n", 4);
  add(out, bytes);
  EXPECT_EQ(take(), bytes);
}

TEST_F(LogBatcherTest, GivesTheRestOnlyOnce) {
  add(out, "a");
  add(err, "b");
  EXPECT_EQ(batcher.take_rest(now)->text, "ab");
  EXPECT_FALSE(batcher.take_rest(now));
}

}  // namespace
}  // namespace agentctl
