#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "output/output_fixture.hpp"

namespace agentctl {
namespace {

/// Without any bus: what is wrong with the words is said before anybody is asked.
using UsageErrorTest = OutputTest;

struct Case {
  Words words;
  const char* message;
  const char* hint;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {{"lisst"}, "unknown verb 'lisst'; did you mean 'list'?", "agentctl --help"},
      {{"frobnicate"}, "unknown verb 'frobnicate'", "agentctl --help"},
      {{"\033[2J"}, "unknown verb '\\x1b[2J'", "agentctl --help"},
      {{"--bogus"}, "unknown option '--bogus'", "agentctl --help"},
      {{"list", "--bogus"}, "unknown option '--bogus'", "agentctl list --help"},
      {{"list", "-x"}, "unknown option '-x'", "agentctl list --help"},
      {{"list", "web"}, "unexpected argument 'web'", "agentctl list --help"},
      {{"list", "--user", "--system"}, "--user and --system exclude each other", "agentctl list --help"},
      {{"list", "--state"}, "--state needs a value", "agentctl list --help"},
      {{"list", "--state", "dead"},
       "'dead' is no state: queued starting running stopping restarting exited failed stopped expired cancelled parked "
       "lost",
       "agentctl list --help"},
      {{"list", "--json=x"}, "--json takes no value, such as 'x'", "agentctl list --help"},
      {{"status"}, "NAME is required", "agentctl status --help"},
      {{"status", "--bogus"}, "unknown option '--bogus'", "agentctl status --help"},
      {{"status", "a", "b"}, "unexpected argument 'b'", "agentctl status --help"},
      {{"logs"}, "NAME is required", "agentctl logs --help"},
      {{"logs", "-n", "some", "web"}, "--lines takes a number, not 'some'", "agentctl logs --help"},
      {{"logs", "-n", "-5", "web"}, "--lines takes a number, not '-5'", "agentctl logs --help"},
      {{"logs", "--stream", "both", "web"}, "--stream takes stdout or stderr, not 'both'", "agentctl logs --help"},
      {{"logs", "--since", "once", "web"},
       "invalid '--since': 'once' is no time",
       "10min (ago), '2026-01-31 13:00', 13:00 or 2026-01-31T12:00:00Z"},
      {{"stop"}, "nothing to stop: give a NAME, -p, --group or --all", "agentctl stop --help"},
      {{"stop", "--all", "web"}, "give NAMEs or one of -p, --group, --all, not both", "agentctl stop --help"},
      {{"stop", "--timeout", "soon", "web"},
       "invalid '--timeout': 'soon' is no time span",
       "90, 90s, 15min, 2h 30min, 1d or infinity (systemd.time(7))"},
      {{"wait"}, "nothing to wait for: give a NAME, -p or --group", "agentctl wait --help"},
      {{"wait", "--for", "rain", "web"}, "--for takes exit, ready or healthy, not 'rain'", "agentctl wait --help"},
      {{"kill"}, "nothing to kill: give a NAME, -p or --group", "agentctl kill --help"},
      {{"kill", "-s", "NOPE", "web"}, "'NOPE' is no signal: TERM, KILL, INT, HUP, USR1 ...", "agentctl kill --help"},
      {{"kill", "-s", "0", "web"}, "'0' is no signal: TERM, KILL, INT, HUP, USR1 ...", "agentctl kill --help"},
      {{"restart"}, "NAME is required", "agentctl restart --help"},
      {{"extend", "web"}, "SPAN is required", "agentctl extend --help"},
      {{"extend", "web", "long"},
       "invalid 'SPAN': 'long' is no time span",
       "90, 90s, 15min, 2h 30min, 1d or infinity (systemd.time(7))"},
      {{"extend", "web", "0"}, "SPAN must be longer than 0", "agentctl extend --help"},
      {{"rm"}, "NAME is required", "agentctl rm --help"},
      {{"prune", "--older-than", "old"},
       "invalid '--older-than': 'old' is no time span",
       "90, 90s, 15min, 2h 30min, 1d or infinity (systemd.time(7))"},
      {{"reconcile", "web"}, "unexpected argument 'web'", "agentctl reconcile --help"},
      {{"doctor", "-v"}, "unknown option '-v'", "agentctl doctor --help"},
      {{"run", "--bogus", "true"}, "unknown option '--bogus'", "agentctl run --help"},
      {{"run", "--restart", "sometimes", "true"},
       "--restart takes no, on-failure or always, not 'sometimes'",
       "agentctl run --help"},
      {{"run", "--restart", "always", "--restart-limit", "x", "true"},
       "--restart-limit takes a number up to 1000, not 'x'",
       "agentctl run --help"},
      {{"run", "--restart", "always", "--no-restart-on", "256", "true"},
       "--no-restart-on takes a number up to 255, not '256'",
       "agentctl run --help"},
      {{"run", "--reuse", "--replace", "-n", "a", "true"},
       "--reuse and --replace exclude each other",
       "agentctl run --help"},
      {{"run", "--reuse", "true"},
       "--reuse and --replace need -n, --exclusive or --source: each other session has a name of its own",
       "agentctl run --help"},
      {{"run", "--pool", "p", "--max", "0", "true"}, "--max takes a number from 1 on", "agentctl run --help"},
      {{"run", "--pool", "p", "--priority", "101", "true"},
       "--priority takes a number up to 100, not '101'",
       "agentctl run --help"},
      {{"run", "--queue", "true"}, "--queue and --queue-timeout need --pool", "agentctl run --help"},
      {{"run", "--pool", "p", "--queue", "--scope", "true"},
       "--queue and --scope exclude each other: nobody else could start it in this terminal",
       "agentctl run --help"},
      {{"run", "--max", "2", "true"}, "invalid '--max': needs a pool", "--pool NAME"},
      {{"cancel"}, "NAME is required", "agentctl cancel --help"},
      {{"flow"}, "say what: run, list, status, wait, cancel or resume", "agentctl flow --help"},
      {{"flow", "start"}, "unknown verb 'flow start'", "agentctl flow --help"},
      {{"flow", "resume"}, "FLOW is required", "agentctl flow resume --help"},
      {{"apply"}, "FILE is required", "agentctl apply --help"},
      {{"context"}, "--project is required", "agentctl context --help"},
      {{"serve", "--listen", "127.0.0.1:1", "--socket", "/x"},
       "--listen and --socket exclude each other",
       "agentctl serve --help"},
      {{"context", "-p", "shop", "--format", "xml"},
       "--format takes markdown or json, not 'xml'",
       "agentctl context --help"},
      {{"apply", "--wait", "--no-wait", "-"}, "--wait and --no-wait exclude each other", "agentctl apply --help"},
      {{"apply", "--require-git-workdir", "maybe", "-"},
       "--require-git-workdir takes yes or no, not 'maybe'",
       "agentctl apply --help"},
      {{"adopt", "-1"}, "PID takes a number up to 2147483647, not '-1'", "agentctl adopt --help"},
      {{"run", "-n"}, "--name needs a value", "agentctl run --help"},
      {{"run", "-n", "a", "-n", "b", "true"}, "--name is given more than once", "agentctl run --help"},
      {{"run", "--wait", "--follow", "true"},
       "--detach, --wait, --follow and --scope exclude each other",
       "agentctl run --help"},
      {{"run", "-d", "--scope", "true"},
       "--detach, --wait, --follow and --scope exclude each other",
       "agentctl run --help"},
  };
  return all;
}

std::string as_text(const Words& words) {
  std::string text = "agentctl";
  for (const std::string& word : words) text += " " + word;
  return text;
}

TEST_F(UsageErrorTest, EachSaysWhatIsWrongAndWhereTheRightIs) {
  for (const Case& row : cases())
    EXPECT_THAT(agentctl(row.words), ended_with(2, "", error_text(row.message, row.hint))) << as_text(row.words);
}

TEST_F(UsageErrorTest, WhatIsShownAsItComesIsNoJson) {
  const Outcome outcome = agentctl({"run", "--follow", "--json", "--", "true"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err,
              testing::HasSubstr("--follow shows what the command prints, which is no JSON; --wait --json says how"));
}

TEST_F(UsageErrorTest, InJsonEachIsOneObjectOnStderr) {
  std::set<std::string> verbs;
  for (const Case& row : cases()) {
    if (!verbs.insert(row.words.front()).second) continue;  // one of each verb
    Words words{"--json"};
    words.insert(words.end(), row.words.begin(), row.words.end());
    const Outcome outcome = agentctl(words);
    EXPECT_EQ(outcome.status, 2) << as_text(words);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    const auto error = boost::json::parse(outcome.err).as_object();
    ASSERT_EQ(error.size(), 1);
    const auto& fields = error.at("error").as_object();
    Words keys;
    for (const auto& field : fields) keys.push_back(field.key());
    EXPECT_EQ(keys, (Words{"code", "message", "object", "reason", "hint"}));
    EXPECT_EQ(fields.at("code").as_string(), "usage");
    EXPECT_EQ(fields.at("hint").as_string(), row.hint);
  }
}

TEST_F(UsageErrorTest, JsonMayBeAskedForAfterWhatIsWrong) {
  EXPECT_THAT(agentctl({"frobnicate", "--json"}),
              ended_with(2, "",
                         "{\"error\":{\"code\":\"usage\",\"message\":\"unknown verb 'frobnicate'\",\"object\":\"\","
                         "\"reason\":\"\",\"hint\":\"agentctl --help\"}}\n"));
}

TEST_F(UsageErrorTest, AnErrorIsNotPaintedEvenOnATerminal) {
  TerminalProgram program(start_of({"frobnicate"}));
  EXPECT_THAT(program.finish(), ended_with(2, error_text("unknown verb 'frobnicate'", "agentctl --help"), ""));
}

}  // namespace
}  // namespace agentctl
