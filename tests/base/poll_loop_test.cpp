#include "base/poll_loop.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <string>

#include "base/fd.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;

class PollLoopTest : public testing::Test {
 protected:
  struct Pipe {
    Pipe() {
      std::array<int, 2> ends{};
      EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
      reader.reset(ends[0]);
      writer.reset(ends[1]);
    }
    void fill() const { EXPECT_EQ(::write(writer.get(), "x", 1), 1); }
    void drain() const {
      char byte = 0;
      EXPECT_EQ(::read(reader.get(), &byte, 1), 1);
    }
    Fd reader;
    Fd writer;
  };

  static Monotonic at_once() { return std::chrono::steady_clock::now(); }

  PollLoop loop;
  Pipe one;
  Pipe two;
  std::vector<std::string> called;
};

TEST_F(PollLoopTest, CallsWhoWatchesWhatIsReady) {
  loop.watch(one.reader.get(), POLLIN, [&](short) { called.emplace_back("one"); });
  loop.watch(two.reader.get(), POLLIN, [&](short events) {
    EXPECT_EQ(events, POLLIN);
    called.emplace_back("two");
  });
  two.fill();
  loop.run_once(std::nullopt);
  EXPECT_THAT(called, ElementsAre("two"));
}

TEST_F(PollLoopTest, ReturnsAtTheDeadlineWhenNothingIs) {
  loop.watch(one.reader.get(), POLLIN, [&](short) { called.emplace_back("one"); });
  loop.run_once(at_once());
  loop.run_once(at_once() - std::chrono::seconds(5));
  EXPECT_THAT(called, ElementsAre());
}

TEST_F(PollLoopTest, TellsOfAHangup) {
  loop.watch(one.reader.get(), POLLIN,
             [&](short events) { called.emplace_back((events & POLLHUP) != 0 ? "hangup" : "?"); });
  one.writer.reset();
  loop.run_once(std::nullopt);
  EXPECT_THAT(called, ElementsAre("hangup"));
}

TEST_F(PollLoopTest, LeavesADescriptorWithoutEventsAlone) {
  loop.watch(one.reader.get(), POLLIN, [&](short) { called.emplace_back("one"); });
  loop.set_events(one.reader.get(), 0);
  one.fill();
  one.writer.reset();
  loop.run_once(at_once());
  EXPECT_THAT(called, ElementsAre());
  loop.set_events(one.reader.get(), POLLIN);
  loop.run_once(at_once());
  EXPECT_THAT(called, ElementsAre("one"));
}

TEST_F(PollLoopTest, HasOneHandlerForADescriptor) {
  loop.watch(one.reader.get(), POLLIN, [&](short) { called.emplace_back("first"); });
  loop.watch(one.reader.get(), POLLIN, [&](short) { called.emplace_back("second"); });
  one.fill();
  loop.run_once(at_once());
  EXPECT_THAT(called, ElementsAre("second"));
}

TEST_F(PollLoopTest, DoesNotCallOneThatAnotherHandlerHasJustForgotten) {
  loop.watch(one.reader.get(), POLLIN, [&](short) {
    called.emplace_back("one");
    loop.forget(one.reader.get());
    loop.forget(two.reader.get());
  });
  loop.watch(two.reader.get(), POLLIN, [&](short) { called.emplace_back("two"); });
  one.fill();
  two.fill();
  loop.run_once(at_once());
  loop.run_once(at_once());
  EXPECT_THAT(called, ElementsAre("one"));
}

TEST_F(PollLoopTest, DoesNotTakeANewDescriptorForTheOldOneOfTheSameNumber) {
  loop.watch(one.reader.get(), POLLIN, [&](short) {
    const int number = two.reader.get();
    loop.forget(number);
    loop.watch(number, POLLIN, [&](short) { called.emplace_back("new"); });
  });
  loop.watch(two.reader.get(), POLLIN, [&](short) { called.emplace_back("old"); });
  one.fill();
  two.fill();
  loop.run_once(at_once());
  EXPECT_THAT(called, ElementsAre());
  one.drain();
  loop.run_once(at_once());
  EXPECT_THAT(called, ElementsAre("new"));
}

}  // namespace
}  // namespace agentctl
