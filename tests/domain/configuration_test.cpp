#include "domain/configuration.hpp"

#include <gmock/gmock.h>

#include "base/error.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;

std::string refusal_of(const std::string& text) {
  Configuration configuration;
  try {
    apply_configuration(configuration, text, "config.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::usage);
    EXPECT_EQ(error.object(), "config.json");
    EXPECT_TRUE(configuration.pools.pools.empty()) << "a refused file changes nothing";
    return error.reason();
  }
  return "taken";
}

TEST(Configuration, IsLaidOverWhatWasBefore) {
  Configuration configuration;
  apply_configuration(configuration, R"({"pool_cap": 20, "pools": {"build": {"max": 3}, "test": {"max": 4}}})", "a");
  apply_configuration(configuration, R"({"pools": {"build": {"max": 5}}})", "b");
  apply_configuration(configuration, "{}", "c");
  EXPECT_EQ(configuration.pools.cap, 20);
  EXPECT_EQ(configuration.pools.pools, (std::map<std::string, int>{{"build", 5}, {"test", 4}}));
}

TEST(Configuration, NamesThePlaceOfWhatIsWrong) {
  EXPECT_EQ(refusal_of(R"({"pool": 1})"), "/pool: unknown key; known are pool_cap, pools");
  EXPECT_EQ(refusal_of(R"({"pool_cap": 0})"), "/pool_cap: must be a whole number from 1 to 10000");
  EXPECT_EQ(refusal_of(R"({"pools": {"a": {"max": 11}}})"), "/pools/a/max: must be a whole number from 1 to 10");
  EXPECT_EQ(refusal_of(R"({"pools": {"a": {"max": 1.5}}})"), "/pools/a/max: must be a whole number from 1 to 10");
  EXPECT_EQ(refusal_of(R"({"pools": {"a": {}}})"), "/pools/a: must have the key 'max'");
  EXPECT_EQ(refusal_of(R"({"pools": {"a/b~c": {"max": 1}}})"),
            "/pools/a~1b~0c: the name of a pool is 1 to 64 of a-z A-Z 0-9 . _ -");
  EXPECT_EQ(refusal_of("[]"), "/: must be an object");
  EXPECT_EQ(refusal_of("{\n\n\"pools\" 3}").substr(0, 8), "line 3: ");
  EXPECT_EQ(refusal_of("").substr(0, 8), "line 1: ");
  EXPECT_EQ(refusal_of("{} x").substr(0, 8), "line 1: ");
}

TEST(ConfigurationFiles, AreTheHostsAndThenTheUsersOwn) {
  EXPECT_THAT(configuration_files(ManagerScope::system, "/root", "/x"), ElementsAre("/etc/agentctl/config.json"));
  EXPECT_THAT(configuration_files(ManagerScope::user, "/home/ann", nullptr),
              ElementsAre("/etc/agentctl/config.json", "/home/ann/.config/agentctl/config.json"));
  EXPECT_EQ(configuration_files(ManagerScope::user, "/home/ann", "/x").back(), "/x/agentctl/config.json");
  EXPECT_EQ(configuration_files(ManagerScope::user, "/home/ann", "x").back(), "/home/ann/.config/agentctl/config.json");
}

}  // namespace
}  // namespace agentctl
