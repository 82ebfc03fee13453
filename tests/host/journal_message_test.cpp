#include "host/journal_message.hpp"

#include <gtest/gtest.h>

namespace agentctl {
namespace {

using namespace std::string_literals;

TEST(JournalMessage, WritesAShortFieldAsText) {
  std::string message;
  append_field(message, "A", "x=y\t");
  EXPECT_EQ(message, "A=x=y\t\n");
}

TEST(JournalMessage, WritesAFieldWithNewlinesWithItsLength) {
  std::string message;
  append_field(message, "A", "x\ny");
  EXPECT_EQ(message, "A\n\3\0\0\0\0\0\0\0x\ny\n"s);
}

TEST(JournalMessage, SaysWhereItComesFrom) {
  const LogOrigin origin{
      .session = "s1", .name = "web", .project = "p", .invocation = "i1", .identifier = "node", .pid = 7};
  EXPECT_EQ(encode_origin(origin),
            "SYSLOG_IDENTIFIER=node\nAGENTCTL_SESSION=s1\nAGENTCTL_NAME=web\nAGENTCTL_PROJECT=p\n"
            "AGENTCTL_INVOCATION=i1\nAGENTCTL_PID=7\n");
}

TEST(JournalMessage, LeavesOutWhatThereIsNot) {
  EXPECT_EQ(encode_origin({.session = "s1", .name = "web", .project = {}, .invocation = {}, .identifier = "node"}),
            "SYSLOG_IDENTIFIER=node\nAGENTCTL_SESSION=s1\nAGENTCTL_NAME=web\n");
}

TEST(JournalMessage, CarriesOneLine) {
  LogEntry entry;
  entry.time = TimePoint(microseconds(1234567));
  entry.segments = {{.stream = OutputStream::out, .size = 6}};
  entry.text = "hello\n";
  EXPECT_EQ(encode_entry(entry),
            "PRIORITY=6\nAGENTCTL_TIME=1234567\nAGENTCTL_POSITION=0/0 0/0\nAGENTCTL_STREAM=stdout\n"
            "MESSAGE\n\5\0\0\0\0\0\0\0"s);
}

TEST(JournalMessage, CarriesBothStreamsWithASegmentList) {
  LogEntry entry;
  entry.time = TimePoint(microseconds(1));
  entry.position = {.out = {10, 2}, .err = {3, 1}};
  entry.segments = {{.stream = OutputStream::err, .size = 2}, {.stream = OutputStream::out, .size = 3, .delay_ms = 9}};
  entry.text = "a\nb\nc";
  EXPECT_EQ(encode_entry(entry),
            "PRIORITY=6\nAGENTCTL_TIME=1\nAGENTCTL_POSITION=10/2 3/1\nAGENTCTL_STREAM=stdout\n"
            "AGENTCTL_STREAM=stderr\nAGENTCTL_SEGMENTS=e2 o3@9\nMESSAGE\n\5\0\0\0\0\0\0\0"s);
}

TEST(JournalMessage, MarksWhatIsNoOutput) {
  LogEntry entry;
  entry.kind = LogEntryKind::notice;
  entry.text = "disk full";
  EXPECT_EQ(encode_entry(entry),
            "PRIORITY=4\nAGENTCTL_TIME=0\nAGENTCTL_POSITION=0/0 0/0\nAGENTCTL_EVENT=notice\n"
            "MESSAGE\n\x9\0\0\0\0\0\0\0"s);
}

}  // namespace
}  // namespace agentctl
