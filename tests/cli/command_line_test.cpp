#include "cli/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

/// A verb with one option of each kind, whose words end in a command or not.
class ParsedLine {
 public:
  ParsedLine(std::vector<std::string> words, bool words_follow) : invocation_(std::move(words), {}) {
    line_.add_option("-n,--name", name, "NAME", "");
    line_.add_option("-e,--env", variables, "K=V", "");
    line_.add_flag("-f,--follow", follow, "");
    line_.add_flag("-d,--detach", detach, "");
    line_.add_span("--ttl", ttl, "time limit");
    if (!words_follow) line_.add_optional_argument("NAME", names);
    line_.parse(words_follow);
    rest = line_.rest();
    globals = invocation_.globals();
  }

 private:
  Invocation invocation_;
  CommandLine line_{invocation_, "run", "[OPTIONS] [--] COMMAND", "Starts COMMAND.", {"agentctl run -- sleep 60"}};

 public:
  std::string name;
  std::vector<std::string> variables;
  std::vector<std::string> names;
  bool follow = false;
  bool detach = false;
  std::optional<microseconds> ttl;
  std::vector<std::string> rest;
  GlobalOptions globals;
};

ParsedLine run_line(std::vector<std::string> words) { return {std::move(words), true}; }
Error refusal(std::vector<std::string> words, bool words_follow = true) {
  return thrown_by([&] { ParsedLine(std::move(words), words_follow); });
}

TEST(RunLine, EndsAtTheFirstWordThatIsNoOption) {
  const ParsedLine line = run_line({"-n", "web", "sleep", "60", "-n", "x", "--follow"});
  EXPECT_EQ(line.name, "web");
  EXPECT_FALSE(line.follow);
  EXPECT_THAT(line.rest, ElementsAre("sleep", "60", "-n", "x", "--follow"));
}

TEST(RunLine, EndsAtTwoHyphens) {
  EXPECT_THAT(run_line({"-f", "--", "-x", "--", "y"}).rest, ElementsAre("-x", "--", "y"));
  EXPECT_THAT(run_line({"--", "--help"}).rest, ElementsAre("--help"));
  EXPECT_THAT(run_line({"--"}).rest, IsEmpty());
  EXPECT_THAT(run_line({"--", "--"}).rest, ElementsAre("--"));
  EXPECT_THAT(run_line({"sleep", "--", "60"}).rest, ElementsAre("sleep", "--", "60"));
}

TEST(RunLine, LeavesGlobalOptionsBehindTheCommandToTheCommand) {
  const ParsedLine line = run_line({"sh", "--json", "--system", "--no-color", "--help"});
  EXPECT_FALSE(line.globals.json);
  EXPECT_FALSE(line.globals.no_color);
  EXPECT_EQ(line.globals.scope, std::nullopt);
  EXPECT_EQ(line.rest.size(), 5U);
}

TEST(RunLine, TakesGlobalOptionsBeforeTheCommand) {
  const ParsedLine line = run_line({"--json", "--system", "--no-color", "sh"});
  EXPECT_TRUE(line.globals.json);
  EXPECT_TRUE(line.globals.no_color);
  EXPECT_EQ(line.globals.scope, ManagerScope::system);
  EXPECT_EQ(run_line({"--user", "sh"}).globals.scope, ManagerScope::user);
}

TEST(RunLine, TakesAValueFromTheNextWordOrFromTheSame) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"-e", "A=1", "cmd"}, {"-eA=1", "cmd"}, {"--env", "A=1", "cmd"}, {"--env=A=1", "cmd"}}) {
    const ParsedLine line = run_line(words);
    EXPECT_THAT(line.variables, ElementsAre("A=1")) << words.front();
    EXPECT_THAT(line.rest, ElementsAre("cmd")) << words.front();
  }
}

TEST(RunLine, TakesAnOptionAsOftenAsItIsGivenAndOneValueForEach) {
  const ParsedLine line = run_line({"-e", "A=1", "-e", "B", "-eC=x y", "cmd", "D=4"});
  EXPECT_THAT(line.variables, ElementsAre("A=1", "B", "C=x y"));
  EXPECT_THAT(line.rest, ElementsAre("cmd", "D=4"));
}

TEST(RunLine, TakesAValueThatLooksLikeAWordOfTheCommand) {
  EXPECT_EQ(run_line({"-n", "sleep", "cmd"}).name, "sleep");
  EXPECT_THAT(run_line({"-n", "sleep", "cmd"}).rest, ElementsAre("cmd"));
}

