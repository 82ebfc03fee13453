#include "domain/configuration.hpp"

#include <gmock/gmock.h>

#include "base/error.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;

std::string configuration_refusal(const std::string& text) {
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
  EXPECT_EQ(configuration_refusal(R"({"pool": 1})"), "/pool: unknown key; known are pool_cap, pools, services");
  EXPECT_EQ(configuration_refusal(R"({"pool_cap": 0})"), "/pool_cap: must be a whole number from 1 to 10000");
  EXPECT_EQ(configuration_refusal(R"({"pools": {"a": {"max": 11}}})"),
            "/pools/a/max: must be a whole number from 1 to 10");
  EXPECT_EQ(configuration_refusal(R"({"pools": {"a": {"max": 1.5}}})"),
            "/pools/a/max: must be a whole number from 1 to 10");
  EXPECT_EQ(configuration_refusal(R"({"pools": {"a": {}}})"), "/pools/a: must have the key 'max'");
  EXPECT_EQ(configuration_refusal(R"({"pools": {"a/b~c": {"max": 1}}})"),
            "/pools/a~1b~0c: the name of a pool is 1 to 64 of a-z A-Z 0-9 . _ -");
  EXPECT_EQ(configuration_refusal("[]"), "/: must be an object");
  EXPECT_EQ(configuration_refusal("{\n\n\"pools\" 3}").substr(0, 8), "line 3: ");
  EXPECT_EQ(configuration_refusal("").substr(0, 8), "line 1: ");
  EXPECT_EQ(configuration_refusal("{} x").substr(0, 8), "line 1: ");
}

TEST(Configuration, HasTheRulesForFilesOfServices) {
  Configuration configuration;
  apply_configuration(configuration, R"({"services": {"max_specs": 9, "executable_allowlist": ["Perl", "node"]}})",
                      "a");
  apply_configuration(configuration, R"({"services": {"env_allowlist": [], "require_git_workdir": false,
    "env_allowlist_prefixes": ["MY_"], "max_ttl_minutes": 60, "default_ttl_minutes": 10, "max_args": 0, "max_env": 1,
    "max_attrs_bytes": 2}})",
                      "b");
  const ServiceRules& rules = configuration.services;
  EXPECT_EQ(rules.max_specs, 9u);
  EXPECT_THAT(rules.executables, ElementsAre("perl", "node"));
  EXPECT_THAT(rules.env_keys, ElementsAre());
  EXPECT_THAT(rules.env_prefixes, ElementsAre("MY_"));
  EXPECT_FALSE(rules.require_git_workdir);
  EXPECT_EQ(rules.max_ttl_minutes, 60);
  EXPECT_EQ(rules.default_ttl_minutes, 10);
  EXPECT_EQ(rules.max_args, 0u);
  EXPECT_EQ(rules.max_env, 1u);
  EXPECT_EQ(rules.max_attrs_bytes, 2u);
}

TEST(Configuration, RefusesRulesForServicesThatAreNone) {
  EXPECT_EQ(configuration_refusal(R"({"services": {"max_spec": 1}})").substr(0, 33),
            "/services/max_spec: unknown key; ");
  EXPECT_EQ(configuration_refusal(R"({"services": {"max_specs": 0}})"),
            "/services/max_specs: must be a whole number from 1 to 100");
  EXPECT_EQ(configuration_refusal(R"({"services": {"max_ttl_minutes": 60, "default_ttl_minutes": 61}})"),
            "/services/default_ttl_minutes: must be a whole number from 1 to 60");
  EXPECT_EQ(configuration_refusal(R"({"services": {"executable_allowlist": []}})"),
            "/services/executable_allowlist: must be 1 to 1000 strings");
  EXPECT_EQ(configuration_refusal(R"({"services": {"executable_allowlist": ["node", "/bin/sh"]}})"),
            "/services/executable_allowlist/1: must be a program's name without a folder");
  EXPECT_EQ(configuration_refusal(R"({"services": {"env_allowlist": [""]}})"),
            "/services/env_allowlist/0: must not be empty");
  EXPECT_EQ(configuration_refusal(R"({"services": {"require_git_workdir": "no"}})"),
            "/services/require_git_workdir: must be true or false");
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
