#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "base/system.hpp"
#include "output/output_fixture.hpp"

namespace agentctl {
namespace {

const std::string long_name(65, 'a');
const std::string long_text(257, 'x');
constexpr const char* span_hint = "90, 90s, 15min, 2h 30min, 1d or infinity (systemd.time(7))";
constexpr const char* word_rule = "is not 1 to 64 of a-z A-Z 0-9 . _ - with a letter or digit first";
constexpr const char* name_rule = "is not 1 to 64 of a-z 0-9 - without a hyphen first or last";

struct Refusal {
  Words words;  // between "run" and "-- true", or all after "run" when "--" is in them
  int status;
  std::string message;
  std::string hint;
};

std::vector<Refusal> refusals(const std::string& work) {
  return {
      {{"--"}, 2, "invalid 'COMMAND': there is no command to run", "agentctl run -- COMMAND [ARG...]"},
      {{"-n", "web", "--"}, 2, "invalid 'COMMAND': there is no command to run", "agentctl run -- COMMAND [ARG...]"},
      {{"--", ""}, 2, "invalid 'COMMAND': there is no command to run", "agentctl run -- COMMAND [ARG...]"},
      {{"-n", "My Web"}, 2, std::string("invalid '-n': 'My Web' ") + name_rule, "-n my-web"},
      {{"-n", ""}, 2, std::string("invalid '-n': '' ") + name_rule, "-n session"},
      {{"-n", "-web"}, 2, std::string("invalid '-n': '-web' ") + name_rule, "-n web"},
      {{"-n", "web-"}, 2, std::string("invalid '-n': 'web-' ") + name_rule, "-n web"},
      {{"-n", "a/b"}, 2, std::string("invalid '-n': 'a/b' ") + name_rule, "-n a-b"},
      {{"-n", long_name}, 2, "invalid '-n': '" + long_name + "' " + name_rule, "-n " + std::string(40, 'a')},
      {{"-n", "reconcile"}, 2, "invalid '-n': 'reconcile' is the name of agentctl's own unit", "choose another name"},
      {{"--ttl", "soon"}, 2, "invalid '--ttl': 'soon' is no time span", span_hint},
      {{"--ttl", "-5"}, 2, "invalid '--ttl': '-5' is no time span", span_hint},
      {{"--ttl", "0"}, 2, "invalid '--ttl': must be longer than 0", "--ttl 15min, or infinity"},
      {{"--stop-timeout", "x"}, 2, "invalid '--stop-timeout': 'x' is no time span", span_hint},
      {{"--port", "0"}, 2, "--port takes auto or a number from 1 to 65535, not '0'", "agentctl run --help"},
      {{"--port", "65536"}, 2, "--port takes auto or a number from 1 to 65535, not '65536'", "agentctl run --help"},
      {{"--port", "-1"}, 2, "--port takes auto or a number from 1 to 65535, not '-1'", "agentctl run --help"},
      {{"--port", "http"}, 2, "--port takes auto or a number from 1 to 65535, not 'http'", "agentctl run --help"},
      {{"--port", "0x50"}, 2, "--port takes auto or a number from 1 to 65535, not '0x50'", "agentctl run --help"},
      {{"--stdout", "out", "--log-max", "10MB"},
       2,
       "--log-max takes bytes, also with K, M, G or T, or infinity, not '10MB'",
       "agentctl run --help"},
      {{"--log-max", "1M"}, 2, "invalid '--log-max': there is no file that it could be for", "--stdout FILE"},
      {{"--label", "tier"}, 2, "--label takes K=V, not 'tier'", "agentctl run --help"},
      {{"--label", "a b=c"},
       2,
       "invalid '--label': the key 'a b' is not 1 to 64 of a-z A-Z 0-9 . _ -",
       "--label a-b=VALUE"},
      {{"--label", "=c"}, 2, "invalid '--label': the key '' is not 1 to 64 of a-z A-Z 0-9 . _ -", "--label KEY=VALUE"},
      {{"--label", "a=" + long_text},
       2,
       "invalid '--label': must be at most 256 bytes of UTF-8 without control characters",
       "shorten its 257 bytes"},
      {{"-p", "my shop"}, 2, std::string("invalid '--project': 'my shop' ") + word_rule, "--project my-shop"},
      {{"--group", ".x"}, 2, std::string("invalid '--group': '.x' ") + word_rule, "--group x"},
      {{"--agent", "a\nb"},
       2,
       "invalid '--agent': must be at most 256 bytes of UTF-8 without control characters",
       "write it as plain text in one line"},
      {{"--work-item", long_text},
       2,
       "invalid '--work-item': must be at most 256 bytes of UTF-8 without control characters",
       "shorten its 257 bytes"},
      {{"-C", "/nonexistent"},
       1,
       "cannot start a session in '/nonexistent': No such file or directory",
       "name another folder with -C"},
      {{"-C", "missing"},
       1,
       "cannot start a session in '" + work + "/missing': No such file or directory",
       "name another folder with -C"},
      {{"-C", "script"},
       1,
       "cannot start a session in '" + work + "/script': Not a directory",
       "name another folder with -C"},
      {{"-e", "1X=2"},
       2,
       "invalid '-e': '1X' is no variable's name ([A-Za-z_][A-Za-z0-9_]*)",
       "-e NAME=VALUE, or -e NAME to pass your own value on"},
      {{"-e", "NOT_SET"}, 2, "invalid '-e': 'NOT_SET' is not set in your environment", "-e NOT_SET=VALUE"},
      {{"--env-file", "missing"},
       1,
       "cannot read '" + work + "/missing': No such file or directory",
       "name another file with --env-file"},
      {{"--env-file", "/"},
       1,
       "cannot read '/': not a regular file",
       "write it to a file, which restart reads again, or use -e K=V"},
      {{"--stdout", "missing/log"},
       1,
       "cannot open the output file '" + work + "/missing/log': No such file or directory",
       "mkdir -p " + work + "/missing, or name another file with --stdout"},
      {{"--stderr", "/"}, 1, "cannot open the output file '/': Is a directory", "name another file with --stderr"},
      {{"--env-file", "env"},
       2,
       "invalid line 3 in '" + work + "/env': '2' is no variable's name ([A-Za-z_][A-Za-z0-9_]*)",
       "each line is NAME=VALUE, or NAME to pass your own value on"},
      {{"--uid", "nobody"},
       2,
       "cannot run as 'nobody': a user manager runs sessions as its own user only",
       "sudo agentctl --system run"},
      {{"--scope", "--stdout", "log"},
       2,
       "invalid '--stdout': the output of a --scope session goes to the caller's own streams",
       "redirect it with > FILE"},
      {{"--scope", "--stderr", "log"},
       2,
       "invalid '--stderr': the output of a --scope session goes to the caller's own streams",
       "redirect it with > FILE"},
      {{"--", "no-such-command"},
       127,
       "cannot run 'no-such-command': command not found",
       "give its path; no folder of PATH has it"},
      {{"--", "./no-such-command"},
       127,
       "cannot run './no-such-command': command not found",
       "a relative path begins at the session's folder: " + work + "/./no-such-command"},
      {{"--", "./script"}, 126, "cannot run './script': Permission denied", "chmod +x " + work + "/./script"},
      {{"--", "/"}, 126, "cannot run '/': Is a directory", "name a program in it"},
  };
}

/// Without any bus: what can be known before a unit exists is said before systemd is asked.
class RunRefusals : public OutputTest {
 protected:
  RunRefusals() {
    put_file(path("work/script"), "#!/bin/sh\n");
    put_file(path("work/env"), "# comment\nA=1\n2=x\n");
  }
  static Words command_of(const Refusal& row) {
    Words words{"run"};
    words.insert(words.end(), row.words.begin(), row.words.end());
    if (std::find(words.begin(), words.end(), "--") == words.end()) words.insert(words.end(), {"--", "true"});
    return words;
  }
};

TEST_F(RunRefusals, EachNamesItsCauseAndItsRemedyAndChangesNothing) {
  for (const Refusal& row : refusals(path("work"))) {
    EXPECT_NE(row.hint, "") << row.message;
    EXPECT_THAT(agentctl(command_of(row)), ended_with(row.status, "", error_text(row.message, row.hint)));
  }
  EXPECT_FALSE(exists(path("state/agentctl")));
  EXPECT_FALSE(exists(path("run/agentctl")));
}

TEST_F(RunRefusals, InJsonEachSaysTheSame) {
  std::set<int> statuses;
  for (const Refusal& row : refusals(path("work"))) {
    if (!statuses.insert(row.status).second) continue;  // one of each
    Words words = command_of(row);
    words.insert(words.begin(), "--json");
    const Outcome outcome = agentctl(words);
    EXPECT_EQ(outcome.status, row.status) << row.message;
    EXPECT_EQ(outcome.out, "");
    const auto error = boost::json::parse(outcome.err).at("error");
    EXPECT_EQ(error.at("message").as_string(), row.message);
    EXPECT_EQ(error.at("hint").as_string(), row.hint);
    const char* code = row.status == 1     ? "failed"
                       : row.status == 2   ? "usage"
                       : row.status == 126 ? "command-not-executable"
                                           : "command-not-found";
    EXPECT_EQ(error.at("code").as_string(), code) << row.message;
  }
}

TEST_F(RunRefusals, WithoutABusEverythingElseMustBeRightFirst) {
  const std::string bus = "unix:path=" + path("run/bus");
  EXPECT_THAT(
      agentctl({"run", "--", "true"}),
      ended_with(6, "",
                 error_text("cannot reach your systemd user manager over '" + bus + "': No such file or directory",
                            way_to_user_manager(path("run"), ::getuid(), own_user()))));
  EXPECT_FALSE(exists(path("state/agentctl/live")));
}

TEST_F(RunRefusals, InTheForegroundWhatIsAgentctlsOwnFailureIs125) {
  for (const char* form : {"--wait", "--follow", "--scope"}) {
    const Outcome outcome = agentctl({"run", form, "--", "true"});
    EXPECT_EQ(outcome.status, 125) << form;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, testing::StartsWith("agentctl: cannot reach your systemd user manager over '"));
  }
}

TEST_F(RunRefusals, InTheForegroundTheyAre125WhereTheStatusWouldBeTheCommandsOwn) {
  for (const char* form : {"--wait", "--follow", "--scope"}) {
    for (const Refusal& row : refusals(path("work"))) {
      // What a scope has not at all is refused first.
      const auto has = [&](const char* word) {
        return std::find(row.words.begin(), row.words.end(), word) != row.words.end();
      };
      if (has("--scope") || (form == std::string("--scope") && (has("--stdout") || has("--stderr") || has("--uid"))))
        continue;
      Words words = command_of(row);
      words.insert(words.begin() + 1, form);
      EXPECT_THAT(agentctl(words),
                  ended_with(row.status == 1 ? 125 : row.status, "", error_text(row.message, row.hint)))
          << form;
    }
  }
  EXPECT_FALSE(exists(path("state/agentctl")));
}

TEST_F(RunRefusals, ADryRunIsNoForegroundRun) {
  EXPECT_EQ(agentctl({"run", "--wait", "--dry-run", "-C", "missing", "--", "true"}).status, 1);
}

}  // namespace
}  // namespace agentctl
