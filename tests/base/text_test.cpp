#include "base/text.hpp"

#include <gtest/gtest.h>

#include "base/system.hpp"

namespace agentctl {
namespace {

using namespace std::string_literals;

TEST(TakeLine, TakesOneAfterAnother) {
  std::string_view text = "a\n\nb";
  EXPECT_EQ(take_line(text), "a");
  EXPECT_EQ(take_line(text), "");
  EXPECT_EQ(take_line(text), "b");
  EXPECT_EQ(text, "");
  EXPECT_EQ(take_line(text), "");
}

TEST(Trim, TakesBlanksOffBothEnds) {
  EXPECT_EQ(trim(" \ta b\t "), "a b");
  EXPECT_EQ(trim("a"), "a");
  EXPECT_EQ(trim(" \t "), "");
}

TEST(Decimal, IsDigitsOnly) {
  EXPECT_EQ(parse_decimal("0"), 0);
  EXPECT_EQ(parse_decimal("0042"), 42);
  EXPECT_EQ(parse_decimal("9223372036854775807"), INT64_MAX);
  for (const char* text :
       {"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "1e3", "9223372036854775808", "99999999999999999999"})
    EXPECT_FALSE(parse_decimal(text).has_value()) << "'" << text << "'";
}

TEST(Size, IsBytesWithAUnitOf1024) {
  EXPECT_EQ(parse_size("0"), 0U);
  EXPECT_EQ(parse_size("1500"), 1500U);
  EXPECT_EQ(parse_size("4K"), 4096U);
  EXPECT_EQ(parse_size("10M"), 10U << 20);
  EXPECT_EQ(parse_size("3G"), 3ULL << 30);
  EXPECT_EQ(parse_size("2T"), 2ULL << 40);
  for (const char* text : {"", "K", "-1", "1.5M", "10 M", "10m", "10MB", "1KK", "8388608T", "9223372036854775808"})
    EXPECT_FALSE(parse_size(text).has_value()) << "'" << text << "'";
}

TEST(Utf8, IsValidAsUnicodeSaysAndNotAsDecodersGuess) {
  for (const std::string& text :
       {""s, "plain"s, "\0"s, "é"s, "€"s, "😀"s, "\xF4\x8F\xBF\xBF"s, "\xED\x9F\xBF"s, "\xEE\x80\x80"s})
    EXPECT_TRUE(is_valid_utf8(text)) << text;
  const std::vector<std::pair<const char*, std::string>> broken{
      {"a continuation byte alone", "\x80"},
      {"a lead byte alone", "\xC3"},
      {"a sequence cut short", "\xE2\x82"},
      {"a sequence cut short in the middle", "\xE2\x82x"},
      {"'/' in two bytes", "\xC0\xAF"},
      {"'/' in three bytes", "\xE0\x80\xAF"},
      {"NUL in two bytes", "\xC0\x80"},
      {"an overlong four-byte form", "\xF0\x8F\xBF\xBF"},
      {"a surrogate", "\xED\xA0\x80"},
      {"beyond U+10FFFF", "\xF4\x90\x80\x80"},
      {"a five-byte form", "\xF8\x88\x80\x80\x80"},
      {"0xFF", "\xFF"},
  };
  for (const auto& [what, bytes] : broken) {
    EXPECT_FALSE(is_valid_utf8(bytes)) << what;
    EXPECT_FALSE(is_valid_utf8("ok" + bytes + "ok")) << what;
  }
}

TEST(Utf8, IsMadeValidByteForByte) {
  EXPECT_EQ(to_valid_utf8("a\xFF"
                          "b\xC3"),
            "a\uFFFDb\uFFFD");
  EXPECT_EQ(to_valid_utf8("\xE2\x82"), "\uFFFD\uFFFD");
  EXPECT_EQ(to_valid_utf8("\xC3é"), "\uFFFDé");
  EXPECT_EQ(to_valid_utf8("unchanged: é € 😀"), "unchanged: é € 😀");
}

TEST(Shorten, CountsCharactersAndEndsInAnEllipsis) {
  EXPECT_EQ(shorten("abcdef", 6), "abcdef");
  EXPECT_EQ(shorten("abcdef", 5), "abcd…");
  EXPECT_EQ(shorten("äöüß", 4), "äöüß");
  EXPECT_EQ(shorten("äöüß", 3), "äö…");
  EXPECT_EQ(shorten("abc", 1), "…");
  EXPECT_EQ(shorten("abc", 0), "");
  EXPECT_EQ(shorten("", 0), "");
}

TEST(Shorten, NeverIsLongerThanAsked) {
  const std::string text = "a€b😀c é";
  for (std::size_t limit = 0; limit < 10; ++limit) {
    const std::string cut = shorten(text, limit);
    EXPECT_LE(count_characters(cut), limit);
    EXPECT_TRUE(is_valid_utf8(cut)) << limit;
  }
}

TEST(TakeUntil, TakesThePartAndItsSeparatorOff) {
  std::string_view text = "a=b==";
  EXPECT_EQ(take_until(text, '='), "a");
  EXPECT_EQ(take_until(text, '='), "b");
  EXPECT_EQ(take_until(text, '='), "");
  EXPECT_EQ(text, "");
  EXPECT_EQ(take_until(text, '='), "");
}

TEST(Fnv1a, IsAsItsAuthorsHaveIt) {
  EXPECT_EQ(fnv1a_hex(""), "cbf29ce484222325");
  EXPECT_EQ(fnv1a_hex("foobar"), "85944171f73967e8");
}

TEST(Characters, AreCodePoints) {
  EXPECT_EQ(count_characters(""), 0U);
  EXPECT_EQ(count_characters("abc"), 3U);
  EXPECT_EQ(count_characters("a€😀"), 3U);
}

TEST(Printable, HasNothingThatSteersATerminal) {
  const std::vector<std::pair<std::string, std::string>> table{
      {"plain é €", "plain é €"},
      {"\x1b[2J", "\\x1b[2J"},
      {"a\nb\tc\r", "a\\x0ab\\x09c\\x0d"},
      {"\x7f", "\\x7f"},
      {"\0"s, "\\x00"},
      {"\xC2\x9B"
       "31m",
       "\\x9b31m"},              // CSI as one character of C1
      {"\xC2\x85", "\\x85"},     // NEL
      {"\xC2\xA0", "\xC2\xA0"},  // a space that does not break is no control character
      {"\x9B"
       "31m",
       "\uFFFD31m"},  // CSI as one byte: no UTF-8
      {"\a\b", "\\x07\\x08"},
  };
  for (const auto& [bytes, text] : table) EXPECT_EQ(to_printable(bytes), text);
}

TEST(Printable, IsSoForEveryByte) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text = to_printable(std::string(1, static_cast<char>(byte)) + "x");
    EXPECT_TRUE(is_valid_utf8(text)) << byte;
    for (const char c : text) EXPECT_FALSE(static_cast<unsigned char>(c) < 0x20 || c == 0x7f) << byte;
  }
}

// The words as the shell has read them, each ended by NUL.
std::string read_back(const char* shell, const std::vector<std::string>& words) {
  return run_command({shell, "-c", "printf '%s\\0' " + quote_for_shell(words)}).text;
}

std::string with_nul(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += word + '\0';
  return text;
}

const std::vector<std::string>& plain_words() {
  static const std::vector<std::string> words{
      "",        "a b",
      " ",       "it's",
      "''",      "$HOME",
      "${HOME}", "$(id)",
      "`id`",    "a\\b",
      "\\",      "\\'",
      "\"x\"",   "*",
      "~",       "~root",
      "!x",      "-n",
      "--",      "A=1",
      "a;b",     "a&b",
      "|",       "#x",
      "{a,b}",   "[a-z]",
      "a>b",     "(x)",
      "$'\\n'",  "%s",
      "\\n",     "é €",
      "^",       "?",
      "/bin/sh", "--x=y z",
      "a\\\\b",  "it's \"both\"",
      ",",       "user@host",
      "50%",     "=",
      "+1",
  };
  return words;
}

TEST(ShellQuoting, IsReadBackByThePosixShellAsTheSameWords) {
  EXPECT_EQ(read_back("sh", plain_words()), with_nul(plain_words()));
}

TEST(ShellQuoting, IsReadBackByBashAsTheSameWordsWithControlCharacters) {
  std::vector<std::string> words = plain_words();
  for (int c = 1; c < 256; ++c) {
    const std::string byte(1, static_cast<char>(c));
    words.push_back(byte);
    // What follows an escape must not be taken for a part of it, and a quote or backslash beside it must not end it.
    words.push_back(byte + "f0" + byte + "'\\" + byte);
  }
  words.emplace_back("line one\nline 'two'\n\tand \\three");
  EXPECT_EQ(read_back("bash", words), with_nul(words));
}

TEST(ShellQuoting, LeavesPlainWordsAlone) {
  EXPECT_EQ(quote_for_shell({"npm", "run", "dev", "--port=3000", "/a/b.c", "x@1%", "a:b,c+d_e"}),
            "npm run dev --port=3000 /a/b.c x@1% a:b,c+d_e");
  EXPECT_EQ(quote_for_shell({"sh", "-c", "echo it's"}), "sh -c 'echo it'\\''s'");
  EXPECT_EQ(quote_for_shell({"a\nb"}), "$'a\\nb'");
  EXPECT_EQ(quote_for_shell({""}), "''");
  EXPECT_EQ(quote_for_shell({}), "");
}

TEST(ShellQuoting, ShowsNoControlCharacterOfAsciiToATerminal) {
  for (int c = 1; c < 128; ++c)
    for (const char quoted : quote_for_shell({std::string("a") + static_cast<char>(c)}))
      EXPECT_FALSE(static_cast<unsigned char>(quoted) < 0x20 || quoted == 0x7f) << c;
}

}  // namespace
}  // namespace agentctl