TEST(RunLine, TakesShortOptionsThatStandTogether) {
  const ParsedLine line = run_line({"-fdn", "web", "sleep", "60"});
  EXPECT_TRUE(line.follow);
  EXPECT_TRUE(line.detach);
  EXPECT_EQ(line.name, "web");
  EXPECT_THAT(line.rest, ElementsAre("sleep", "60"));
  const ParsedLine joined = run_line({"-fnweb", "sleep"});
  EXPECT_TRUE(joined.follow);
  EXPECT_EQ(joined.name, "web");
  EXPECT_THAT(joined.rest, ElementsAre("sleep"));
}

TEST(RunLine, TakesAHyphenAloneForACommand) { EXPECT_THAT(run_line({"-f", "-", "-x"}).rest, ElementsAre("-", "-x")); }

TEST(RunLine, KeepsEveryWordOfTheCommandAsItIs) {
  const std::vector<std::string> command{"sh", "", " ", "a b", "$HOME", "\xFF", "-", "=", "--x=y", "'", "\n"};
  std::vector<std::string> words{"-f"};
  words.insert(words.end(), command.begin(), command.end());
  EXPECT_EQ(run_line(words).rest, command);
}

TEST(RunLine, RefusesAnOptionThatIsUnknown) {
  for (const char* word : {"--nope", "-z", "--names", "--tt"}) {
    const Error error = refusal({word, "cmd"});
    EXPECT_EQ(error.code(), ErrorCode::usage) << word;
    EXPECT_THAT(error.what(), HasSubstr(word));
    EXPECT_EQ(error.hint(), "agentctl run --help") << word;
  }
}

TEST(RunLine, RefusesAnOptionWithoutItsValue) {
  for (const char* word : {"-n", "--name", "--ttl", "-e"}) EXPECT_EQ(refusal({word}).code(), ErrorCode::usage) << word;
}

TEST(RunLine, RefusesBothScopes) {
  EXPECT_STREQ(refusal({"--user", "--system", "cmd"}).what(), "--user and --system exclude each other");
}

TEST(OtherLine, TakesOptionsAnywhere) {
  const ParsedLine line({"one", "--json", "two", "-n", "x", "three"}, false);
  EXPECT_THAT(line.names, ElementsAre("one", "two", "three"));
  EXPECT_TRUE(line.globals.json);
  EXPECT_EQ(line.name, "x");
}

TEST(OtherLine, TakesWhatFollowsTwoHyphensForNames) {
  const ParsedLine line({"--", "-x"}, false);
  EXPECT_THAT(line.names, ElementsAre("-x"));
}

TEST(SpanOption, IsATimeSpanOrNothing) {
  EXPECT_EQ(run_line({"--ttl", "2h 30min", "cmd"}).ttl, std::chrono::minutes(150));
  EXPECT_EQ(run_line({"--ttl=90", "cmd"}).ttl, std::chrono::seconds(90));
  EXPECT_EQ(run_line({"--ttl", "infinity", "cmd"}).ttl, forever);
  EXPECT_EQ(run_line({"cmd"}).ttl, std::nullopt);
}

TEST(SpanOption, ThatIsNoneIsRefusedByItsName) {
  for (const char* text : {"soon", "", "1 fortnight", "-5"}) {
    const Error error = refusal({"--ttl=" + std::string(text), "cmd"});
    EXPECT_EQ(error.code(), ErrorCode::usage) << text;
  }
  const Error error = refusal({"--ttl", "soon\x1b", "cmd"});
  EXPECT_EQ(error.object(), "--ttl");
  EXPECT_EQ(error.reason(), "'soon\\x1b' is no time span");
  EXPECT_THAT(error.hint(), HasSubstr("15min"));
}

TEST(Help, IsPrintedWithOptionsAndExamplesEvenBesideAMistake) {
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"--help"}, {"-h"}, {"--nope", "-h"}, {"-fh"}, {"-h", "cmd"}}) {
    testing::internal::CaptureStdout();
    EXPECT_THROW(run_line(words), HelpShown) << words.front();
    const std::string text = testing::internal::GetCapturedStdout();
    EXPECT_THAT(text, StartsWith("Usage: agentctl run [OPTIONS] [--] COMMAND\nStarts COMMAND.\n"));
    for (const char* part : {"--name NAME", "--follow", "--ttl SPAN", "--json", "--no-color", "\nExamples:\n",
                             "  agentctl run -- sleep 60\n"})
      EXPECT_THAT(text, HasSubstr(part));
    EXPECT_THAT(text, testing::Not(HasSubstr("\n\n\n")));
  }
}

TEST(UsageError, NamesTheHelp) {
  EXPECT_EQ(usage_error("run", "what").hint(), "agentctl run --help");
  EXPECT_EQ(usage_error("", "what").hint(), "agentctl --help");
  EXPECT_STREQ(usage_error("run", "what").what(), "what");
}

}  // namespace
}  // namespace agentctl
