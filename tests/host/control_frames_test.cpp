#include "host/control_frames.hpp"

#include <gtest/gtest.h>

namespace agentctl::control {
namespace {

using namespace std::string_literals;

const LogPosition some_position{.out = {1000, 20}, .err = {1ull << 50, 3}};

std::string encode(const Frame& frame) {
  std::string bytes;
  append_frame(bytes, frame);
  return bytes;
}

template <typename T>
T round_trip(const T& frame) {
  FrameReader reader(frame_limit);
  reader.feed(encode(frame));
  const auto read = reader.next();
  EXPECT_TRUE(read && std::holds_alternative<T>(*read));
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.is_broken());
  EXPECT_EQ(reader.pending(), 0u);
  return read && std::holds_alternative<T>(*read) ? std::get<T>(*read) : T{};
}

bool is_broken_by(const std::string& bytes, std::size_t limit = frame_limit) {
  FrameReader reader(limit);
  reader.feed(bytes);
  while (reader.next()) {
  }
  return reader.is_broken();
}

TEST(ControlFrames, HaveALengthATypeAndFieldsInLittleEndian) {
  EXPECT_EQ(encode(Hello{1}), "\5\0\0\0\1\1\0\0\0"s);
  EXPECT_EQ(encode(Extend{microseconds(258)}), "\x9\0\0\0\2\2\1\0\0\0\0\0\0"s);
  EXPECT_EQ(encode(Follow{}), "\1\0\0\0\4"s);
  EXPECT_EQ(encode(Failure{"no"}), "\3\0\0\0\x43no"s);
}

TEST(ControlFrames, ComeBackAsTheyWere) {
  EXPECT_EQ(round_trip(Hello{7}).version, 7u);
  EXPECT_EQ(round_trip(Extend{microseconds(123456789012)}).span, microseconds(123456789012));
  EXPECT_EQ(round_trip(SetStopTimeout{microseconds(5)}).span, microseconds(5));
  round_trip(Follow{});
  EXPECT_EQ(round_trip(Welcome{2}).version, 2u);
  round_trip(Done{});
  EXPECT_EQ(round_trip(Failure{"because\n"}).text, "because\n");
  const Following following = round_trip(Following{.position = some_position, .pid = 99, .invocation = "abc"});
  EXPECT_EQ(following.position, some_position);
  EXPECT_EQ(following.pid, 99);
  EXPECT_EQ(following.invocation, "abc");
  round_trip(End{});
  round_trip(Overrun{});
}

TEST(ControlFrames, CarryAnyBytes) {
  const std::string bytes("a\0b\xff\n", 5);
  const LogOutput sent{
      .position = some_position, .stream = OutputStream::err, .time = TimePoint(microseconds(17)), .bytes = bytes};
  const LogOutput output = round_trip(Output{sent}).output;
  EXPECT_EQ(output.position, some_position);
  EXPECT_EQ(output.stream, OutputStream::err);
  EXPECT_EQ(output.time, TimePoint(microseconds(17)));
  EXPECT_EQ(output.bytes, bytes);
  std::string direct;
  append_output(direct, sent.position, sent.stream, sent.time, sent.bytes);
  EXPECT_EQ(direct, encode(Output{sent}));
}

TEST(ControlFrames, HoldALargestOutput) {
  const std::string bytes(output_limit, 'x');
  EXPECT_EQ(
      round_trip(Output{{.position = {}, .stream = OutputStream::out, .time = {}, .bytes = bytes}}).output.bytes.size(),
      output_limit);
}

TEST(FrameReader, ReadsFramesInAnyPieces) {
  const std::string bytes = encode(Hello{1}) + encode(Failure{"text"}) + encode(End{});
  for (std::size_t size = 1; size <= bytes.size(); ++size) {
    FrameReader reader(frame_limit);
    int frames = 0;
    for (std::size_t i = 0; i < bytes.size(); i += size) {
      reader.feed(bytes.substr(i, size));
      while (reader.next()) ++frames;
    }
    EXPECT_EQ(frames, 3);
    EXPECT_EQ(reader.pending(), 0u);
    EXPECT_FALSE(reader.is_broken());
  }
}

TEST(FrameReader, WaitsForTheRestOfATruncatedFrame) {
  const std::string bytes = encode(Extend{microseconds(1)});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    FrameReader reader(request_limit);
    reader.feed(bytes.substr(0, size));
    EXPECT_FALSE(reader.next());
    EXPECT_FALSE(reader.is_broken());
    EXPECT_EQ(reader.pending(), size);
  }
}

TEST(FrameReader, RefusesAFrameThatIsTooLargeBeforeItHasCome) {
  EXPECT_TRUE(is_broken_by("\1\x10\0\0"s, request_limit));
  EXPECT_TRUE(is_broken_by("\xff\xff\xff\xff"s));
  EXPECT_TRUE(is_broken_by("\0\0\0\0"s)) << "without a type";
}

TEST(FrameReader, RefusesFieldsThatAreTooShortOrTooLong) {
  EXPECT_TRUE(is_broken_by("\4\0\0\0\1\1\0\0"s));
  EXPECT_TRUE(is_broken_by("\6\0\0\0\1\1\0\0\0\0"s));
  EXPECT_TRUE(is_broken_by("\2\0\0\0\4x"s));
  EXPECT_TRUE(is_broken_by("\5\0\0\0\x45shor"s));
}

TEST(FrameReader, RefusesNumbersThatCannotBe) {
  EXPECT_TRUE(is_broken_by("\x9\0\0\0\2\xff\xff\xff\xff\xff\xff\xff\xff"s));
  LogPosition more_lines_than_bytes;
  more_lines_than_bytes.out = {1, 2};
  EXPECT_TRUE(is_broken_by(encode(Following{.position = more_lines_than_bytes, .pid = 1, .invocation = {}})));
}

TEST(FrameReader, GivesATypeThatItDoesNotKnow) {
  FrameReader reader(request_limit);
  reader.feed("\4\0\0\0\x99xyz"s + encode(Follow{}));
  const auto unknown = reader.next();
  ASSERT_TRUE(unknown && std::holds_alternative<Unknown>(*unknown));
  EXPECT_EQ(std::get<Unknown>(*unknown).type, 0x99);
  EXPECT_TRUE(reader.next());
}

TEST(FrameReader, StaysBroken) {
  FrameReader reader(request_limit);
  reader.feed("\0\0\0\0"s);
  EXPECT_FALSE(reader.next());
  reader.feed(encode(Hello{1}));
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.is_broken());
}

}  // namespace
}  // namespace agentctl::control
