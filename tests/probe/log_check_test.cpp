#include "probe/log_check.hpp"

#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "host/control_frames.hpp"
#include "support/child_process.hpp"

namespace agentctl {
namespace {

using testing::HasSubstr;

struct Piece {
  OutputStream stream;
  std::string bytes;
};

CheckResult search(const std::vector<Piece>& pieces, const std::string& expression) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  std::string frames;
  control::append_frame(frames, control::Following{});
  for (const Piece& piece : pieces) control::append_output(frames, {}, piece.stream, TimePoint{}, piece.bytes);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  EXPECT_EQ(::write(writer.get(), frames.data(), frames.size()), static_cast<ssize_t>(frames.size()));
  writer.reset();
  return await_line(reader, expression);
}

TEST(LogCheck, FindsALineWhateverItWasWrittenIn) {
  const auto found = [](const std::vector<Piece>& pieces, const std::string& expression) {
    return search(pieces, expression).error.empty();
  };
  EXPECT_TRUE(found({{OutputStream::out, "a\nready on 3000\nb\n"}}, "^ready on \\d+$"));
  EXPECT_TRUE(
      found({{OutputStream::out, "a\nrea"}, {OutputStream::err, "x\n"}, {OutputStream::out, "dy\n"}}, "^ready$"));
  EXPECT_TRUE(found({{OutputStream::err, "ready"}}, "ready")) << "a prompt has no end of line";
  EXPECT_FALSE(found({{OutputStream::out, "rea"}, {OutputStream::err, "dy\n"}}, "ready")) << "two streams, two lines";
  EXPECT_FALSE(found({{OutputStream::out, "not\nready\n"}}, "not ready"));
}

TEST(LogCheck, ALineThatTakesTooManyStepsDoesNotMatchAndTheNextOneMay) {
  const std::string slow(40, 'a');
  EXPECT_EQ(search({{OutputStream::out, slow + "!\n"}, {OutputStream::out, "aaa\n"}}, "^(a+)+$").error, "");
}

TEST(LogCheck, TheBeginningOfALineIsNoLine) {
  EXPECT_EQ(search({{OutputStream::out, "ready"}, {OutputStream::out, "ing\n"}}, "ready$").error,
            "its output came to an end without such a line");
}

TEST(LogCheck, APromptIsFoundWhileItWaits) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  const Fd reader(ends[0]);
  const Fd writer(ends[1]);
  std::string frames;
  control::append_output(frames, {}, OutputStream::err, TimePoint{}, "password: ");
  ASSERT_EQ(::write(writer.get(), frames.data(), frames.size()), static_cast<ssize_t>(frames.size()));
  EXPECT_EQ(await_line(reader, "^password: $").error, "");
}

TEST(LogCheck, APromptIsFoundWhileTheOtherStreamGoesOn) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  ChildProcess chatter([&](const ChildProcess::Ready&) {
    std::string frames;
    control::append_frame(frames, control::Following{});
    control::append_output(frames, {}, OutputStream::err, TimePoint{}, "ready> ");
    // Until who has found the prompt hangs up.
    while (::send(writer.get(), frames.data(), frames.size(), MSG_NOSIGNAL) > 0) {
      frames.clear();
      control::append_output(frames, {}, OutputStream::out, TimePoint{}, "tick\n");
      ::poll(nullptr, 0, 20);
    }
    return 0;
  });
  writer.reset();
  EXPECT_EQ(await_line(reader, "^ready> $").error, "");
  chatter.kill();
}

TEST(LogCheck, SaysThatItCouldNotFollow) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  std::string frames;
  control::append_frame(frames, control::Overrun{});
  ASSERT_EQ(::write(writer.get(), frames.data(), frames.size()), static_cast<ssize_t>(frames.size()));
  writer.reset();
  EXPECT_EQ(await_line(reader, "x").error, "its output came faster than it could be looked at");
}

TEST(LogCheck, WhatCannotBeFoundAnyMoreIsFinal) {
  EXPECT_TRUE(search({}, "x").is_forged);
  EXPECT_TRUE(search({{OutputStream::out, "y\n"}}, "x").is_forged);
  EXPECT_THAT(search({}, "(").error, HasSubstr("("));
}

}  // namespace
}  // namespace agentctl
