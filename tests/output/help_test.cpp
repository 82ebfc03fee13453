#include <algorithm>
#include <sstream>

#include "output/output_fixture.hpp"

namespace agentctl {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

/// Without any bus: help needs none.
class HelpTest : public OutputTest {
 protected:
  // Asked for once: it is the same for every test.
  const std::string& help_of(const std::string& verb) {
    static std::map<std::string, std::string> texts;
    std::string& text = texts[verb];
    if (text.empty()) text = agentctl_alone({verb, "--help"}).out;
    return text;
  }
};

const Words verbs{"run",  "list",    "status", "why",  "logs",  "stop",      "cancel", "wait",
                  "kill", "restart", "extend", "flow", "apply", "context",   "hint",   "events",
                  "port", "serve",   "adopt",  "rm",   "prune", "reconcile", "doctor"};

constexpr const char* first_steps = R"(agentctl runs AI agents, and the services they start, as systemd sessions.

  agentctl run -n web -- npm run dev    start a session; it goes on without you
  agentctl list                         what lives
  agentctl status web                   how it is
  agentctl logs -f web                  what it prints
  agentctl stop web                     end it, with all of its processes

agentctl --help shows the rest.
)";

constexpr const char* help = R"(Usage: agentctl [--user | --system] [--json] [--no-color] VERB ...

  run         start a session
  list        sessions that live, or with -a all
  status      one session: processes, resources, time left, last output
  why         what ended a session, or why it is in its state
  logs        what a session printed, and with -f prints
  stop        end sessions with all of their processes
  cancel      take queued sessions out of the line
  wait        wait until sessions have ended
  kill        send a signal to all processes of a session
  restart     start a session again
  extend      give a session more time
  flow        sessions that follow one another
  apply       start the services that a file describes
  context     what runs for a project, for an agent's prompt
  hint        how to have services started, for an agent's prompt
  events      what happens to sessions, as it happens
  port        who holds a port, and who listens on it
  serve       the sessions over HTTP, and a page that shows them
  adopt       make a session of a process that runs already
  rm          forget ended sessions by name
  prune       forget all that ended long ago
  reconcile   repair the registry after a crash or reboot
  doctor      check this host, and tell how to mend it

agentctl VERB --help shows a verb's options; agentctl(1) has the exit statuses and the JSON.
A NAME is a session's name, its id, or the beginning of an id that only one has.
)";

