#include "domain/log_entry.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace agentctl {
namespace {

using namespace std::string_literals;

constexpr auto out = OutputStream::out;
constexpr auto err = OutputStream::err;

TimePoint at(std::int64_t seconds) { return TimePoint(std::chrono::seconds(seconds)); }

/// An entry of whole or partial pieces; `position` is moved behind it.
LogEntry make_entry(LogPosition& position, const std::vector<std::pair<OutputStream, std::string>>& pieces,
                    std::int64_t seconds = 1) {
  LogEntry entry;
  entry.session = "s1";
  entry.invocation = "i1";
  entry.pid = 42;
  entry.time = at(seconds);
  entry.position = position;
  for (const auto& [stream, bytes] : pieces) {
    entry.segments.push_back({.stream = stream, .size = static_cast<std::uint32_t>(bytes.size())});
    entry.text += bytes;
    position.advance(stream, bytes);
  }
  return entry;
}

LogEntry make_end(const LogPosition& position) {
  LogEntry entry;
  entry.kind = LogEntryKind::end;
  entry.session = "s1";
  entry.invocation = "i1";
  entry.time = at(9);
  entry.position = position;
  entry.text = "exited with status 0";
  return entry;
}

/// Writes down what a reader gives: "o:text" for a line, "e:text~" without newline, "[2 lost]" for a gap.
class Transcript {
 public:
  LogSink sink() {
    return [this](const LogItem& item) {
      if (const auto* gap = std::get_if<LogGap>(&item)) {
        items.push_back("[" + std::to_string(gap->lines) + " lost]");
        return;
      }
      const auto& line = std::get<LogLine>(item);
      items.push_back((line.stream == out ? "o:" : "e:") + std::string(line.text) +
                      (line.ends_with_newline ? "" : "~"));
      times.push_back(line.time);
      pids.push_back(line.pid);
    };
  }
  std::vector<std::string> items;
  std::vector<TimePoint> times;
  std::vector<pid_t> pids;
};

using Items = std::vector<std::string>;

/// Through the fields and back, as through the journal.
std::optional<LogEntry> encode_and_decode(const LogEntry& entry) {
  LogEntryDecoder decoder;
  const auto field = [&](std::string_view name, std::string_view value) {
    decoder.field(std::string(name) + "=" + std::string(value));
  };
  field(log_field::message, message_of(entry));
  field("PRIORITY", "6");
  field(log_field::session, entry.session);
  field(log_field::invocation, entry.invocation);
  field(log_field::pid, std::to_string(entry.pid));
  field(log_field::time, std::to_string(entry.time.time_since_epoch().count()));
  field(log_field::position, format_position(entry.position));
  if (entry.kind != LogEntryKind::output) field(log_field::event, to_string(entry.kind));
  for (const LogSegment& segment : entry.segments) field(log_field::stream, to_string(segment.stream));
  if (const std::string segments = format_segments(entry); !segments.empty()) field(log_field::segments, segments);
  return decoder.take();
}

TEST(LogPosition, CountsBytesAndLinesOfEachStream) {
  LogPosition position;
  position.advance(out, "a\nb\n");
  position.advance(err, "xyz");
  EXPECT_EQ(position.out, (StreamPosition{4, 2}));
  EXPECT_EQ(position.err, (StreamPosition{3, 0}));
  EXPECT_EQ(format_position(position), "4/2 3/0");
}

TEST(LogEntry, OfOneStreamThatEndsInANewlineNeedsNoSegments) {
  LogPosition position;
  const LogEntry entry = make_entry(position, {{err, "a\nb\n"}});
  EXPECT_EQ(format_segments(entry), "");
  EXPECT_EQ(message_of(entry), "a\nb");
}

TEST(LogEntry, NamesTheBytesOfEachStreamAndWhenTheyCame) {
  LogPosition position;
  LogEntry entry = make_entry(position, {{out, "one\n"}, {err, "two\n"}, {out, "rest"}});
  entry.segments[1].delay_ms = 15;
  entry.segments[2].delay_ms = 15;
  EXPECT_EQ(format_segments(entry), "o4 e4@15 o4@15");
  EXPECT_EQ(message_of(entry), "one\ntwo\nrest");
}

TEST(LogEntryDecoder, RebuildsEveryByte) {
  const std::string bytes = "nul \0 and \xff\xfe\x80, equals = and tabs\t\n\n\n  \n"s;
  LogPosition position{.out = {10, 1}, .err = {20, 2}};
  for (const auto& pieces :
       std::vector<std::vector<std::pair<OutputStream, std::string>>>{{{out, bytes}},
                                                                      {{err, "\n"}},
                                                                      {{out, "partial"}},
                                                                      {{out, bytes}, {err, bytes}, {out, "x"}},
                                                                      {{err, "e\n"}, {out, "\n"}}}) {
    const LogEntry entry = make_entry(position, pieces);
    const auto decoded = encode_and_decode(entry);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->text, entry.text);
    EXPECT_EQ(decoded->segments, entry.segments);
    EXPECT_EQ(decoded->position, entry.position);
    EXPECT_EQ(decoded->time, entry.time);
    EXPECT_EQ(decoded->pid, 42);
    EXPECT_EQ(decoded->invocation, "i1");
    EXPECT_EQ(decoded->kind, LogEntryKind::output);
    EXPECT_EQ(position_after(*decoded), position);
  }
}

