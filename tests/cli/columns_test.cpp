#include "cli/columns.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"

namespace agentctl {
namespace {

TEST(Columns, AreThoseOfATerminal) {
  EXPECT_EQ(count_columns(""), 0U);
  EXPECT_EQ(count_columns("abc"), 3U);
  EXPECT_EQ(count_columns("a€"), 2U);
  EXPECT_EQ(count_columns("😀"), 2U);
  EXPECT_EQ(count_columns("修复"), 4U);
  EXPECT_EQ(count_columns("e\u0301"), 1U) << "an e and the accent that is put on it";
}

TEST(FitColumns, CutsWhereTheRoomEnds) {
  EXPECT_EQ(fit_columns("abcdef", 6), "abcdef");
  EXPECT_EQ(fit_columns("abcdef", 5), "abcd…");
  EXPECT_EQ(fit_columns("修复测试", 8), "修复测试");
  EXPECT_EQ(fit_columns("修复测试", 7), "修复测…");
  EXPECT_EQ(fit_columns("修复测试", 6), "修复…") << "half a character cannot be shown";
  EXPECT_EQ(fit_columns("abc", 1), "…");
  EXPECT_EQ(fit_columns("abc", 0), "");
}

TEST(FitColumns, NeverIsWiderThanAsked) {
  const std::string text = "a€b😀c é修e\u0301";
  for (std::size_t columns = 0; columns < 14; ++columns) {
    const std::string cut = fit_columns(text, columns);
    EXPECT_LE(count_columns(cut), columns);
    EXPECT_TRUE(is_valid_utf8(cut)) << columns;
  }
}

}  // namespace
}  // namespace agentctl
