#include "http/target.hpp"

#include <gmock/gmock.h>

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(Target, HasSegmentsAndParameters) {
  const auto target = parse_target("/api/sessions/web?tail=5&project=a");
  ASSERT_TRUE(target);
  EXPECT_THAT(target->segments, ElementsAre("api", "sessions", "web"));
  EXPECT_THAT(target->query, ElementsAre(Pair("tail", "5"), Pair("project", "a")));
  EXPECT_EQ(*target->find("tail"), "5");
  EXPECT_EQ(target->find("tai"), nullptr);
}

TEST(Target, TheRootIsOneEmptySegment) {
  EXPECT_THAT(parse_target("/")->segments, ElementsAre(""));
  EXPECT_THAT(parse_target("/")->query, IsEmpty());
  EXPECT_THAT(parse_target("/?")->query, IsEmpty());
}

TEST(Target, ASlashAtTheEndIsAnotherTarget) {
  EXPECT_THAT(parse_target("/api/")->segments, ElementsAre("api", ""));
  EXPECT_THAT(parse_target("//api")->segments, ElementsAre("", "api"));
}

TEST(Target, IsDecodedOnceAndAfterItWasTakenApart) {
  EXPECT_THAT(parse_target("/a%2Fb/%2e%2e/%2525")->segments, ElementsAre("a/b", "..", "%25"));
  EXPECT_THAT(parse_target("/a+b")->segments, ElementsAre("a+b"));
  EXPECT_THAT(parse_target("/?a%3Db=c%26d+e=f")->query, ElementsAre(Pair("a=b", "c&d e=f")));
}

TEST(Target, KeepsParametersThatAreThereTwiceOrHaveNoValue) {
  EXPECT_THAT(parse_target("/?a=1&&a=2&b&=c")->query,
              ElementsAre(Pair("a", "1"), Pair("a", "2"), Pair("b", ""), Pair("", "c")));
}

TEST(Target, RefusesWhatIsNone) {
  for (const char* target : {"", "*", "api", "http://localhost/", "localhost:80", "/#a", "/?a#b", "/%", "/%1", "/%g0",
                             "/%0g", "/%00", "/%0a", "/%7f", "/%ff", "/?a=%c3", "/?%00=1", "/%-1"})
    EXPECT_FALSE(parse_target(target)) << target;
  EXPECT_FALSE(parse_target("/a\nb"));
  EXPECT_FALSE(parse_target("/\xff"));
}

TEST(Target, InAbsoluteFormNamesTheHost) {
  const auto taken = [](std::string target) {
    const auto authority = take_authority(target);
    return authority ? *authority + " " + target : "- " + target;
  };
  EXPECT_EQ(taken("http://localhost:80/a?b=http://c/"), "localhost:80 /a?b=http://c/");
  EXPECT_EQ(taken("HTTP://[::1]"), "[::1] /");
  EXPECT_EQ(taken("http://a?b"), "a /?b");
  EXPECT_EQ(taken("http://u@a/"), "u@a /");
  EXPECT_EQ(taken("http:///a"), " /a");
  for (const char* target : {"", "/", "/http://a/", "https://a/", "http:/a", "a:80", "*"})
    EXPECT_EQ(taken(target), std::string("- ") + target);
}

TEST(Target, HasAtMost32PartsOfAKind) {
  std::string path;
  std::string query = "/?";
  for (int i = 0; i < 32; ++i) {
    path += "/a";
    query += "a&";
  }
  EXPECT_TRUE(parse_target(path));
  EXPECT_FALSE(parse_target(path + "/a"));
  EXPECT_TRUE(parse_target(query));
  EXPECT_FALSE(parse_target(query + "a"));
}

}  // namespace
}  // namespace agentctl
