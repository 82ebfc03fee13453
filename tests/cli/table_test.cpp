#include "cli/table.hpp"

#include <gtest/gtest.h>

#include "cli/columns.hpp"

namespace agentctl {
namespace {

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      {.title = "NAME"},
      {.title = "STATE"},
      {.title = "WHY", .flexible = true, .rank = 2},
      {.title = "PROJECT", .rank = 3},
      {.title = "AGE", .right = true, .rank = 1},
      {.title = "MEMORY", .right = true, .rank = 4},
      {.title = "COMMAND", .flexible = true, .rank = 5},
  };
  return all;
}

const std::vector<std::vector<Cell>>& rows() {
  static const std::vector<std::vector<Cell>> all{
      {{"web"},
       {"running", Color::green},
       {""},
       {"shop"},
       {"3d 4h"},
       {"12.5M"},
       {"npm run dev -- --port=3000", Color::dim}},
      {{"build-é"}, {"failed", Color::red}, {"killed by SIGSEGV (core dumped)"}, {""}, {"5s"}, {""}, {"make"}},
  };
  return all;
}

class Table : public testing::Test {
 protected:
  Table() { allow_color(false); }
  ~Table() override { allow_color(false); }
};

TEST_F(Table, IsAsWideAsItIsWhereThereIsNoTerminal) {
  EXPECT_EQ(format_table(columns(), rows(), std::nullopt),
            "NAME     STATE    WHY                              PROJECT    AGE  MEMORY  COMMAND\n"
            "web      running                                   shop     3d 4h   12.5M  npm run dev -- --port=3000\n"
            "build-é  failed   killed by SIGSEGV (core dumped)              5s          make\n");
}

TEST_F(Table, ShortensTheLastFlexibleColumnFirst) {
  EXPECT_EQ(format_table(columns(), rows(), 90),
            "NAME     STATE    WHY                              PROJECT    AGE  MEMORY  COMMAND\n"
            "web      running                                   shop     3d 4h   12.5M  npm run dev --…\n"
            "build-é  failed   killed by SIGSEGV (core dumped)              5s          make\n");
}

TEST_F(Table, ShortensTheOthersToFitEightyColumns) {
  EXPECT_EQ(format_table(columns(), rows(), 80),
            "NAME     STATE    WHY                           PROJECT    AGE  MEMORY  COMMAND\n"
            "web      running                                shop     3d 4h   12.5M  npm run…\n"
            "build-é  failed   killed by SIGSEGV (core dum…              5s          make\n");
}

TEST_F(Table, ShortensThemAsFarAsItMayToFitSixtyColumns) {
  EXPECT_EQ(format_table(columns(), rows(), 60),
            "NAME     STATE    WHY       PROJECT    AGE  MEMORY  COMMAND\n"
            "web      running            shop     3d 4h   12.5M  npm run…\n"
            "build-é  failed   killed …              5s          make\n");
}

TEST_F(Table, DropsColumnsByRankToFitFortyColumns) {
  EXPECT_EQ(format_table(columns(), rows(), 40),
            "NAME     STATE    WHY                AGE\n"
            "web      running                   3d 4h\n"
            "build-é  failed   killed by SIGS…     5s\n");
}

TEST_F(Table, NeverIsWiderThanTheTerminalWhileItCanHelpIt) {
  for (std::size_t width = 16; width < 120; ++width) {
    const std::string text = format_table(columns(), rows(), width);
    for (std::size_t from = 0; from < text.size();) {
      const std::size_t end = text.find('\n', from);
      EXPECT_LE(count_columns(text.substr(from, end - from)), width) << text;
      EXPECT_NE(text[end - 1], ' ') << "a line ends in spaces at width " << width;
      from = end + 1;
    }
  }
}

TEST_F(Table, KeepsItsFirstColumnsHoweverNarrowTheTerminalIs) {
  EXPECT_EQ(format_table(columns(), rows(), 3),
            "NAME     STATE\n"
            "web      running\n"
            "build-é  failed\n");
}

TEST_F(Table, LeavesOutColumnsInWhichNothingStands) {
  EXPECT_EQ(format_table({{.title = "NAME"}, {.title = "EMPTY"}, {.title = "X", .right = true}}, {{{"a"}, {""}, {"1"}}},
                         80),
            "NAME  X\n"
            "a     1\n");
}

TEST_F(Table, WithoutRowsIsItsTitles) {
  EXPECT_EQ(format_table({{.title = "NAME"}, {.title = "STATE"}}, {}, std::nullopt), "NAME  STATE\n");
}

TEST_F(Table, PaintsCellsWithoutMovingThem) {
  allow_color(true);
  EXPECT_EQ(
      format_table(columns(), {rows().front()}, std::nullopt),
      "\033[1mNAME\033[0m  \033[1mSTATE\033[0m    \033[1mPROJECT\033[0m    \033[1mAGE\033[0m  \033[1mMEMORY\033[0m  "
      "\033[1mCOMMAND\033[0m\n"
      "web   \033[32mrunning\033[0m  shop     3d 4h   12.5M  \033[2mnpm run dev -- --port=3000\033[0m\n");
}

TEST_F(Table, HasTheSameTextWithAndWithoutColors) {
  const std::string plain = format_table(columns(), rows(), 70);
  allow_color(true);
  std::string painted = format_table(columns(), rows(), 70);
  for (std::size_t at = painted.find('\033'); at != std::string::npos; at = painted.find('\033'))
    painted.erase(at, painted.find('m', at) - at + 1);
  EXPECT_EQ(painted, plain);
}

}  // namespace
}  // namespace agentctl
