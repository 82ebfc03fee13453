#include "base/random.hpp"

#include <gtest/gtest.h>

#include <set>

namespace agentctl {
namespace {

TEST(RandomId, HasItsLengthItsAlphabetAndALetterFirst) {
  std::set<char> seen;
  for (std::size_t length = 1; length <= 40; ++length) {
    for (int i = 0; i < 50; ++i) {
      const std::string id = random_id(length);
      ASSERT_EQ(id.size(), length);
      EXPECT_TRUE(id[0] >= 'a' && id[0] <= 'z') << id;
      for (const char c : id) EXPECT_TRUE((c >= 'a' && c <= 'z') || (c >= '2' && c <= '7')) << id;
      seen.insert(id.begin(), id.end());
    }
  }
  EXPECT_EQ(seen.size(), 32U);
  EXPECT_EQ(random_id(0), "");
}

TEST(RandomId, IsAnotherOneEachTime) {
  std::set<std::string> ids;
  for (int i = 0; i < 10'000; ++i) ids.insert(random_id(12));
  EXPECT_EQ(ids.size(), 10'000U);
}

TEST(RandomHex, HasTwoDigitsForEachByte) {
  EXPECT_EQ(random_hex(0), "");
  EXPECT_EQ(random_hex(32).size(), 64U);
  EXPECT_EQ(random_hex(32).find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_NE(random_hex(16), random_hex(16));
}

}  // namespace
}  // namespace agentctl
