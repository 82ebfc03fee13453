#include "domain/service_file.hpp"

#include <gmock/gmock.h>

#include "domain/request_rules.hpp"
#include "support/checked_services.hpp"
#include "support/service_cases.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

GitMark no_git(const std::string&) { return GitMark::none; }

ServiceRules without_git() {
  ServiceRules rules;
  rules.require_git_workdir = false;
  return rules;
}

/// A file of one service with these members, which replace the usual ones: R"("ports": [1])".
std::string file_with(const std::string& members, const std::string& top = {}) {
  return R"({"specs": [{"name": "web", "cmd": "node", "healthcheck": {"type": "http", "url": "http://localhost:3001/",)"
         R"( "expect_status": 200, "timeout_s": 60})" +
         (members.empty() ? "" : ", " + members) + "}]" + (top.empty() ? "" : ", " + top) + "}";
}

ServiceSpec spec_of(const std::string& text) { return taken(text).specs.front(); }

std::string repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

TEST(ServiceFile, AnswersWhatAgentsKnow) {
  const std::vector<ServiceCase> cases = service_cases(false, {});
  EXPECT_EQ(cases.size(), 254u);
  for (const ServiceCase& one : cases)
    expect_answer(one, check_service_file(one.text, rules_of_the_cases(false), no_git));
}

TEST(ServiceFile, OwnRulesAreThoseOfTheCases) {
  const ServiceRules own;
  const ServiceRules given = rules_of_the_cases(true);
  EXPECT_EQ(own.executables, given.executables);
  EXPECT_EQ(own.env_keys, given.env_keys);
  EXPECT_EQ(own.env_prefixes, given.env_prefixes);
  EXPECT_EQ(own.max_specs, given.max_specs);
  EXPECT_EQ(own.default_ttl_minutes, given.default_ttl_minutes);
  EXPECT_EQ(own.max_ttl_minutes, given.max_ttl_minutes);
  EXPECT_TRUE(own.require_git_workdir);
}

TEST(ServiceFile, PointsAtThePlace) {
  EXPECT_EQ(refusal_of(R"({"specs": [{"name": "A"}]})"), "spec[0]: name-not-kebab-case (A) @/specs/0/name");
  EXPECT_EQ(refusal_of(R"({"specs": [{}]})"), "spec[0]: name-missing @/specs/0/name");
  EXPECT_EQ(refusal_of(file_with(R"("env": {"a/b~c": "x"})")),
            "spec[0]: env-key-not-on-allowlist (a/b~c) @/specs/0/env/a~1b~0c");
  EXPECT_EQ(refusal_of(file_with(R"("ports": [3001, 1])")), "spec[0]: port-invalid (1) @/specs/0/ports/1");
  EXPECT_EQ(refusal_of("[]"), "not-an-object @");
  EXPECT_EQ(refusal_of("{}"), "specs-missing @/specs");
  EXPECT_EQ(refusal_of(file_with("", R"("wi_id": 5)")), "wi_id-not-string @/wi_id");
}

TEST(ServiceFile, QuotesNumbersAndListsAsJavaScriptDoes) {
  const auto port = [](const std::string& written) {
    const std::string reason = refusal_of(file_with("\"ports\": [" + written + "]"));
    return reason.substr(0, reason.find(" @"));
  };
  EXPECT_EQ(port("1e21"), "spec[0]: port-invalid (1e+21)");
  EXPECT_EQ(port("123456789012345680000"), "spec[0]: port-invalid (123456789012345680000)");
  EXPECT_EQ(port("1e400"), "spec[0]: port-invalid (Infinity)");
  EXPECT_EQ(port("0.30000000000000004"), "spec[0]: port-invalid (0.30000000000000004)");
  EXPECT_EQ(port("0.000001"), "spec[0]: port-invalid (0.000001)");
  EXPECT_EQ(port("-1.5e-7"), "spec[0]: port-invalid (-1.5e-7)");
  EXPECT_EQ(port("-0.0"), "spec[0]: port-invalid (0)");
  EXPECT_EQ(port("9007199254740993"), "spec[0]: port-invalid (9007199254740992)");
  EXPECT_EQ(port("[1, [null, \"a\"], {}]"), "spec[0]: port-invalid (1,,a,[object Object])");
  EXPECT_EQ(port("\"" + std::string(4096, 'x') + "\""), "spec[0]: port-invalid (" + std::string(4096, 'x') + ")");
  EXPECT_EQ(port("\"" + std::string(5000, 'x') + "\""), "spec[0]: port-invalid (" + std::string(4095, 'x') + "…)");
}

