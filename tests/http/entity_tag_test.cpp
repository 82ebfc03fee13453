#include "http/entity_tag.hpp"

#include <gmock/gmock.h>

namespace agentctl {
namespace {

TEST(EntityTag, Is16DigitsInQuotesThatChangeWithTheBody) {
  EXPECT_EQ(entity_tag(""), "\"cbf29ce484222325\"");
  EXPECT_EQ(entity_tag("a"), "\"af63dc4c8601ec8c\"");
  EXPECT_THAT(entity_tag("[]"), testing::MatchesRegex("\"[0-9a-f]{16}\""));
}

TEST(EntityTag, IsFoundHoweverItIsGiven) {
  const std::string tag = "\"0123456789abcdef\"";
  for (const char* header :
       {"\"0123456789abcdef\"", "0123456789abcdef", "W/\"0123456789abcdef\"", "*", "\"x\", \"0123456789abcdef\"",
        "\"a,b\",W/\"0123456789abcdef\" ,\"y\"", " * ", "x,0123456789abcdef", "\t\"0123456789abcdef\"\t"})
    EXPECT_TRUE(matches_tag(header, tag)) << header;
}

TEST(EntityTag, IsNotFoundInWhatOnlyLooksLikeIt) {
  const std::string tag = "\"0123456789abcdef\"";
  for (const char* header : {"", ",", "\"\"", "\"0123456789abcde\"", "\"0123456789abcdef", "0123456789abcdef0", "W/",
                             "\"0123456789ABCDEF\"", "\"x,0123456789abcdef\"", "\"*\"", "w/\"0123456789abcdef\""})
    EXPECT_FALSE(matches_tag(header, tag)) << header;
}

}  // namespace
}  // namespace agentctl