TEST(LogEntryDecoder, KnowsTheEndOfTheOutput) {
  const auto decoded = encode_and_decode(make_end({.out = {5, 1}, .err = {}}));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->kind, LogEntryKind::end);
  EXPECT_EQ(decoded->text, "exited with status 0");
}

TEST(LogEntryDecoder, TakesNothingFromOtherProgramsEntries) {
  LogEntryDecoder decoder;
  decoder.field("MESSAGE=hello");
  decoder.field("_PID=1");
  decoder.field("no equals sign");
  EXPECT_FALSE(decoder.take());
}

TEST(LogEntryDecoder, RefusesSegmentsThatDoNotFitTheText) {
  for (const char* segments : {"o3", "o5 e1", "o18446744073709551615", "x4", "o0 o4", "o4@", "o4@-1", "o4 ", " o4", "o",
                               "o4,e0", "o4@99999999999"}) {
    LogEntryDecoder decoder;
    for (const char* field : {"MESSAGE=text", "AGENTCTL_SESSION=s", "AGENTCTL_TIME=1", "AGENTCTL_POSITION=0/0 0/0",
                              "AGENTCTL_STREAM=stdout"})
      decoder.field(field);
    decoder.field(std::string("AGENTCTL_SEGMENTS=") + segments);
    const auto entry = decoder.take();
    if (std::string_view(segments) == "o4@" || std::string_view(segments) == "o4 ")
      EXPECT_TRUE(entry && entry->text == "text");  // harmless
    else
      EXPECT_FALSE(entry) << segments;
  }
}

TEST(LogEntryDecoder, RefusesPositionsThatCannotBe) {
  for (const char* position :
       {"", "1", "1/1", "1/2 0/0", "a/0 0/0", "1/0 1152921504606846976/0", "1/0  1/0", "-1/0 0/0"}) {
    LogEntryDecoder decoder;
    for (const char* field : {"MESSAGE=text", "AGENTCTL_SESSION=s", "AGENTCTL_TIME=1", "AGENTCTL_STREAM=stdout"})
      decoder.field(field);
    decoder.field(std::string("AGENTCTL_POSITION=") + position);
    EXPECT_FALSE(decoder.take()) << position;
  }
}

TEST(LogEntryDecoder, StartsAnewAfterEachEntry) {
  LogPosition position;
  LogEntryDecoder decoder;
  decoder.field("AGENTCTL_SESSION=s");
  decoder.field("AGENTCTL_PID=99999999999");
  EXPECT_FALSE(decoder.take());
  for (const char* field : {"MESSAGE=text", "AGENTCTL_TIME=1", "AGENTCTL_POSITION=0/0 0/0", "AGENTCTL_STREAM=stdout"})
    decoder.field(field);
  EXPECT_FALSE(decoder.take()) << "the session was the last one's";
}

TEST(LogLineReader, GivesTheLinesOfBothStreamsInOrder) {
  LogPosition position;
  LogLineReader reader;
  Transcript transcript;
  LogEntry entry = make_entry(position, {{out, "a\nb\n"}, {err, "\n"}, {out, "c\n"}});
  entry.segments[1].delay_ms = 500;
  entry.segments[2].delay_ms = 600;
  reader.read(entry, transcript.sink());
  EXPECT_EQ(transcript.items, (Items{"o:a", "o:b", "e:", "o:c"}));
  EXPECT_EQ(transcript.times[1], at(1));
  EXPECT_EQ(transcript.times[2], at(1) + std::chrono::milliseconds(500));
  EXPECT_EQ(transcript.pids[0], 42);
  EXPECT_TRUE(reader.has(position));
}