TEST(ServiceFile, TakesHalfASurrogatePairAsJavaScriptDoes) {
  const auto argument = [](const std::string& written) { return file_with("\"args\": [\"" + written + "\"]"); };
  EXPECT_THAT(spec_of(argument(R"(a\ud800b\uDFFFc)")).args, ElementsAre("a\uFFFDb\uFFFDc"));
  EXPECT_THAT(spec_of(argument(R"(\ud83d\ude00)")).args, ElementsAre("\U0001F600")) << "two halves are one";
  EXPECT_THAT(spec_of(argument(R"(\\ud800)")).args, ElementsAre(R"(\ud800)")) << "a backslash that is escaped itself";
  EXPECT_EQ(spec_of(argument(repeated(R"(\udc00)", 500))).args.front(), repeated("\uFFFD", 500)) << "one unit each";
  EXPECT_EQ(refusal_of(argument(repeated(R"(\udc00)", 501))), "spec[0]: arg-too-long @/specs/0/args/0");
  EXPECT_EQ(refusal_of(file_with(R"("name": "\ud800")")), "spec[0]: name-not-kebab-case (\uFFFD) @/specs/0/name");
  EXPECT_EQ(refusal_of(file_with(R"("env": {"\ud800": ""})")),
            "spec[0]: env-key-not-on-allowlist (\uFFFD) @/specs/0/env/\uFFFD");
  EXPECT_EQ(refusal_of(file_with(R"("ports": [["\ud800"]])")), "spec[0]: port-invalid (\uFFFD) @/specs/0/ports/0");
  // {"a":"…"}: 8 bytes around them, 6 for each.
  const auto attrs = [](const std::string& written) { return file_with("\"attrs\": {\"a\": \"" + written + "\"}"); };
  EXPECT_EQ(spec_of(attrs(repeated(R"(\ud800)", 340))).attrs.size(), 2048u);
  EXPECT_EQ(refusal_of(attrs(repeated(R"(\ud800)", 340) + "b")), "spec[0]: attrs-too-large (>2048B) @/specs/0/attrs");
  EXPECT_EQ(spec_of(attrs(repeated("\uFFFD", 680))).attrs.size(), 2048u) << "a character like all others";
  EXPECT_EQ(spec_of(to_json(taken(attrs(R"(\ud800)")))).attrs, "{\"a\":\"\uFFFD\"}") << "what it prints, it reads";
}

// From here on: where we differ from the program that the format is from.

