#include "cli/print.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "cli/waiting.hpp"
#include "support/child_process.hpp"

namespace agentctl {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Error sample_error() {
  return Error({.code = ErrorCode::conflict,
                .context = "cannot start session",
                .object = "web",
                .reason = "a session of that name lives",
                .hint = "agentctl status web"});
}

std::string printed_error(const Error& error, bool json, const std::vector<std::string>& warnings = {}) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  print_error(error, warnings, json);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "") << "nothing on stdout on failure";
  return testing::internal::GetCapturedStderr();
}

TEST(PrintError, IsASentenceAndAHint) {
  EXPECT_EQ(printed_error(sample_error(), false),
            "agentctl: cannot start session 'web': a session of that name lives\nhint: agentctl status web\n");
  EXPECT_EQ(printed_error(Error({.code = ErrorCode::failed, .context = "no", .object = {}, .reason = {}, .hint = {}}),
                          false),
            "agentctl: no\n");
}

TEST(PrintError, IsOneObjectForPrograms) {
  EXPECT_EQ(printed_error(sample_error(), true),
            R"({"error":{"code":"conflict","message":"cannot start session 'web': a session of that name lives",)"
            R"("object":"web","reason":"a session of that name lives","hint":"agentctl status web"}})"
            "\n");
}

TEST(PrintError, TellsWhatMayBeTheReasonFirstAndInTheObject) {
  const Error error({.code = ErrorCode::not_found, .context = "no", .object = {}, .reason = {}, .hint = {}});
  EXPECT_EQ(printed_error(error, false, {"cannot use 'a'", "nor 'b'"}),
            "agentctl: warning: cannot use 'a'\nagentctl: warning: nor 'b'\nagentctl: no\n");
  EXPECT_EQ(printed_error(error, true, {"cannot use 'a'", "nor 'b'"}),
            R"({"error":{"code":"not-found","message":"no","object":"","reason":"","hint":"",)"
            R"("warnings":["cannot use 'a'","nor 'b'"]}})"
            "\n");
}

TEST(PrintError, ShowsNothingThatSteersATerminal) {
  const Error error({.code = ErrorCode::failed, .context = "no", .object = "\x1b[2J\xFF", .reason = {}, .hint = "\a"});
  EXPECT_EQ(printed_error(error, false), "agentctl: no '\\x1b[2J\uFFFD'\nhint: \\x07\n");
  EXPECT_THAT(printed_error(error, true), AllOf(HasSubstr("[2J\uFFFD\""), Not(HasSubstr("\x1b"))));
}

TEST(Paint, IsOffUnlessAllowed) {
  allow_color(false);
  EXPECT_EQ(paint("x", Color::red), "x");
  allow_color(true);
  EXPECT_EQ(paint("x", Color::red), "\033[31mx\033[0m");
  EXPECT_EQ(paint("x", Color::none), "x");
  EXPECT_EQ(paint("", Color::red), "");
  allow_color(false);
}

TEST(ColorOfState, TellsGoodFromBad) {
  EXPECT_EQ(color_of(State::running), Color::green);
  for (const State state : {State::failed, State::parked, State::lost}) EXPECT_EQ(color_of(state), Color::red);
  for (const State state : {State::exited, State::stopped, State::cancelled}) EXPECT_EQ(color_of(state), Color::dim);
  for (const State state : {State::queued, State::starting, State::stopping, State::restarting, State::expired})
    EXPECT_EQ(color_of(state), Color::yellow);
}

TEST(Bytes, AreWrittenAsSystemctlDoes) {
  const std::vector<std::pair<std::uint64_t, std::string>> table{
      {0, "0B"},           {1023, "1023B"}, {1024, "1.0K"}, {1536, "1.5K"}, {12'897'485, "12.3M"}, {1ULL << 30, "1.0G"},
      {1ULL << 50, "1.0P"}};
  for (const auto& [bytes, text] : table) EXPECT_EQ(format_bytes(bytes), text);
  EXPECT_EQ(format_bytes(UINT64_MAX), "16384.0P");
}

TEST(CpuTime, IsRounded) {
  const std::vector<std::pair<std::uint64_t, std::string>> table{{0, "0ms"},
                                                                 {999'999'999, "999ms"},
                                                                 {1'234'000'000, "1.2s"},
                                                                 {59'900'000'000, "59.9s"},
                                                                 {123'000'000'000, "2min 3s"}};
  for (const auto& [ns, text] : table) EXPECT_EQ(format_cpu(ns), text);
}

TEST(Print, SaysSoWhenTheDiskIsFull) {
  ChildProcess child([](const ChildProcess::Ready&) {
    const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
    ::dup2(full, STDOUT_FILENO);
    try {
      print("text");
    } catch (const Error& error) {
      return std::string(error.what()) == "cannot write to 'stdout': No space left on device" ? 0 : 1;
    }
    return 2;
  });
  EXPECT_EQ(child.wait(), 0);
}

/// A pseudo-terminal in place of stderr.
class Terminal : public testing::Test {
 protected:
  void SetUp() override {
    master_.reset(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!master_ || ::grantpt(master_.get()) < 0 || ::unlockpt(master_.get()) < 0)
      GTEST_SKIP() << "there is no pseudo-terminal to be had";
    slave_.reset(::open(::ptsname(master_.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(static_cast<bool>(slave_));
    before_.reset(::dup(STDERR_FILENO));
    ::dup2(slave_.get(), STDERR_FILENO);
  }
  void TearDown() override {
    if (before_) ::dup2(before_.get(), STDERR_FILENO);
  }
  std::string shown() const {
    std::string text(4096, '\0');
    const ssize_t n = ::read(master_.get(), text.data(), text.size());
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return text;
  }

 private:
  Fd master_;
  Fd slave_;
  Fd before_;
};

TEST_F(Terminal, ShowsHowLongAgentctlHasWaitedAndForHowMany) {
  Waiting waiting("stopping");
  const Tick tick = waiting.tick();
  ASSERT_TRUE(static_cast<bool>(tick));
  tick(std::chrono::seconds(3), 2);
  EXPECT_EQ(shown(), "\r\033[Kstopping (2 left): 3s");
  tick(std::chrono::seconds(4), 1);
  EXPECT_EQ(shown(), "\r\033[Kstopping: 4s");
  waiting.done();
  EXPECT_EQ(shown(), "\r\033[K");
}

TEST(WaitingWithoutATerminal, WakesUpForNothing) {
  testing::internal::CaptureStderr();
  Waiting waiting("stopping");
  EXPECT_FALSE(static_cast<bool>(waiting.tick()));
  waiting.done();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(InterruptNotice, IsPrintedOnCtrlCAndEndsAgentctl) {
  testing::internal::CaptureStderr();
  ChildProcess child([](const ChildProcess::Ready&) {
    const InterruptNotice notice("session 'web' goes on\n");
    ::raise(SIGINT);
    return 0;
  });
  const int status = child.wait();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "\nsession 'web' goes on\n");
}

TEST(InterruptNotice, IsGoneWithIt) {
  ChildProcess child([](const ChildProcess::Ready&) {
    { const InterruptNotice notice("x"); }
    ::raise(SIGINT);
    return 0;
  });
  EXPECT_EQ(WTERMSIG(child.wait()), SIGINT);
}

}  // namespace
}  // namespace agentctl