Words lines_of(const std::string& text) {
  Words lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST_F(HelpTest, NoArgumentsShowTheFirstSteps) {
  EXPECT_THAT(agentctl_alone({}), ended_with(0, first_steps, ""));
  EXPECT_THAT(agentctl_alone({"--user"}), ended_with(0, first_steps, ""));
}

TEST_F(HelpTest, HelpListsTheVerbs) {
  EXPECT_THAT(agentctl_alone({"--help"}), ended_with(0, help, ""));
  EXPECT_THAT(agentctl_alone({"-h"}), ended_with(0, help, ""));
  EXPECT_THAT(agentctl_alone({"help"}), ended_with(0, help, ""));
  EXPECT_THAT(agentctl_alone({"--user", "--json", "--help"}), ended_with(0, help, ""));
}

TEST_F(HelpTest, VersionIsOneLine) {
  EXPECT_THAT(agentctl_alone({"--version"}), ended_with(0, "agentctl " AGENTCTL_TEST_VERSION "\n", ""));
}

TEST_F(HelpTest, VersionIsToldBehindAVerbToo) {
  for (const std::string& verb : verbs)
    EXPECT_THAT(agentctl_alone({verb, "--version"}), ended_with(0, "agentctl " AGENTCTL_TEST_VERSION "\n", "")) << verb;
  EXPECT_THAT(agentctl_alone({"--user", "flow", "run", "--version"}),
              ended_with(0, "agentctl " AGENTCTL_TEST_VERSION "\n", ""));
}

TEST_F(HelpTest, EachVerbTellsItsUsageAndGivesExamples) {
  for (const std::string& verb : verbs) {
    const Outcome outcome = agentctl_alone({verb, "--help"});
    const std::string usage = "Usage: agentctl " + verb;
    EXPECT_THAT(outcome, ended_with(0, AllOf(StartsWith(usage), HasSubstr("\nExamples:\n  agentctl " + verb)), ""));
    EXPECT_THAT(agentctl_alone({verb, "-h"}), ended_with(0, outcome.out, ""));
  }
}

TEST_F(HelpTest, NothingInTheHelpIsTooWideOrEndsInSpaces) {
  for (const std::string& verb : verbs) {
    const std::string& text = help_of(verb);
    for (const std::string& line : lines_of(text)) {
      EXPECT_LE(line.size(), 100) << verb;
      EXPECT_FALSE(line.ends_with(' ')) << verb << ": " << line;
    }
    EXPECT_THAT(text, Not(HasSubstr("\n\n\n"))) << verb;
    EXPECT_FALSE(text.ends_with("\n\n")) << verb;
  }
}

TEST_F(HelpTest, EachVerbHasTheOptionsThatScriptsRelyOn) {
  const std::map<std::string, Words> promised{
      {"run", {"-n,",    "-C,",         "-e,",     "--env-file",  "--clean-env", "--ttl",     "--stop-timeout",
               "-p,",    "--group",     "--agent", "--work-item", "--label",     "--port",    "-d,--detach",
               "--wait", "-f,--follow", "--scope", "--stdout",    "--stderr",    "--log-max", "--dry-run"}},
      {"list", {"-a,", "-p,", "--group", "--state"}},
      {"logs", {"-f,", "-n,", "--since", "--stream stdout|stderr "}},
      {"stop", {"-p,", "--group", "--all", "--reason", "--timeout", "--remove"}},
      {"kill", {"-s,"}},
      {"wait", {"--for exit|ready|healthy\n", "--timeout"}},
      {"prune", {"--older-than"}}};
  for (const std::string& verb : verbs) {
    const std::string& text = help_of(verb);
    for (const char* everywhere : {"--user", "--system", "--json", "--no-color", "--version"})
      EXPECT_THAT(text, HasSubstr("\n  " + std::string(everywhere) + " ")) << verb;
    const auto found = promised.find(verb);
    if (found == promised.end()) continue;
    for (const std::string& option : found->second) EXPECT_THAT(text, HasSubstr("\n  " + option)) << verb;
  }
}

TEST_F(HelpTest, TheExamplesAreNoUsageErrors) {
  environment["PATH"] = path("bin") + ":/usr/bin:/bin";
  make_directories(path("bin"));
  ASSERT_EQ(::symlink(AGENTCTL_PROGRAM, path("bin/agentctl").c_str()), 0);
  for (const std::string& verb : verbs) {
    const Words lines = lines_of(help_of(verb));
    for (auto line = std::find(lines.begin(), lines.end(), "Examples:"); line != lines.end(); ++line) {
      if (!line->starts_with("  agentctl ")) continue;
      ProgramStart start = start_of({});
      start.argv = {"/bin/sh", "-c", "agentctl --user " + line->substr(11)};
      const Outcome outcome = Program(start).finish();
      EXPECT_NE(outcome.status, 2) << *line << "\n" << outcome.err;
    }
  }
}

TEST_F(HelpTest, HelpComesBeforeWhateverElseIsWrong) {
  for (const Words& words :
       {Words{"status", "--help"}, Words{"list", "--help", "--bogus"}, Words{"stop", "-h", "--all", "web"}})
    EXPECT_THAT(agentctl_alone(words), ended_with(0, StartsWith("Usage: agentctl " + words.front()), IsEmpty()));
}

TEST_F(HelpTest, RunLeavesTheOptionsOfTheCommandToTheCommand) {
  for (const Words& words : {Words{"ls", "--help"}, Words{"ls", "--version"}, Words{"--", "ls", "--version"}}) {
    Words line{"--user", "run", "--dry-run", "-n", "x"};
    line.insert(line.end(), words.begin(), words.end());
    EXPECT_THAT(agentctl_alone(line), ended_with(0, StartsWith("agentctl-x.service\n"), ""));
  }
}

}  // namespace
}  // namespace agentctl
