#include "cli/program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "cli/verb.hpp"
#include "support/temporary_folder.hpp"

// sdbus-c++ 1.2 does not free the bus that it could not connect.
extern "C" const char* __lsan_default_suppressions() { return "leak:libsystemd\n"; }

namespace agentctl {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// agentctl itself, as far as it goes without systemd.
class Program : public testing::Test {
 protected:
  Program() {
    ::setenv("HOME", folder.path().c_str(), 1);
    ::setenv("XDG_STATE_HOME", folder.path().c_str(), 1);
    ::setenv("XDG_RUNTIME_DIR", folder.path().c_str(), 1);
    ::unsetenv("DBUS_SESSION_BUS_ADDRESS");
  }
  int run(std::vector<std::string> words) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    std::optional<Invocation> kept;
    const int status = run_program(std::move(words), kept);
    out = testing::internal::GetCapturedStdout();
    err = testing::internal::GetCapturedStderr();
    return status;
  }
  TemporaryFolder folder;
  std::string out;
  std::string err;
};

TEST_F(Program, ShowsFirstStepsWhenAskedForNothing) {
  EXPECT_EQ(run({}), 0);
  EXPECT_THAT(out, HasSubstr("agentctl run -n web -- npm run dev"));
}

TEST_F(Program, ShowsEveryVerbInItsHelp) {
  for (const char* word : {"--help", "-h", "help"}) {
    EXPECT_EQ(run({word}), 0);
    for (const Verb& verb : verbs()) EXPECT_THAT(out, HasSubstr("  " + std::string(verb.name) + " ")) << word;
  }
}

TEST_F(Program, ShowsTheHelpOfEveryVerbWithExamples) {
  for (const Verb& verb : verbs()) {
    const std::string name(verb.name);
    EXPECT_EQ(run({name, "--help"}), 0) << name;
    EXPECT_THAT(out, StartsWith("Usage: agentctl " + name)) << name;
    EXPECT_THAT(out, HasSubstr("\nExamples:\n  agentctl " + name)) << name;
    for (const char* option : {"--user", "--system", "--json", "--no-color"})
      EXPECT_THAT(out, HasSubstr(option)) << name;
    EXPECT_EQ(err, "") << name;
  }
}

TEST_F(Program, RefusesAnUnknownOptionOfEveryVerb) {
  for (const Verb& verb : verbs()) {
    const std::string name(verb.name);
    EXPECT_EQ(run({name, "--no-such-option", "web", "1min"}), 2) << name;
    EXPECT_EQ(out, "") << name;
    EXPECT_THAT(err, AllOf(StartsWith("agentctl: "), HasSubstr("--no-such-option"),
                           HasSubstr("hint: agentctl " + name + " --help\n")))
        << name;
  }
}

TEST_F(Program, SaysItsVersion) {
  EXPECT_EQ(run({"--version"}), 0);
  EXPECT_THAT(out, testing::MatchesRegex("agentctl [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST_F(Program, GuessesTheVerbThatWasMeant) {
  EXPECT_EQ(run({"stauts"}), 2);
  EXPECT_EQ(err, "agentctl: unknown verb 'stauts'; did you mean 'status'?\nhint: agentctl --help\n");
  EXPECT_EQ(run({"\x1b[2J"}), 2);
  EXPECT_THAT(err, HasSubstr("unknown verb '\\x1b[2J'"));
}

TEST_F(Program, PrintsAUsageErrorAsJsonWhereverJsonStands) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"--json", "nope"}, {"nope", "--json"}, {"list", "--nope", "--json"}, {"list", "--json", "--nope"}}) {
    EXPECT_EQ(run(words), 2) << words.front();
    EXPECT_THAT(err, StartsWith(R"({"error":{"code":"usage",)")) << words.front();
    EXPECT_EQ(out, "");
  }
}

TEST_F(Program, PrintsTheUnitThatWouldBeMadeAndMakesNothing) {
  EXPECT_EQ(run({"--user", "run", "--dry-run", "-n", "web", "--ttl", "15min", "sh", "-n", "x"}), 0);
  EXPECT_THAT(out, StartsWith("agentctl-web.service\n"));
  EXPECT_THAT(out, AllOf(HasSubstr("  RuntimeMaxUSec=900000000\n"), HasSubstr("  Type=notify\n")));
  EXPECT_FALSE(exists(folder / "agentctl"));
}

TEST_F(Program, EndsWithTheStatusOfAShellWhenTheCommandIsMissing) {
  EXPECT_EQ(run({"--user", "run", "--", "-no-such-command"}), 127);
  EXPECT_EQ(
      err,
      "agentctl: cannot run '-no-such-command': command not found\nhint: give its path; no folder of PATH has it\n");
}

TEST_F(Program, DoesNotTakeTheCommandsOwnOptionForItsOwn) {
  EXPECT_EQ(run({"--user", "run", "no-such-command", "--json"}), 127);
  EXPECT_EQ(
      err,
      "agentctl: cannot run 'no-such-command': command not found\nhint: give its path; no folder of PATH has it\n");
  EXPECT_EQ(run({"--user", "run", "--json", "no-such-command"}), 127);
  EXPECT_THAT(err, StartsWith(R"({"error":{"code":"command-not-found",)"));
}

TEST_F(Program, RefusesARunThatCannotBeMeant) {
  const std::vector<std::vector<std::string>> table{
      {"run"},
      {"run", "--"},
      {"run", "--wait", "--follow", "sh"},
      {"run", "--port", "0", "sh"},
      {"run", "--port", "65536", "sh"},
      {"run", "--port", "-1", "sh"},
      {"run", "--port", "x", "sh"},
      {"run", "--label", "novalue", "sh"},
      {"run", "-n", "Not A Name", "sh"},
      {"run", "--ttl", "soon", "sh"},
      {"run", "--ttl", "0", "sh"},
      {"run", "-e", "1=2", "sh"},
  };
  for (const auto& words : table) {
    EXPECT_EQ(run(words), 2) << testing::PrintToString(words);
    EXPECT_EQ(out, "");
  }
  EXPECT_FALSE(exists(folder / "agentctl"));
}

TEST_F(Program, CannotReachASystemdThatIsNotThere) {
  EXPECT_EQ(run({"--user", "run", "-n", "web", "sh"}), 6);
  EXPECT_THAT(err, StartsWith("agentctl: "));
  EXPECT_THAT(err, HasSubstr("hint: "));
  EXPECT_FALSE(exists(folder / "agentctl")) << "a refusal leaves nothing behind";
  EXPECT_EQ(run({"--user", "run", "--wait", "sh"}), 125) << "other statuses are the session's own there";
}

}  // namespace
}  // namespace agentctl
