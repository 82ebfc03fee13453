#include "domain/environment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

// The groups of process-registry 2(b), env-sanitizer: each is one rule with all of its variables.
struct Group {
  const char* rule;
  std::vector<std::string> variables;
  bool passes;
};

const std::vector<Group>& groups() {
  static const std::vector<Group> table{
      {"markers of the caller's own agent session are dropped",
       {"CLAUDECODE", "CLAUDE_CODE_SESSION", "CLAUDE_CODE_ENTRYPOINT", "MCP_SESSION_ID"},
       false},
      {"everything that begins with CLAUDECODE_ is dropped", {"CLAUDECODE_X", "CLAUDECODE_"}, false},
      {"everything that begins with CLAUDE_CODE_ is dropped",
       {"CLAUDE_CODE_X", "CLAUDE_CODE_SSE_PORT", "CLAUDE_CODE_"},
       false},
      {"login and shell of the agent are kept although the prefix says otherwise",
       {"CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_GIT_BASH_PATH"},
       true},
      {"providers of the agent are kept",
       {"CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"},
       true},
      {"their ways to sign in are kept",
       {"CLAUDE_CODE_SKIP_BEDROCK_AUTH", "CLAUDE_CODE_SKIP_VERTEX_AUTH", "CLAUDE_CODE_SKIP_FOUNDRY_AUTH"},
       true},
      {"effort settings stay stripped", {"CLAUDE_CODE_EFFORT_LEVEL", "CLAUDE_CODE_ALWAYS_ENABLE_EFFORT"}, false},
      {"addresses and projects of providers are kept",
       {"ANTHROPIC_BEDROCK_BASE_URL", "ANTHROPIC_VERTEX_PROJECT_ID", "CLOUD_ML_REGION"},
       true},
      {"cloud credentials are kept",
       {"AWS_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
        "GOOGLE_APPLICATION_CREDENTIALS"},
       true},
      {"proxies are kept",
       {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
        "npm_config_proxy", "npm_config_https_proxy", "npm_config_noproxy"},
       true},
      {"all else passes: it is a strip list",
       {"PATH", "HOME", "LD_PRELOAD", "ANTHROPIC_API_KEY", "CLAUDE_CONFIG_DIR", "CLAUDE", "claudecode", "XCLAUDECODE",
        "MCP_SESSION_ID_2", "GIT_DIR", "LISTEN", "NODE_ENV"},
       true},
      {"what systemd told the caller's own unit is dropped",
       {"NOTIFY_SOCKET", "INVOCATION_ID", "JOURNAL_STREAM", "MANAGERPID", "SYSTEMD_EXEC_PID", "LISTEN_FDS",
        "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID", "MAINPID", "RUNTIME_DIRECTORY",
        "STATE_DIRECTORY", "CACHE_DIRECTORY", "LOGS_DIRECTORY", "CONFIGURATION_DIRECTORY", "CREDENTIALS_DIRECTORY",
        "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE"},
       false},
      {"the caller's own session of agentctl is dropped",
       {"AGENTCTL_SESSION", "AGENTCTL_NAME", "AGENTCTL_UNIT", "AGENTCTL_PROJECT"},
       false},
      {"what the caller's shell keeps for itself is dropped", {"_", "OLDPWD"}, false},
  };
  return table;
}

TEST(SessionEnvironment, PassesOrDropsByItsRules) {
  for (const Group& group : groups())
    for (const std::string& variable : group.variables)
      EXPECT_EQ(passes_to_session(variable), group.passes) << variable << ": " << group.rule;
}

TEST(SessionEnvironment, IsTheCallersWithoutWhatIsDropped) {
  Environment caller;
  Environment kept;
  for (const Group& group : groups()) {
    for (const std::string& variable : group.variables) {
      caller[variable] = "value of " + variable;
      if (group.passes) kept[variable] = "value of " + variable;
    }
  }
  const Environment before = caller;
  EXPECT_EQ(clean_environment(caller), kept);
  EXPECT_EQ(caller, before);
}

TEST(SessionEnvironment, OfNothingIsNothing) { EXPECT_THAT(clean_environment({}), IsEmpty()); }

