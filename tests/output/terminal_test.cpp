#include <csignal>
#include <sstream>

#include "base/system.hpp"
#include "base/user.hpp"
#include "cli/columns.hpp"
#include "output/output_fixture.hpp"

namespace agentctl {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

constexpr const char* reset = "\033[0m";

std::string bold(const std::string& text) { return "\033[1m" + text + reset; }
std::string dim(const std::string& text) { return "\033[2m" + text + reset; }
std::string green(const std::string& text) { return "\033[32m" + text + reset; }
std::string red(const std::string& text) { return "\033[31m" + text + reset; }
std::string yellow(const std::string& text) { return "\033[33m" + text + reset; }

std::string without_colors(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\033') {
      i = text.find('m', i);
    } else {
      plain += text[i];
    }
  }
  return plain;
}

/// On a terminal of 80 columns, with stdout and stderr on it.
class TerminalTest : public OutputOnBusTest {
 protected:
  Outcome on_terminal(const Words& words, unsigned short columns = 80) {
    return TerminalProgram(start_of(words), columns).finish();
  }
  // The warning about logging out is shown once, and only to who does not linger.
  std::string told_once() const {
    if (lingers(own_user())) return {};
    return "agentctl: warning: your sessions end when you log out; to let them go on: sudo loginctl enable-linger " +
           own_user() + "\n";
  }
};

TEST_F(TerminalTest, ListIsInColour) {
  add_live(record_of("web", 2h + 5min + 30s));
  add_live(record_of("api", 1h + 3min + 30s), {.name = {}, .active_state = "activating", .sub_state = "start"});
  add_ended(record_of("old", 73h + 30min), State::failed, "exited with status 3", 3);
  const std::string expected = R"({NAME}  {STATE}     {WHY}                         {AGE}  {COMMAND}
{old}   {failed}    exited with status 3  3d 1h ago  {sleep 60}
{web}   {running}                           2h 5min  {sleep 60}
{api}   {starting}                          1h 3min  {sleep 60}
)";
  std::map<std::string, std::string> colored{{"failed", red("failed")},
                                             {"running", green("running")},
                                             {"starting", yellow("starting")},
                                             {"sleep 60", dim("sleep 60")}};
  for (const char* word : {"NAME", "STATE", "WHY", "AGE", "COMMAND", "old", "web", "api"}) colored[word] = bold(word);
  EXPECT_THAT(on_terminal({"--user", "list", "-a"}), ended_with(0, filled(expected, colored), ""));
}

TEST_F(TerminalTest, ColoursCanBeSwitchedOff) {
  add_live(record_of("web"));
  for (const Words& words : {Words{"--user", "--no-color", "list"}, Words{"--user", "list", "--no-color"},
                             Words{"--user", "list", "--json"}})
    EXPECT_THAT(on_terminal(words), ended_with(0, Not(HasSubstr("\033")), ""));
  environment["NO_COLOR"] = "1";
  EXPECT_THAT(on_terminal({"--user", "list"}), ended_with(0, Not(HasSubstr("\033")), ""));
}

TEST_F(TerminalTest, ListFitsTheTerminalAndKeepsWhatMatters) {
  Record record = record_of("a-session-with-a-long-name", 2h + 5min + 30s);
  record.request.command = {"npm", "run", std::string(300, 'x')};
  record.request.project = "a-project-with-a-long-name";
  record.request.ttl = 4h;
  add_live(record);
  Record failed = record_of("api", 3h);
  failed.request.command = {"sh", "-c", "echo ü 修复登录测试 😀" + std::string(100, '-')};
  add_ended(failed, State::failed, "cannot run '/usr/local/bin/" + std::string(100, 'y') + "': Exec format error", 126);
  for (const unsigned short columns : std::initializer_list<unsigned short>{80, 60, 40}) {
    const std::string shown = without_colors(on_terminal({"--user", "list", "-a"}, columns).out);
    std::istringstream lines(shown);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(count_columns(line), columns) << line;
      EXPECT_FALSE(line.ends_with(' ')) << line;
    }
    EXPECT_THAT(shown, AllOf(HasSubstr("a-session-with-a-long-name"), HasSubstr("running"), HasSubstr("failed")))
        << columns;
  }
}