TEST(ServiceFile, ANumberIsANumberOrDecimalDigits) {
  EXPECT_THAT(spec_of(file_with(R"("ports": [3001, "3002", "03003"])")).ports, ElementsAre(3001, 3002, 3003));
  for (const char* port : {"\" 3001\"", "\"0xBB9\"", "\"3e3\"", "\"3001.0\"", "\"+3001\"", "[3001]", "true"})
    EXPECT_THAT(refusal_of(file_with("\"ports\": [" + std::string(port) + "]")), StartsWith("spec[0]: port-invalid ("));
  EXPECT_EQ(refusal_of(file_with(R"("ttl_minutes": true)")), "spec[0]: ttl-invalid @/specs/0/ttl_minutes");
  EXPECT_EQ(refusal_of(file_with(R"("ttl_minutes": [60])")), "spec[0]: ttl-invalid @/specs/0/ttl_minutes");
  EXPECT_EQ(refusal_of(file_with(R"("ttl_minutes": "1e2")")), "spec[0]: ttl-invalid @/specs/0/ttl_minutes");
  EXPECT_EQ(refusal_of(file_with(health(R"("type": "http", "url": "http://x", "expect_status": "0xC8")"))),
            "spec[0]: healthcheck-expect-status-invalid @/specs/0/healthcheck/expect_status");
  EXPECT_EQ(refusal_of(file_with(R"("healthcheck": {"type": "http", "timeout_s": [60]})")),
            "spec[0]: healthcheck-timeout-invalid @/specs/0/healthcheck/timeout_s");
}

TEST(ServiceFile, HalfAMinuteIsAMinuteAndNotTheDefault) {
  EXPECT_EQ(spec_of(file_with(R"("ttl_minutes": 0.5)")).ttl_minutes, 1);
  EXPECT_EQ(spec_of(file_with(R"("ttl_minutes": 1e-300)")).ttl_minutes, 1);
  EXPECT_EQ(refusal_of(file_with(R"("ttl_minutes": -0.5)")), "spec[0]: ttl-invalid @/specs/0/ttl_minutes");
  EXPECT_EQ(refusal_of(file_with(R"("ttl_minutes": 1e400)")), "spec[0]: ttl-invalid @/specs/0/ttl_minutes");
  EXPECT_EQ(refusal_of(file_with(R"("ttl_minutes": 1e20)")), "spec[0]: ttl-too-long (>1440min) @/specs/0/ttl_minutes");
}

TEST(ServiceFile, NulIsNowhere) {
  EXPECT_EQ(refusal_of(file_with(R"("cmd": "/a\u0000/node")")), "spec[0]: cmd-contains-nul @/specs/0/cmd");
  EXPECT_EQ(refusal_of(file_with(R"("args": ["a", "b\u0000"])")), "spec[0]: arg-contains-nul @/specs/0/args/1");
  EXPECT_EQ(refusal_of(file_with(R"("cwd": "/\u0000")")), "spec[0]: cwd-contains-nul @/specs/0/cwd");
  EXPECT_EQ(refusal_of(file_with(R"("env": {"VITE_A": "\u0000"})")),
            "spec[0]: env-value-contains-nul (VITE_A) @/specs/0/env/VITE_A");
  EXPECT_EQ(refusal_of(file_with("", R"("written_by": "\u0000")")), "written_by-contains-nul @/written_by");
  EXPECT_EQ(refusal_of(file_with(health(R"("type": "http", "url": "http://\u0000", "expect_status": 200)"))),
            "spec[0]: healthcheck-url-contains-nul @/specs/0/healthcheck/url");
  EXPECT_EQ(refusal_of(file_with(health(R"("type": "command", "cmd": "curl \u0000", "shell": true)"))),
            "spec[0]: healthcheck-cmd-contains-nul @/specs/0/healthcheck/cmd");
  for (const char* attrs : {R"({"a": "\u0000"})", R"({"\u0000": 1})", R"({"a": [{"b": ["x\u0000"]}]})"})
    EXPECT_EQ(refusal_of(file_with("\"attrs\": " + std::string(attrs))), "spec[0]: attrs-contains-nul @/specs/0/attrs");
  EXPECT_EQ(spec_of(file_with(R"("attrs": {"a": "\\u0000"})")).attrs, R"({"a":"\\u0000"})") << "a backslash";
  EXPECT_EQ(refusal_of(file_with(R"("attrs": {"a": ")" + repeated("\\u0000", 341) + "\"}")),
            "spec[0]: attrs-too-large (>2048B) @/specs/0/attrs");
}

TEST(ServiceFile, AVariableHasTheNameOfOne) {
  EXPECT_EQ(refusal_of(file_with(R"("env": {"VITE_A=B": "x"})")),
            "spec[0]: env-key-invalid-shape (VITE_A=B) @/specs/0/env/VITE_A=B");
  EXPECT_THAT(refusal_of(file_with(R"("env": {"VITE_\u0000": "x"})")), StartsWith("spec[0]: env-key-invalid-shape ("));
  EXPECT_THAT(refusal_of(file_with(R"("env": {"VITE_\u00e9": "x"})")), StartsWith("spec[0]: env-key-invalid-shape ("));
}

TEST(ServiceFile, AKelvinSignIsNoK) {
  EXPECT_THAT(refusal_of(file_with(R"("cmd": "doc\u212Aer")")), StartsWith("spec[0]: cmd-not-on-allowlist (doc"));
  EXPECT_EQ(spec_of(file_with(R"("cmd": "DOCKER.Exe")")).cmd, "DOCKER.Exe");
}

TEST(ServiceFile, WhatIsWrongWithAUrlIsForTheCheckToSay) {
  const auto with_url = [](const std::string& url) {
    return file_with(health(R"("type": "http", "expect_status": 200, "url": ")" + url + "\""));
  };
  for (const char* url : {"http://x/a b", "http://x/\\r\\nHost: y", "http://x/\\u007f", "http://"})
    EXPECT_EQ(refusal_of(with_url(url)), "ok");
  EXPECT_EQ(refusal_of(with_url("http://x/" + std::string(10'000, 'a'))), "ok");
  EXPECT_EQ(refusal_of(with_url("http://x/" + std::string(max_argument, 'a'))),
            "spec[0]: healthcheck-url-too-long @/specs/0/healthcheck/url");
}

TEST(ServiceFile, ACommandFitsIntoOneArgumentOfTheShell) {
  std::string args;
  for (int i = 0; i < 64; ++i) args += (i > 0 ? ", \"" : "\"") + std::string(500, '\'') + '"';
  const auto with_args = [&](const std::string& shell) {
    return file_with(health(R"("type": "command", "expect_regex": "x", "shell": )" + shell + ", \"cmd\": \"curl " +
                            repeated("\u20AC", 995) + "\", \"args\": [" + args + "]"));
  };
  EXPECT_EQ(refusal_of(with_args("false")), "ok");
  EXPECT_EQ(refusal_of(with_args("true")), "spec[0]: healthcheck-args-too-long @/specs/0/healthcheck/args");
}

TEST(ServiceFile, AgentctlsOwnUnitKeepsItsName) {
  EXPECT_EQ(refusal_of(file_with(R"("name": "reconcile")")), "spec[0]: name-reserved (reconcile) @/specs/0/name");
}

TEST(ServiceFile, WithoutAShellACommandCheckIsAProgramAndItsWords) {
  const auto check_of = [](const std::string& members) {
    return spec_of(file_with(health(R"("type": "command", "expect_regex": "^ready$", )" + members))).health;
  };
  HealthCheck plain = check_of(R"("shell": false, "cmd": "curl -H 'A: \"b\"'  \"\" x")");
  EXPECT_EQ(plain.target, "curl");
  EXPECT_THAT(plain.args, ElementsAre("-H", "A: \"b\"", "", "x"));
  plain = check_of(R"-("shell": false, "cmd": "curl", "args": ["-f", "$(id)"])-");
  EXPECT_THAT(plain.args, ElementsAre("-f", "$(id)"));
  plain = check_of(R"-("shell": true, "cmd": "curl", "args": ["-f", "$(id)"])-");
  EXPECT_EQ(plain.target, "curl -f '$(id)'");
  EXPECT_EQ(check_of(R"-("shell": true, "cmd": "curl", "args": ["a\nb's"])-").target, "curl 'a\nb'\\''s'")
      << "sh need not know $'\\n'";
  EXPECT_TRUE(plain.shell);
  const std::string command = R"("type": "command", "expect_regex": "x", "shell": false, )";
  EXPECT_EQ(refusal_of(file_with(health(command + R"("cmd": "\"cu\"rl")"))),
            "spec[0]: healthcheck-cmd-not-on-allowlist (cu\"rl) @/specs/0/healthcheck/cmd");
  EXPECT_EQ(refusal_of(file_with(health(command + R"("cmd": "curl'x'")"))),
            "spec[0]: healthcheck-cmd-not-on-allowlist (curl'x) @/specs/0/healthcheck/cmd");
  EXPECT_EQ(refusal_of(file_with(health(command + R"("cmd": "'curl x")"))),
            "spec[0]: healthcheck-cmd-not-on-allowlist (curl x) @/specs/0/healthcheck/cmd");
  EXPECT_EQ(refusal_of(file_with(health(command + R"("cmd": "curl", "args": [1])"))),
            "spec[0]: healthcheck-arg-not-string @/specs/0/healthcheck/args/0");
}

TEST(ServiceFile, WhatCannotBeReadSafelyIsNoJson) {
  const std::string deep(40, '[');
  EXPECT_EQ(refusal_of(file_with("\"x\": " + deep + std::string(40, ']'))), "json-parse: line 1: too deep @");
  EXPECT_THAT(refusal_of("{\"specs\": [\"\xFF\"]}"), StartsWith("json-parse: line 1: "));
  EXPECT_THAT(refusal_of("{\"specs\": [\"\\ud800\xED\xA0\x80\"]}"), StartsWith("json-parse: line 1: "));
  EXPECT_THAT(refusal_of("{\"specs\":\n[\"\\ud800\", \\ud800]}"), StartsWith("json-parse: line 2: "));
  EXPECT_EQ(refusal_of(std::string(service_file_limit + 1, ' ')), "json-parse: more than 1 MiB @");
  EXPECT_THAT(refusal_of(""), StartsWith("json-parse: "));
  EXPECT_EQ(taken(file_with("") + std::string(1000, '\n')).specs.size(), 1u);
}

TEST(ServiceFile, TheWriterIsCheckedWhenOneIsExpected) {
  const ServiceFile file = taken(file_with("", R"("written_by": "ripley", "wi_id": null)"));
  EXPECT_EQ(check_written_by(file, "", ""), std::nullopt);
  EXPECT_EQ(check_written_by(file, "ripley", ""), std::nullopt);
  EXPECT_EQ(check_written_by(file, "ash", "W-1"),
            (ServiceRefusal{"written-by-mismatch (expected ash, got ripley)", "/written_by"}));
  EXPECT_EQ(check_written_by(file, "ripley", "W-1"),
            (ServiceRefusal{"wi-id-mismatch (expected W-1, got missing)", "/wi_id"}));
}

TEST(ServiceFile, RulesCanBeOthers) {
  ServiceRules rules = without_git();
  rules.max_ttl_minutes = 60;
  rules.executables = {"perl"};
  const auto answer = check_service_file(file_with(R"("cmd": "/usr/bin/perl.sh")"), rules, no_git);
  ASSERT_TRUE(std::holds_alternative<ServiceFile>(answer));
  EXPECT_EQ(std::get<ServiceFile>(answer).specs[0].ttl_minutes, 60) << "the default is within what is allowed";
}

}  // namespace
}  // namespace agentctl