TEST(MinimalEnvironment, HasTheBasicsThatAreSet) {
  const Environment caller{{"HOME", "/h"},     {"PATH", "/bin"},        {"TERM", ""},
                           {"SECRET", "x"},    {"USER", "ann"},         {"LANG", "C"},
                           {"LC_ALL", "C"},    {"HTTP_PROXY", "p:1"},   {"SHELL", "/bin/sh"},
                           {"LOGNAME", "ann"}, {"XDG_DATA_HOME", "/d"}, {"XDG_RUNTIME_DIR", "/r"}};
  EXPECT_THAT(minimal_environment(caller),
              ElementsAre(Pair("HOME", "/h"), Pair("LANG", "C"), Pair("PATH", "/bin"), Pair("SHELL", "/bin/sh"),
                          Pair("TERM", ""), Pair("USER", "ann"), Pair("XDG_RUNTIME_DIR", "/r")));
}

TEST(Variable, IsSetOrPassedOn) {
  const Environment caller{{"TOKEN", "secret"}, {"CLAUDECODE", "1"}};
  Environment environment{{"A", "old"}};
  add_variable(environment, "A=1", caller);
  add_variable(environment, "EMPTY=", caller);
  add_variable(environment, "EQUALS=a=b=c", caller);
  add_variable(environment, "SPACED= a b ", caller);
  add_variable(environment, "TOKEN", caller);
  add_variable(environment, "CLAUDECODE", caller);  // asked for by name: the caller knows
  EXPECT_THAT(environment, ElementsAre(Pair("A", "1"), Pair("CLAUDECODE", "1"), Pair("EMPTY", ""),
                                       Pair("EQUALS", "a=b=c"), Pair("SPACED", " a b "), Pair("TOKEN", "secret")));
}

TEST(Variable, IsRefusedWithAnExampleOfWhatWouldDo) {
  Environment environment;
  for (const char* text : {"", "=x", "1A=x", "A B=x", "A-B=x", "é=x", "A.B"}) {
    const Error error = thrown_by([&] { add_variable(environment, text, {}); });
    EXPECT_EQ(error.code(), ErrorCode::usage) << text;
    EXPECT_EQ(error.object(), "-e") << text;
    EXPECT_EQ(error.hint(), "-e NAME=VALUE, or -e NAME to pass your own value on") << text;
  }
  const Error unset = thrown_by([&] { add_variable(environment, "TOKEN", {}); });
  EXPECT_EQ(unset.reason(), "'TOKEN' is not set in your environment");
  EXPECT_EQ(unset.hint(), "-e TOKEN=VALUE");
  EXPECT_THAT(environment, IsEmpty());
}

TEST(EnvironmentFile, HasAVariableALine) {
  const Environment caller{{"TOKEN", "secret"}};
  Environment environment;
  add_environment_file(environment,
                       "# a comment\n"
                       "A=1\n"
                       "\n"
                       "B=with spaces and 'quotes' # and this\r\n"
                       "TOKEN\n"
                       "A=2\n"
                       "LAST=no newline",
                       "/p/.env", caller);
  EXPECT_THAT(environment, ElementsAre(Pair("A", "2"), Pair("B", "with spaces and 'quotes' # and this"),
                                       Pair("LAST", "no newline"), Pair("TOKEN", "secret")));
}

TEST(EnvironmentFile, IsRefusedByTheLineThatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> table{
      {"A=1\n\n# x\nnot a variable\n", "invalid line 4 in"},
      {"export A=1\n", "invalid line 1 in"},
      {"A=1\nB=2\nUNSET", "invalid line 3 in"},
      {" A=1\n", "invalid line 1 in"},
      {std::string("A=1\nB=x\0y\n", 10), "invalid line 2 in"},
  };
  for (const auto& [content, context] : table) {
    Environment environment;
    const Error error = thrown_by([&] { add_environment_file(environment, content, "/p/.env", {}); });
    EXPECT_EQ(error.code(), ErrorCode::usage) << content;
    EXPECT_EQ(error.context(), context) << content;
    EXPECT_EQ(error.object(), "/p/.env");
    EXPECT_EQ(error.hint(), "each line is NAME=VALUE, or NAME to pass your own value on");
  }
}

TEST(EnvironmentFile, NeverShowsAValueInItsError) {
  Environment environment;
  const Error error = thrown_by([&] { add_environment_file(environment, "MY-TOKEN=secret\n", "/p/.env", {}); });
  EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos);
}

TEST(Assignments, AreWhatExecveTakes) {
  EXPECT_THAT(to_assignments({{"A", "1"}, {"B", ""}, {"C", "x=y"}}), ElementsAre("A=1", "B=", "C=x=y"));
}

}  // namespace
}  // namespace agentctl