TEST_F(TerminalTest, ListOfManySaysWhatItLeavesOut) {
  const std::string note = dim("more than 200 live sessions: without CPU, MEMORY and PROCS (--json has them)") + "\n";
  for (int i = 0; i < 200; ++i) add_live(record_of("web-" + std::to_string(i)));
  add_ended(record_of("old"), State::exited, "", 0);
  EXPECT_THAT(on_terminal({"--user", "list", "-a"}), ended_with(0, Not(HasSubstr("more than 200")), ""));
  add_live(record_of("one-more"));
  EXPECT_THAT(on_terminal({"--user", "list"}), ended_with(0, testing::EndsWith(note), ""));
  EXPECT_THAT(agentctl({"list"}), ended_with(0, Not(HasSubstr("more than 200")), ""));
}

TEST_F(TerminalTest, RunTellsWhatToDoNext) {
  EXPECT_THAT(on_terminal({"--user", "run", "-n", "web", "--", "sleep", "60"}),
              ended_with(0,
                         told_once() + bold("web") + " started\n" +
                             dim("agentctl logs -f web   agentctl status web   agentctl stop web") + "\n",
                         ""));
  EXPECT_THAT(on_terminal({"--user", "run", "-n", "api", "--", "sleep", "60"}),
              ended_with(0, testing::StartsWith(bold("api") + " started\n"), ""));
}

TEST_F(TerminalTest, StatusIsInColour) {
  const Record record = add_live(record_of("web", 2h + 5min + 30s));
  EXPECT_THAT(on_terminal({"--user", "status", "web"}),
              ended_with(0,
                         testing::StartsWith(bold("web") + " (" + record.id + ")  " + green("running") +
                                             ", for 2h 5min\n  " + dim("command    ") + "sleep 60\n"),
                         ""));
}

TEST_F(TerminalTest, WaitShowsALineThatGoesAwayAgain) {
  const Record record = add_live(record_of("web"));
  TerminalProgram program(start_of({"--user", "wait", "web"}));
  const std::string line = "\r\033[K" + dim("waiting for web: 1s");
  ASSERT_TRUE(program.wait_for(line));
  end(record, State::failed, "exited with status 3", 3);
  EXPECT_THAT(program.finish(), ended_with(3, AllOf(testing::StartsWith(line), testing::EndsWith("\r\033[K")), ""));
}

TEST_F(TerminalTest, InterruptingAForegroundRunLeavesTheSessionAndSaysHowToEndIt) {
  TerminalProgram program(start_of({"--user", "--no-color", "run", "--wait", "-n", "web", "--", "sleep", "60"}));
  ASSERT_TRUE(program.wait_for("waiting for web: 1s"));
  program.type("\003");
  EXPECT_THAT(program.finish(),
              ended_with(130, testing::EndsWith("\nagentctl: session 'web' goes on; to end it: agentctl stop web\n"),
                         ""));
  EXPECT_EQ(registry().live().size(), 1);
}

TEST_F(TerminalTest, AForegroundRunThatEndsBadlySaysWhy) {
  TerminalProgram program(start_of({"--user", "--no-color", "run", "--wait", "-n", "web", "--", "sleep", "60"}));
  ASSERT_TRUE(systemd.wait_for_call("Subscribe"));
  end(registry().live().at(0), State::failed, "killed by SIGSEGV", std::nullopt, SIGSEGV);
  EXPECT_THAT(program.finish(),
              ended_with(128 + SIGSEGV, testing::EndsWith("agentctl: warning: web: failed, killed by SIGSEGV\n"), ""));
}

TEST_F(TerminalTest, AScopeSessionHasTheTerminal) {
  const Outcome outcome =
      on_terminal({"--user", "run", "--scope", "-n", "here", "sh", "-c", "test -t 0 && test -t 1 && stty size"});
  EXPECT_THAT(outcome, ended_with(0, "24 80\n", ""));
}

TEST_F(TerminalTest, CtrlCReachesAScopeSessionAndItsStatusIsTold) {
  TerminalProgram program(start_of({"--user", "run", "--scope", "-n", "here", "sh", "-c", "echo up; exec sleep 60"}));
  ASSERT_TRUE(program.wait_for("up\n"));
  program.type("\003");
  EXPECT_EQ(program.finish().status, 128 + SIGINT);
  EXPECT_EQ(registry().ended().size(), 1);
}

}  // namespace
}  // namespace agentctl