TEST(LogLineReader, JoinsALineThatWasLoggedInParts) {
  LogPosition position;
  LogLineReader reader;
  Transcript transcript;
  reader.read(make_entry(position, {{out, "be"}}, 1), transcript.sink());
  reader.read(make_entry(position, {{err, "other\n"}, {out, "gin"}}, 2), transcript.sink());
  reader.read(make_entry(position, {{out, "ning\nnext\n"}}, 3), transcript.sink());
  EXPECT_EQ(transcript.items, (Items{"e:other", "o:beginning", "o:next"}));
  EXPECT_EQ(transcript.times[1], at(1)) << "a line has the time of its first byte";
}

TEST(LogLineReader, GivesALineWithoutNewlineAtTheEnd) {
  LogPosition position;
  LogLineReader reader;
  Transcript transcript;
  reader.read(make_entry(position, {{out, "a\nno newline"}}), transcript.sink());
  EXPECT_EQ(transcript.items, (Items{"o:a"}));
  reader.read(make_end(position), transcript.sink());
  EXPECT_EQ(transcript.items, (Items{"o:a", "o:no newline~"}));
  reader.finish(transcript.sink());
  EXPECT_EQ(transcript.items.size(), 2u);
}

TEST(LogLineReader, CountsTheLinesOfEntriesThatAreMissing) {
  LogPosition position;
  LogLineReader reader;
  Transcript transcript;
  reader.read(make_entry(position, {{out, "1\n"}}), transcript.sink());
  make_entry(position, {{out, "2\n3\n"}, {err, "4\n"}});
  make_entry(position, {{out, "5\n"}});
  reader.read(make_entry(position, {{out, "6\n"}}), transcript.sink());
  EXPECT_EQ(transcript.items, (Items{"o:1", "[4 lost]", "o:6"}));
}

TEST(LogLineReader, NoticesThatTheLastEntriesAreMissing) {
  LogPosition position;
  LogLineReader reader;
  Transcript transcript;
  reader.read(make_entry(position, {{out, "1\n"}}), transcript.sink());
  make_entry(position, {{out, "2\n"}});
  reader.read(make_end(position), transcript.sink());
  EXPECT_EQ(transcript.items, (Items{"o:1", "[1 lost]"}));
}

TEST(LogLineReader, SaysThatAPartOfALineIsMissing) {
  LogPosition position;
  LogLineReader reader;
  Transcript transcript;
  reader.read(make_entry(position, {{out, "be"}, {err, "er"}}), transcript.sink());
  make_entry(position, {{out, "ginn"}});
  reader.read(make_entry(position, {{out, "ing\n"}, {err, "ror\n"}}), transcript.sink());
  EXPECT_EQ(transcript.items, (Items{"o:be~", "[0 lost]", "o:ing", "e:error"}));
}

TEST(LogLineReader, BeginsAnywhereUnlessItIsToldThatItSeesTheBeginning) {
  LogPosition position{.out = {100, 7}, .err = {}};
  const LogEntry entry = make_entry(position, {{out, "x\n"}});
  Transcript anywhere;
  LogLineReader(LogLineReader::Start::anywhere).read(entry, anywhere.sink());
  EXPECT_EQ(anywhere.items, (Items{"o:x"}));
  Transcript beginning;
  LogLineReader(LogLineReader::Start::beginning).read(entry, beginning.sink());
  EXPECT_EQ(beginning.items, (Items{"[7 lost]", "o:x"}));
}

TEST(LogLineReader, StartsAnewWithEachAttempt) {
  LogPosition first;
  LogPosition second;
  LogLineReader reader;
  Transcript transcript;
  reader.read(make_entry(first, {{out, "a\nunfinished"}}), transcript.sink());
  LogEntry entry = make_entry(second, {{out, "b\n"}});
  entry.invocation = "i2";
  entry.pid = 43;
  reader.read(entry, transcript.sink());
  EXPECT_EQ(transcript.items, (Items{"o:a", "o:unfinished~", "o:b"}));
  EXPECT_EQ(transcript.pids, (std::vector<pid_t>{42, 42, 43}));
}

TEST(LogLineReader, NoticesThatTheStartOfALaterAttemptIsMissing) {
  LogPosition first;
  LogPosition second;
  LogLineReader reader;
  Transcript transcript;
  reader.read(make_entry(first, {{out, "a\n"}}), transcript.sink());
  make_entry(second, {{out, "b\n"}});
  LogEntry entry = make_entry(second, {{out, "c\n"}});
  entry.invocation = "i2";
  reader.read(entry, transcript.sink());
  EXPECT_EQ(transcript.items, (Items{"o:a", "[1 lost]", "o:c"}));
}

