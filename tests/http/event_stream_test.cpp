#include "http/event_stream.hpp"

#include <gtest/gtest.h>

namespace agentctl {
namespace {

TEST(Utf8Cutter, GivesWholeCharactersHoweverTheBytesArrive) {
  const std::string text = "a\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80!";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    Utf8Cutter cutter;
    std::string given;
    for (std::size_t at = 0; at < text.size(); at += step) {
      const std::string piece = cutter.take(std::string_view(text).substr(at, step));
      EXPECT_EQ(piece.find("\xef\xbf\xbd"), std::string::npos) << step;
      given += piece;
    }
    EXPECT_EQ(given + cutter.finish(), text) << step;
  }
}

TEST(Utf8Cutter, WaitsForTheRestOfACharacterOnly) {
  Utf8Cutter cutter;
  EXPECT_EQ(cutter.take("a\xe2\x82"), "a");
  EXPECT_EQ(cutter.take(""), "");
  EXPECT_EQ(cutter.take("\xac"), "\xe2\x82\xac");
  EXPECT_EQ(cutter.finish(), "");
}

TEST(Utf8Cutter, ReplacesWhatIsNoUtf8) {
  Utf8Cutter cutter;
  EXPECT_EQ(cutter.take("a\xff\x80z"), "a\xef\xbf\xbd\xef\xbf\xbdz");
  EXPECT_EQ(cutter.take("\x80\x80\x80\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(cutter.take("\xf0\x9f"), "");
  EXPECT_EQ(cutter.finish(), "\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(TailStart, IsWhereSoManyBytesAreLeftOrTheNextCharacterBegins) {
  EXPECT_EQ(tail_start("abcdef", 3), 3U);
  EXPECT_EQ(tail_start("abc", 3), 0U);
  EXPECT_EQ(tail_start("abc", 30), 0U);
  EXPECT_EQ(tail_start("a\xe2\x82\xacz", 4), 1U);
  EXPECT_EQ(tail_start("a\xe2\x82\xacz", 3), 4U);
  EXPECT_EQ(tail_start("a\xe2\x82\xacz", 2), 4U);
  EXPECT_EQ(tail_start("\x80\x80\x80\x80\x80\x80", 5), 4U);  // no character at all
}

TEST(Event, EndsWithAnEmptyLine) {
  EXPECT_EQ(event_text("{}"), "data: {}\n\n");
  EXPECT_EQ(event_text("done", "removed"), "event: done\ndata: removed\n\n");
}

TEST(OutputEvents, AreJsonStringsOnOneLine) {
  EXPECT_EQ(output_events(""), "");
  EXPECT_EQ(output_events("a\n\"\\\x1b[0m\xe2\x82\xac\r"), "data: \"a\\n\\\"\\\\\\u001b[0m\xe2\x82\xac\\r\"\n\n");
}

TEST(OutputEvents, AreCutBetweenCharacters) {
  const std::string text = std::string((4u << 20) - 1, 'a') + "\xe2\x82\xac" + "b";
  const std::string events = output_events(text);
  EXPECT_EQ(events, "data: \"" + std::string((4u << 20) - 1, 'a') +
                        "\"\n\ndata: \"\xe2\x82\xac"
                        "b\"\n\n");
}

}  // namespace
}  // namespace agentctl
