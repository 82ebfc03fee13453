#include "domain/regex.hpp"

#include <gmock/gmock.h>

#include <type_traits>

#include "base/error.hpp"
#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

using testing::HasSubstr;

static_assert(std::is_move_constructible_v<Regex> && !std::is_copy_constructible_v<Regex>);

bool found(const std::string& pattern, std::string_view text) { return Regex(pattern).matches(text); }

std::string refusal_of(const std::string& pattern) {
  const Error error = thrown_by([&] { Regex regex(pattern); });
  EXPECT_EQ(error.code(), ErrorCode::usage);
  return error.reason();
}

TEST(Regex, IsFoundAnywhere) {
  EXPECT_TRUE(found("ready", "not yet\nready now\n"));
  EXPECT_FALSE(found("ready", "Ready"));
  EXPECT_TRUE(found("", ""));
  EXPECT_TRUE(found("^$", std::string_view()));
}

TEST(Regex, TheLastLineBreakDoesNotDefeatTheDollar) {
  EXPECT_TRUE(found("^ready$", "ready"));
  EXPECT_TRUE(found("^ready$", "ready\n"));
  EXPECT_TRUE(found("^ready$", "ready\r\n"));
  EXPECT_FALSE(found("^ready$", "ready\n\n"));
  EXPECT_FALSE(found("^ready$", "not\nready\n")) << "^ and $ are those of the whole text";
}

TEST(Regex, KnowsWhatEcmaScriptKnows) {
  EXPECT_TRUE(found(R"((?<a>x)\k<a>)", "xx"));
  EXPECT_TRUE(found(R"((a|b)\1)", "abb"));
  EXPECT_FALSE(found(R"((a|b)\1)", "ab"));
  EXPECT_TRUE(found("(?<=port )\\d+(?! closed)", "port 80 open"));
  EXPECT_FALSE(found("(?<!no )go", "no go"));
  EXPECT_TRUE(found("(?:a|b)+?c", "abc"));
  EXPECT_TRUE(found(R"(\u0041\x42)", "AB"));
  EXPECT_TRUE(found("(?:(a)|b)\\1c", "bc")) << "a group that is unset is empty";
  EXPECT_FALSE(found("[]", "a"));
  EXPECT_TRUE(found("a[^]b", "a\nb"));
  EXPECT_TRUE(found("[[]", "["));
}

TEST(Regex, ReadsWhatPcreReadsDifferentlyAsEcmaScriptDoes) {
  EXPECT_TRUE(found("^\\d$", "7"));
  EXPECT_FALSE(found("\\d", "\xD9\xA3")) << "ARABIC-INDIC DIGIT THREE";
  EXPECT_FALSE(found("\\v", "\n"));
  EXPECT_TRUE(found("\\v", "\v"));
  EXPECT_TRUE(found("^a{,2}$", "a{,2}"));
  EXPECT_TRUE(found("^{}$", "{}"));
  EXPECT_TRUE(found("^a{2}$", "aa"));
  EXPECT_TRUE(found("^a{ 1}$", "a{ 1}"));
  EXPECT_TRUE(found("^\xC3\xA9.$", "\xC3\xA9\xE2\x82\xAC")) << "a character is not a byte";
}

TEST(Regex, RefusesWhatOnlyPcreKnows) {
  for (const char* pattern :
       {"a++",     "a*+",   "a?+",  "a{2}+", "a{1,2}*", "a+?+",        "(?>a)",   "(?i)a", "(?-i:a)",
        "(?|a|b)", "(?#x)", "(?R)", "(?1)",  "(?&a)",   "(?P<a>x)",    "(?'a'x)", "(?C1)", "(*FAIL)",
        "(*UTF)a", "\\Aa",  "a\\Z", "a\\z",  "a\\K",    "\\Ga",        "\\Qa\\E", "\\R",   "\\X",
        "\\h",     "\\N",   "\\C",  "\\g1",  "\\p{L}",  "[[:alpha:]]", "\\o{101}"})
    EXPECT_THROW(Regex regex(pattern), Error) << pattern;
  EXPECT_EQ(refusal_of("ba++"), "nothing to repeat at offset 3");
  EXPECT_EQ(refusal_of("a\\Kb"), "there is no escape \\K at offset 1");
}

TEST(Regex, SaysWhereItIsWrong) {
  EXPECT_EQ(refusal_of("a("), "missing closing parenthesis at offset 2");
  EXPECT_THAT(refusal_of("a["), HasSubstr("missing terminating ]"));
  EXPECT_THAT(refusal_of("*"), HasSubstr("at offset 0"));
  EXPECT_THAT(refusal_of("a\\"), HasSubstr("\\ at end of pattern"));
  EXPECT_THAT(refusal_of("\xFF"), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal_of(std::string(max_regex_bytes + 1, 'a')), HasSubstr("too long"));
  EXPECT_THAT(refusal_of(std::string(500, '(')), HasSubstr("too deeply nested"));
  EXPECT_THROW(Regex regex("(((a{1,999}){1,999}){1,999}){1,999}"), Error);
}

TEST(Regex, BytesThatAreNoUtf8MatchNothing) {
  EXPECT_TRUE(found("ready", "\xFF\xFE ready \xC3"));
  EXPECT_FALSE(found("a.b",
                     "a\xFF"
                     "b"));
}

// The limit is of steps, so this test is as good on a slow machine as on a fast one.
TEST(Regex, GivesUpOnWhatTakesTooManySteps) {
  const std::string many(30, 'a');
  EXPECT_THAT(thrown_by([&] { found("(a+)+$", many + "!"); }).reason(), HasSubstr("too many steps"));
  EXPECT_THAT(thrown_by([&] { found("(a|aa)+$", many + many + "!"); }).reason(), HasSubstr("too many steps"));
  const std::string page(1 << 20, 'a');
  EXPECT_THROW(found("a*a*a*b", page + "!b"), Error);
  EXPECT_THROW(found("a*c|b", page), Error) << "also where each place to begin at takes few";
  EXPECT_THROW(found("(a|b)*[cd]", page), Error);
  EXPECT_THROW(found("^(?:(?=.*).)*$", page), Error) << "also where a step goes over all of the text";
  EXPECT_TRUE(found("a$", page));
  EXPECT_FALSE(found("ready", page));
}

}  // namespace
}  // namespace agentctl
