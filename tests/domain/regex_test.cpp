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

std::string pattern_refusal(const std::string& pattern) {
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

// Each line as `new RegExp(pattern).test(text)` answers in Node.
TEST(Regex, AnEscapeWithoutAMeaningIsItsLetter) {
  EXPECT_TRUE(found("^\\A\\Z\\z\\G\\K$", "AZzGK"));
  EXPECT_TRUE(found("^\\Qa\\E$", "QaE"));
  EXPECT_TRUE(found("^\\R\\X\\h\\N\\C\\a\\e\\y\\i\\_\\-$", "RXhNCaeyi_-"));
  EXPECT_TRUE(found("^\\p{L}$", "p{L}"));
  EXPECT_FALSE(found("^\\p{L}$", "a"));
  EXPECT_TRUE(found("^\\o{2}$", "oo"));
  EXPECT_TRUE(found("^\\u{2}\\x4$", "uux4"));
  EXPECT_TRUE(found("^\\k<a>\\g1$", "k<a>g1"));
  EXPECT_TRUE(found("^\\c$", "\\c"));
  EXPECT_TRUE(found("^\\cJ$", "\n"));
  EXPECT_TRUE(found("^[\\B\\k\\A]+$", "BkA"));
  EXPECT_TRUE(found("^[\\c]+$", "\\c"));
  EXPECT_TRUE(found("^[\\c1\\b]+$", "\x11\b"));
}

TEST(Regex, ANumberBeyondTheLastGroupIsACharacter) {
  EXPECT_TRUE(found("^\\1$", "\x01"));
  EXPECT_TRUE(found("^\\8\\9$", "89"));
  EXPECT_TRUE(found("^(a)\\2$", "a\x02"));
  EXPECT_TRUE(found("^\\101\\07\\400$", "A\a 0"));
  EXPECT_TRUE(found("^\\1(a)$", "a")) << "a group that comes later is unset";
  EXPECT_TRUE(found("^(a\\1)$", "a")) << "and so is one that is still open";
  EXPECT_TRUE(found("^(a)\\10$", "a\b"));
  EXPECT_TRUE(found("^[\\1\\8]+$",
                    "\x01"
                    "8"));
}

TEST(Regex, AClassIsMadeOfCharactersRangesAndSets) {
  EXPECT_TRUE(found("^[\\w-.]+$", "a-."));
  EXPECT_FALSE(found("^[\\w-.]+$", "/"));
  EXPECT_TRUE(found("^[\\d-z]+$", "0-z"));
  EXPECT_TRUE(found("^[a-\\d]+$", "a-0"));
  EXPECT_TRUE(found("^[--/]+$", "-./"));
  EXPECT_TRUE(found("^[a-]+$", "a-"));
  EXPECT_TRUE(found("^[[:alpha:]]$", "a]"));
  EXPECT_TRUE(found("^[[.a.]]$", ".]"));
  EXPECT_TRUE(found("^[[=a=]]$", "=]"));
  EXPECT_TRUE(found("^[\\]\\^]+$", "]^"));
  EXPECT_EQ(pattern_refusal("a[z-a]"), "range out of order in a class at offset 6");
  EXPECT_THROW(Regex regex("[\\u0062-a]"), Error);
}

TEST(Regex, HalfASurrogatePairIsInNoText) {
  EXPECT_TRUE(found("^\\ud83d\\ude00+$", "\U0001F600"));
  EXPECT_TRUE(found("^[\\ud83d\\ude00a]+$", "a\U0001F600"));
  EXPECT_TRUE(found("^[\\u0080-\\uffff]+$", "\u00E9\U0001F600"));
  EXPECT_TRUE(found("^\\ud83da|b$", "b"));
  EXPECT_TRUE(found("^a[\\ud800-\\udfff]+$", "a\U0001F600"));
  EXPECT_FALSE(found("[\\ud800-\\udbff]", "a\U0001F600"));
  EXPECT_THROW(Regex regex("[\U0001F600-\U0001F602]"), Error) << "they are two units each";
}

TEST(Regex, NamesOfGroupsAreEcmaScripts) {
  EXPECT_TRUE(found("^(?<$a>x)\\k<$a>$", "xx"));
  EXPECT_TRUE(found("^\\k<b>(?<b>x)$", "x"));
  EXPECT_TRUE(found("^(?<" + std::string(64, 'n') + ">x)$", "x"));
  for (const char* pattern :
       {"(?<a>x)(?<a>y)", "(?<1>x)", "(?<>x)", "(?<a-b>x)", "(?<a", "(?<a>x)\\k", "(?<a>x)\\k<b>", "(?<a>x)[\\k]"})
    EXPECT_THROW(Regex regex(pattern), Error) << pattern;
}

TEST(Regex, ATooHighCountIsTheHighest) {
  EXPECT_TRUE(found("^a{0,65536}$", "aa"));
  EXPECT_FALSE(found("^a{65536}$", "aa"));
  EXPECT_TRUE(found("^a{99999999999999999999}$", std::string(70000, 'a')));
}

TEST(Regex, RefusesWhatOnlyPcreKnows) {
  for (const char* pattern : {"a++",     "a*+",     "a?+",     "a{2}+",   "a{1,2}*", "a+?+",    "(?>a)",     "(?i)a",
                              "(?-i:a)", "(?|a|b)", "(?#x)",   "(?R)",    "(?1)",    "(?&a)",   "(?P<a>x)",  "(?'a'x)",
                              "(?C1)",   "(*FAIL)", "(*UTF)a", "(?<=a)*", "(?<!a)+", "(?<=a)?", "(?<=a){2}", "^*",
                              "$+",      "\\b?",    "a|*",     "(?:+)",   "{1}",     "a{2,1}",  "a)",        "(?"})
    EXPECT_THROW(Regex regex(pattern), Error) << pattern;
  EXPECT_EQ(pattern_refusal("ba++"), "nothing to repeat at offset 3");
  EXPECT_TRUE(found("^(?=a)*(?!b)+a$", "a")) << "a look-ahead can be repeated";
}

TEST(Regex, SaysWhereItIsWrong) {
  EXPECT_EQ(pattern_refusal("a("), "missing closing parenthesis at offset 2");
  EXPECT_EQ(pattern_refusal("a)"), "unmatched closing parenthesis at offset 1");
  EXPECT_THAT(pattern_refusal("a["), HasSubstr("missing terminating ]"));
  EXPECT_THAT(pattern_refusal("*"), HasSubstr("at offset 0"));
  EXPECT_THAT(pattern_refusal("a\\"), HasSubstr("\\ at end of pattern"));
  EXPECT_THAT(pattern_refusal("\xFF"), HasSubstr("UTF-8"));
  EXPECT_THAT(pattern_refusal(std::string(max_regex_bytes + 1, 'a')), HasSubstr("too long"));
  EXPECT_THAT(pattern_refusal(std::string(500, '(') + std::string(500, ')')), HasSubstr("too deeply nested"));
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