TEST(LogLineReader, LeavesOutWhatItHasGivenAlready) {
  LogPosition position;
  LogLineReader reader;
  Transcript transcript;
  const LogEntry first = make_entry(position, {{out, "a\n"}, {err, "b\nc"}});
  const LogEntry second = make_entry(position, {{err, "d\n"}});
  reader.read(first, transcript.sink());
  reader.read(first, transcript.sink());
  reader.read(second, transcript.sink());
  reader.read(first, transcript.sink());
  EXPECT_EQ(transcript.items, (Items{"o:a", "e:b", "e:cd"}));
}

TEST(LogLineReader, GoesOverFromTheJournalToLiveOutput) {
  LogPosition position;
  LogLineReader reader;
  Transcript transcript;
  reader.read(make_entry(position, {{out, "logged\nbeg"}}), transcript.sink());
  LogOutput live{.position = {.out = {7, 1}, .err = {}}, .stream = out, .time = at(5), .bytes = "begun\nlive"};
  reader.begin_attempt("i1", 42, transcript.sink());
  reader.read(live, transcript.sink());
  live.position.advance(out, live.bytes);
  live.bytes = "\n";
  reader.read(live, transcript.sink());
  EXPECT_EQ(transcript.items, (Items{"o:logged", "o:begun", "o:live"}));
}

TEST(LogLineReader, GoesBackToTheJournalWhenTheLiveStreamWasTooFast) {
  // Live, stdout's begun line came before stderr's line; in the journal it comes behind it, and one entry is missing.
  LogPosition position;
  LogLineReader reader;
  Transcript transcript;
  reader.begin_attempt("i1", 42, transcript.sink());
  reader.read(LogOutput{.position = {}, .stream = out, .time = at(1), .bytes = "a\nbeg"}, transcript.sink());
  reader.read(LogOutput{.position = {.out = {5, 1}, .err = {}}, .stream = err, .time = at(1), .bytes = "x\n"},
              transcript.sink());
  reader.read(make_entry(position, {{out, "a\n"}, {err, "x\n"}}), transcript.sink());
  make_entry(position, {{err, "y\n"}});
  reader.read(make_entry(position, {{out, "begun\nb\n"}}), transcript.sink());
  EXPECT_EQ(transcript.items, (Items{"o:a", "e:x", "[1 lost]", "o:begun", "o:b"}));
}

TEST(LogLineReader, KnowsOfALiveStreamWhatTheJournalLost) {
  LogPosition position;
  LogLineReader reader;
  Transcript transcript;
  reader.read(make_entry(position, {{out, "1\n"}}), transcript.sink());
  reader.read(LogOutput{.position = {.out = {8, 4}, .err = {}}, .stream = out, .time = at(1), .bytes = "5\n"},
              transcript.sink());
  EXPECT_EQ(transcript.items, (Items{"o:1", "[3 lost]", "o:5"}));
}

TEST(LogLineReader, SplitsALineThatIsTooLongForIt) {
  LogPosition position;
  LogLineReader reader(LogLineReader::Start::anywhere, 8);
  Transcript transcript;
  reader.read(make_entry(position, {{out, "12345"}}), transcript.sink());
  reader.read(make_entry(position, {{out, "67890123456789\nshort\n"}}), transcript.sink());
  EXPECT_EQ(transcript.items, (Items{"o:12345678~", "o:90123456~", "o:789", "o:short"}));
}

TEST(LogLineReader, JoinsALineOfManyMegabytes) {
  LogPosition position;
  LogLineReader reader;
  std::size_t length = 0;
  const LogSink sink = [&](const LogItem& item) { length = std::get<LogLine>(item).text.size(); };
  const std::string part(1 << 20, 'x');
  for (int i = 0; i < 20; ++i) reader.read(make_entry(position, {{out, part}}), sink);
  EXPECT_EQ(length, 0u);
  reader.read(make_entry(position, {{out, "\n"}}), sink);
  EXPECT_EQ(length, 20u << 20);
}

TEST(LogLineReader, KeepsNulAndInvalidUtf8) {
  LogPosition position;
  LogLineReader reader;
  Transcript transcript;
  reader.read(make_entry(position, {{out, std::string("a\0b\xff\n", 5)}}), transcript.sink());
  EXPECT_EQ(transcript.items, (Items{std::string("o:a\0b\xff", 6)}));
}

}  // namespace
}  // namespace agentctl
