#include "domain/request_rules.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "domain/ports.hpp"
#include "support/sample_records.hpp"
#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

struct Refusal {
  const char* what;
  std::function<void(SessionRequest&)> spoil;
  std::string option;
  std::string reason;  ///< its beginning
  std::string hint;
};

const std::vector<Refusal>& refusals() {
  static const std::vector<Refusal> table{
      {"an empty name", [](auto& r) { r.name = ""; }, "-n", "'' is not 1 to 64 of a-z 0-9 -", "-n session"},
      {"a name with upper case", [](auto& r) { r.name = "My App"; }, "-n", "'My App' is not 1 to 64", "-n my-app"},
      {"a name that looks like an option", [](auto& r) { r.name = "-x"; }, "-n", "'-x' is not", "-n x"},
      {"a name with a slash", [](auto& r) { r.name = "../x"; }, "-n", "'../x' is not", "-n x"},
      {"a long name", [](auto& r) { r.name = std::string(65, 'x'); }, "-n", "'xxx", "-n " + std::string(40, 'x')},
      {"a name that steers the terminal", [](auto& r) { r.name = "\x1b[2J"; }, "-n", "'\\x1b[2J' is not", "-n 2j"},
      {"the name of agentctl's own unit", [](auto& r) { r.name = "reconcile"; }, "-n",
       "'reconcile' is the name of agentctl's own unit", "choose another name"},
      {"a limit for no file", [](auto& r) { r.log_max = 0; }, "--log-max", "there is no file", "--stdout FILE"},
      {"a limit for files that is too low",
       [](auto& r) {
         r.stdout_file = "/tmp/out";
         r.log_max = 1023;
       },
       "--log-max", "must be at least 1K", "--log-max 1M"},
      {"a port twice",
       [](auto& r) {
         r.ports = {3000, 0, 0, 3000};
       },
       "--port", "3000 is given more than once", "give it once, or --port auto"},
      {"rules for restarts without a policy", [](auto& r) { r.restart.limit = 3; }, "--restart",
       "the rules for restarts need a policy", "--restart on-failure"},
      {"a restart of a scope",
       [](auto& r) {
         r.kind = SessionKind::scope;
         r.restart.policy = RestartPolicy::always;
       },
       "--restart", "a --scope session runs in this terminal", "leave out --scope"},
      {"a restart without delay",
       [](auto& r) { r.restart = {.policy = RestartPolicy::always, .delay = microseconds(99'999)}; }, "--restart-delay",
       "must be at least 100ms", "--restart-delay 100ms"},
      {"a shortest delay above the longest",
       [](auto& r) {
         r.restart = {.policy = RestartPolicy::always,
                      .delay = std::chrono::seconds(3),
                      .max_delay = std::chrono::seconds(2)};
       },
       "--restart-max-delay", "must be at least the delay", "--restart-max-delay 3s"},
      {"a delay without end", [](auto& r) { r.restart = {.policy = RestartPolicy::always, .max_delay = forever}; },
       "--restart-max-delay", "must be at least the delay", "--restart-max-delay 2s"},
      {"no run that is early", [](auto& r) { r.restart = {.policy = RestartPolicy::always, .early = microseconds(0)}; },
       "--restart-early", "must be longer than 0", "--restart-early 10s"},
      {"a limit of none", [](auto& r) { r.restart = {.policy = RestartPolicy::always, .limit = 0}; }, "--restart-limit",
       "must be from 1 to 1000", "--restart-limit 1"},
      {"too many codes",
       [](auto& r) { r.restart = {.policy = RestartPolicy::always, .never_on = std::vector<int>(33, 1)}; },
       "--no-restart-on", "at most 32 exit codes", "leave the rarest to --restart-limit"},
      {"success that is never restarted on failure",
       [](auto& r) { r.restart = {.policy = RestartPolicy::on_failure, .never_on = {0}}; }, "--no-restart-on",
       "0 is no failure", "--restart always"},
      {"a key of 10 kB", [](auto& r) { r.exclusive = std::string(10'000, 'k'); }, "--exclusive",
       "must be at most 256 bytes of UTF-8", "shorten its 10000 bytes"},
      {"a source with a newline", [](auto& r) { r.source = "a\nb"; }, "--source", "must be at most 256 bytes",
       "write it as plain text in one line"},
      {"no command", [](auto& r) { r.command.clear(); }, "COMMAND", "there is no command to run",
       "agentctl run -- COMMAND [ARG...]"},
      {"an empty command",
       [](auto& r) {
         r.command = {"", "x"};
       },
       "COMMAND", "there is no command to run", "agentctl run -- COMMAND [ARG...]"},
      {"an argument that execve cannot take",
       [](auto& r) {
         r.command = {"cat", std::string(131'072, 'x')};
       },
       "COMMAND", "argument 1 has 131072 bytes; the kernel takes at most 131071", "pass it in a file"},
      {"a project with a space", [](auto& r) { r.project = "My Shop"; }, "--project", "'My Shop' is not 1 to 64",
       "--project my-shop"},
      {"a project that begins with a hyphen", [](auto& r) { r.project = "-x"; }, "--project", "'-x' is not",
       "--project x"},
      {"a project that begins with a dot", [](auto& r) { r.project = ".x"; }, "--project", "'.x' is not",
       "--project x"},
      {"a project that is too long", [](auto& r) { r.project = std::string(65, 'p'); }, "--project", "'ppp",
       "--project " + std::string(40, 'p')},
      {"a group with a slash", [](auto& r) { r.group = "a/b"; }, "--group", "'a/b' is not", "--group a-b"},
      {"an agent with a newline", [](auto& r) { r.agent = "a\nb"; }, "--agent", "must be at most 256 bytes of UTF-8",
       "write it as plain text in one line"},
      {"an agent that is no UTF-8", [](auto& r) { r.agent = "\xFF"; }, "--agent", "must be at most 256 bytes",
       "write it as plain text in one line"},
      {"a work item that is too long", [](auto& r) { r.work_item = std::string(257, 'w'); }, "--work-item",
       "must be at most 256 bytes", "shorten its 257 bytes"},
      {"a label without a key",
       [](auto& r) {
         r.labels = {{"", "v"}};
       },
       "--label", "the key '' is not 1 to 64", "--label KEY=VALUE"},
      {"a label whose key has a space",
       [](auto& r) {
         r.labels = {{"a b", "v"}};
       },
       "--label", "the key 'a b' is not", "--label a-b=VALUE"},
      {"a label whose value steers the terminal",
       [](auto& r) {
         r.labels = {{"k", "\x1b]0;x\a"}};
       },
       "--label", "must be at most 256 bytes", "write it as plain text in one line"},
      {"too many labels",
       [](auto& r) {
         for (int i = 0; i <= 64; ++i) r.labels["k" + std::to_string(i)] = "v";
       },
       "--label", "at most 64 labels", "put several things into one label's value"},
      {"too many ports", [](auto& r) { r.ports.assign(21, 80); }, "--port", "at most 20 ports",
       "hold the others by a second session"},
      {"a pool of no slots", [](auto& r) { r.pool = {.name = "p", .max = -1}; }, "--max", "must be at least 1",
       "--max 1"},
      {"a place in no line", [](auto& r) { r.pool.priority = 1; }, "--priority", "needs a pool", "--pool NAME"},
      {"a place behind the last", [](auto& r) { r.pool = {.name = "p", .priority = -101}; }, "--priority",
       "must be from -100 to 100", "--priority=-100"},
      {"no time at all", [](auto& r) { r.ttl = microseconds(0); }, "--ttl", "must be longer than 0",
       "--ttl 15min, or infinity"},
      {"a scope as another user",
       [](auto& r) {
         r.kind = SessionKind::scope;
         r.user = "ann";
       },
       "--uid", "a --scope session runs as the caller", "leave out --scope, or use sudo -u ann"},
      {"a scope with --stdout",
       [](auto& r) {
         r.kind = SessionKind::scope;
         r.stdout_file = "/tmp/x";
       },
       "--stdout", "the output of a --scope session goes to the caller's own streams", "redirect it with > FILE"},
      {"a scope with --stderr",
       [](auto& r) {
         r.kind = SessionKind::scope;
         r.stderr_file = "/tmp/x";
       },
       "--stderr", "the output of a --scope session goes to the caller's own streams", "redirect it with > FILE"},
  };
  return table;
}

TEST(RequestRules, RefuseWithTheOptionTheRuleAndTheRemedy) {
  for (const Refusal& refusal : refusals()) {
    SessionRequest request = sample_record().request;
    refusal.spoil(request);
    const Error error = thrown_by([&] { check_request(request); });
    EXPECT_EQ(error.code(), ErrorCode::usage) << refusal.what;
    EXPECT_EQ(error.context(), "invalid") << refusal.what;
    EXPECT_EQ(error.object(), refusal.option) << refusal.what;
    EXPECT_EQ(error.reason().substr(0, refusal.reason.size()), refusal.reason) << refusal.what;
    EXPECT_EQ(error.hint(), refusal.hint) << refusal.what;
    EXPECT_NE(error.hint(), "") << refusal.what;
  }
}

TEST(RequestRules, HintANameThatTheyAccept) {
  for (const char* name : {"My App", "-x", "../x", "", "\x1b[2J", "UPPER", "a_b"}) {
    SessionRequest request = sample_record().request;
    request.name = name;
    const std::string hint = thrown_by([&] { check_request(request); }).hint();
    request.name = hint.substr(hint.find_last_of(' ') + 1);
    EXPECT_NO_THROW(check_request(request)) << hint;
  }
}

TEST(RequestRules, AcceptWhatIsJustWithinThem) {
  SessionRequest request = sample_record().request;
  request.name = std::string(64, 'n');
  request.command = {"cat", std::string(131'071, 'x'), "", "\xFF no UTF-8\n"};
  request.project = std::string(64, 'P');
  request.group = "0a._-";
  request.agent = std::string(256, 'a');
  request.work_item = "WI-1 é";
  for (int i = 0; i < 64; ++i) request.labels["k" + std::to_string(i)] = "";
  request.labels["k0"] = std::string(256, 'v');
  request.ports.assign(20, automatic_port);
  request.ttl = microseconds(1);
  request.stop_timeout = microseconds(0);
  request.stdout_file = "/tmp/out";
  request.stderr_file = "/tmp/out";
  request.user = "ann";
  EXPECT_NO_THROW(check_request(request));
  request.ttl = forever;
  EXPECT_NO_THROW(check_request(request));
}

TEST(RequestRules, AcceptAScopeInTheTerminal) {
  SessionRequest request = sample_record().request;
  request.kind = SessionKind::scope;
  request.ttl = std::chrono::hours(1);
  EXPECT_NO_THROW(check_request(request));
}

}  // namespace
}  // namespace agentctl
