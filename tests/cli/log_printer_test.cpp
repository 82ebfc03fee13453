#include "cli/log_printer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include "cli/print.hpp"
#include "support/sample_records.hpp"

namespace agentctl {
namespace {

using testing::HasSubstr;

TEST(ForTerminal, LetsColorsAndTabsThroughAndNothingElseThatSteers) {
  const std::vector<std::pair<std::string, std::string>> table{
      {"plain é €", "plain é €"},
      {"a\tb", "a\tb"},
      {"\033[31mred\033[0m", "\033[31mred\033[0m\033[0m"},
      {"\033[1;38;5;200mx", "\033[1;38;5;200mx\033[0m"},
      {"\033[4:3mx", "\033[4:3mx\033[0m"},
      {"\033[mx", "\033[mx\033[0m"},
      {"\033[2J", "\\x1b[2J"},                                       // clears the screen
      {"\033[10;10H", "\\x1b[10;10H"},                               // moves the cursor
      {"\033[?25l", "\\x1b[?25l"},                                   // hides it
      {"\033]0;title\a", "\\x1b]0;title\\x07"},                      // sets the title
      {"\033]52;c;cGF5bG9hZA==\a", "\\x1b]52;c;cGF5bG9hZA==\\x07"},  // writes to the clipboard
      {"\033[6n", "\\x1b[6n"},                                       // makes the terminal type
      {"\033c",
       "\\x1b"
       "c"},                                       // resets it
      {"\033P1;2qx\033\\", "\\x1bP1;2qx\\x1b\\"},  // sixel
      {"\033[31", "\\x1b[31"},                     // unfinished
      {"\033[31\033[2Jm", "\\x1b[31\\x1b[2Jm"},
      {"\033[" + std::string(40, '1') + "m", "\\x1b[" + std::string(40, '1') + "m"},
      {"50%\r100%", "50%\\x0d100%"},
      {"dos line\r", "dos line"},
      {"a\bb", "a\\x08b"},
      {"\xC2\x9B"
       "2J",
       "\\x9b2J"},  // CSI as one character
      {"\x9B"
       "2J",
       "\uFFFD2J"},  // CSI as one byte
      {"\x7f", "\\x7f"},
      {std::string("a\0b", 3), "a\\x00b"},
      {"\xFF\xFE", "\uFFFD\uFFFD"},
      {"", ""},
  };
  for (const auto& [bytes, shown] : table) EXPECT_EQ(for_terminal(bytes), shown);
}

TEST(ForTerminal, EndsAColorThatTheLineLeavesOn) { EXPECT_EQ(for_terminal("\033[31mred"), "\033[31mred\033[0m"); }

class LogPrinterTest : public testing::Test {
 protected:
  /// What is printed to stdout; what goes to stderr is in `errors`.
  std::string print(const LogPrinter::Options& options, const std::vector<LogItem>& items) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    {
      const LogPrinter printer(options);
      const LogSink sink = printer.sink();
      for (const LogItem& item : items) sink(item);
    }
    std::fflush(stdout);
    std::fflush(stderr);
    errors = testing::internal::GetCapturedStderr();
    return testing::internal::GetCapturedStdout();
  }
  static LogLine line(std::string_view text, OutputStream stream = OutputStream::out, bool newline = true) {
    return {.time = TimePoint(std::chrono::milliseconds(1'769'860'800'250)),
            .stream = stream,
            .text = text,
            .ends_with_newline = newline,
            .pid = 4711};
  }
  static LogPrinter::Options json() {
    return {.json = true, .times = false, .split_streams = false, .session = sample_id('b'), .name = "web"};
  }

  std::string errors;
};

TEST_F(LogPrinterTest, PrintsByteForByteWhereThereIsNoTerminal) {
  const std::string all("\0\x01\r\x1b[2J\xFF\xC2\x9B", 11);
  EXPECT_EQ(print({}, {line("one"), line(all), line(""), line("no newline", OutputStream::out, false)}),
            "one\n" + all + "\n\nno newline");
  EXPECT_EQ(errors, "");
}

TEST_F(LogPrinterTest, PrintsBothStreamsToStdoutUnlessAskedToSplitThem) {
  EXPECT_EQ(print({}, {line("out"), line("err", OutputStream::err)}), "out\nerr\n");
  LogPrinter::Options split;
  split.split_streams = true;
  EXPECT_EQ(print(split, {line("out"), line("err", OutputStream::err)}), "out\n");
  EXPECT_EQ(errors, "err\n");
}

TEST_F(LogPrinterTest, BeginsEachLineWithItsTimeWhenAsked) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  LogPrinter::Options options;
  options.times = true;
  EXPECT_EQ(print(options, {line("one")}), "2026-01-31 12:00:00 UTC one\n");
  ::unsetenv("TZ");
  ::tzset();
}

TEST_F(LogPrinterTest, PrintsAnObjectALineForPrograms) {
  EXPECT_EQ(print(json(), {line("it's \"one\"\t"), line("two", OutputStream::err)}),
            R"({"time":"2026-01-31T12:00:00.250Z","stream":"stdout","text":"it's \"one\"\t","pid":4711,)"
            R"("session":"aaaaaaaaaaab","name":"web"})"
            "\n"
            R"({"time":"2026-01-31T12:00:00.250Z","stream":"stderr","text":"two","pid":4711,)"
            R"("session":"aaaaaaaaaaab","name":"web"})"
            "\n");
}

TEST_F(LogPrinterTest, GivesTheBytesOfALineThatIsNoUtf8) {
  const std::vector<std::pair<std::string, std::string>> table{{"\xFF", "/w=="},
                                                               {"\xFF\xFE", "//4="},
                                                               {"\xFF\xFE\xFD", "//79"},
                                                               {"a\xFF"
                                                                "b\xFE",
                                                                "Yf9i/g=="}};
  for (const auto& [bytes, base64] : table)
    EXPECT_THAT(print(json(), {line(bytes)}), HasSubstr("\"base64\":\"" + base64 + "\"")) << base64;
  EXPECT_THAT(print(json(), {line("\xFF")}), HasSubstr("\"text\":\"\uFFFD\""));
  EXPECT_THAT(print(json(), {line("plain")}), testing::Not(HasSubstr("base64")));
}

TEST_F(LogPrinterTest, WarnsOfWhatIsMissingAndCountsIt) {
  EXPECT_EQ(print({}, {line("one"), LogGap{.time = {}, .lines = 3}, line("two"), LogGap{.time = {}, .lines = 0}}),
            "one\ntwo\n");
  EXPECT_EQ(errors,
            "agentctl: warning: 3 lines are missing here: the journal has not kept them\n"
            "agentctl: warning: a part of a line is missing here: the journal has not kept it\n");
}

}  // namespace
}  // namespace agentctl
