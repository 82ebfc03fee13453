#include <gmock/gmock.h>

#include "domain/ports.hpp"
#include "domain/service_file.hpp"
#include "support/checked_services.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;

constexpr const char* web_health =
    R"("healthcheck": {"type": "http", "url": "http://x", "expect_status": 200, "timeout_s": 9})";

/// A service of that name with these members besides.
std::string service(const std::string& name, const std::string& members = {}, const std::string& health = web_health) {
  return R"({"name": ")" + name + R"(", "cmd": "node", )" + health + (members.empty() ? "" : ", " + members) + "}";
}

std::string file_of(const std::string& services, const std::string& top = R"("agentctl": 1)") {
  return R"({"specs": [)" + services + "]" + (top.empty() ? "" : ", " + top) + "}";
}

/// Of one service with these members.
std::string refused(const std::string& members) { return refusal_of(file_of(service("web", members))); }

ServiceSpec with(const std::string& members) { return taken(file_of(service("web", members))).specs.front(); }

HealthCheck health_with(const std::string& members) {
  return taken(file_of(service("web", "", health(members)))).specs.front().health;
}

std::string health_refused(const std::string& members) {
  return refusal_of(file_of(service("web", "", health(members))));
}

TEST(ExtendedServiceFile, HasToSayThatItIsOne) {
  const std::string members = R"("restart": "always", "sandbox": 7, "user": "root")";
  const ServiceFile plain = taken(file_of(service("web", members), R"("extra": true)"));
  EXPECT_FALSE(plain.extended);
  EXPECT_EQ(plain.specs.front().restart, RestartRules{}) << "what is unknown is dropped, as it ever was";
  EXPECT_EQ(to_json(plain).find("restart"), std::string::npos);
  EXPECT_EQ(refusal_of(file_of(service("web", R"("ports": ["auto"])"), "")),
            "spec[0]: port-invalid (auto) @/specs/0/ports/0");
  EXPECT_EQ(refusal_of(file_of(service("web"), R"("agentctl": 2)")), "agentctl-version-unknown (2) @/agentctl");
  EXPECT_EQ(refusal_of(file_of(service("web"), R"("agentctl": "1")")), "agentctl-version-unknown (1) @/agentctl");
  EXPECT_FALSE(taken(file_of(service("web"), R"("agentctl": null)")).extended) << "what is null is not there";
}

TEST(ExtendedServiceFile, RefusesUnknownKeysAtTheirPlace) {
  EXPECT_EQ(refused(R"("user": "root")"), "spec[0]: unknown-field (user) @/specs/0/user");
  EXPECT_EQ(refusal_of(file_of(service("web"), R"("agentctl": 1, "a/b": 1)")), "unknown-field (a/b) @/a~1b");
  EXPECT_EQ(health_refused(R"("type": "notify", "url": "http://x")"),
            "spec[0]: unknown-field (url) @/specs/0/healthcheck/url");
  EXPECT_EQ(refused(R"("restart": {"policy": "always", "delay": 1})"),
            "spec[0]: unknown-field (delay) @/specs/0/restart/delay");
  EXPECT_EQ(refused(R"("limits": {"cpus": 1})"), "spec[0]: unknown-field (cpus) @/specs/0/limits/cpus");
  EXPECT_EQ(refused(R"("sandbox": {"tmp": true})"), "spec[0]: unknown-field (tmp) @/specs/0/sandbox/tmp");
}

TEST(ExtendedServiceFile, IsCheckedAsAPlainOneFirst) {
  EXPECT_EQ(refusal_of(file_of(R"({"name": "A", "user": "root"})")), "spec[0]: name-not-kebab-case (A) @/specs/0/name");
  EXPECT_EQ(refusal_of(file_of(service("a", R"("user": 1)") + ", " + service("B"))),
            "spec[0]: unknown-field (user) @/specs/0/user");
  EXPECT_EQ(refusal_of(file_of(service("a") + ", " + service("a", R"("user": 1)"))),
            "spec[1]: unknown-field (user) @/specs/1/user");
  EXPECT_EQ(refusal_of(file_of(service("a", R"("needs": ["b"])"), R"("agentctl": 1, "wi_id": 1)")),
            "wi_id-not-string @/wi_id");
  EXPECT_EQ(refused(R"("restart": 1, "limits": 1, "sandbox": 1)"), "spec[0]: restart-invalid (1) @/specs/0/restart");
}

TEST(ExtendedServiceFile, Restart) {
  EXPECT_EQ(with(R"("restart": "on-failure")").restart.policy, RestartPolicy::on_failure);
  EXPECT_EQ(with(R"("restart": {"policy": "no", "delay_s": 3})").restart, RestartRules{});
  const RestartRules rules = with(R"("restart": {"policy": "always", "delay_s": 300, "limit": 3})").restart;
  EXPECT_EQ(rules.policy, RestartPolicy::always);
  EXPECT_EQ(rules.delay, microseconds(300'000'000));
  EXPECT_EQ(rules.max_delay, rules.delay);
  EXPECT_EQ(rules.limit, 3);
  EXPECT_EQ(refused(R"("restart": "sometimes")"), "spec[0]: restart-invalid (sometimes) @/specs/0/restart");
  EXPECT_EQ(refused(R"("restart": {})"), "spec[0]: restart-invalid (undefined) @/specs/0/restart/policy");
  EXPECT_EQ(refused(R"("restart": {"policy": "always", "delay_s": -1})"),
            "spec[0]: restart-delay-invalid @/specs/0/restart/delay_s");
  EXPECT_EQ(refused(R"("restart": {"policy": "always", "delay_s": 5, "max_delay_s": 4})"),
            "spec[0]: restart-max-delay-invalid @/specs/0/restart/max_delay_s");
  EXPECT_EQ(refused(R"("restart": {"policy": "always", "limit": 0})"),
            "spec[0]: restart-limit-invalid @/specs/0/restart/limit");
}

TEST(ExtendedServiceFile, Limits) {
  const ServiceLimits limits = with(R"("limits": {"memory_max": "512M", "tasks_max": 64, "cpu_quota": "150%"})").limits;
  EXPECT_EQ(limits.memory_max, 512u << 20);
  EXPECT_EQ(limits.tasks_max, 64u);
  EXPECT_EQ(limits.cpu_quota, 150);
  EXPECT_EQ(with(R"("limits": {"memory_max": 1048576})").limits.memory_max, 1u << 20);
  EXPECT_EQ(with(R"("limits": {"memory_max": "2T"})").limits.memory_max, std::uint64_t(2) << 40);
  for (const char* memory :
       {"0", "1", "\"\"", "\"M\"", "\"1X\"", "\"-1M\"", "\"1.5G\"", "1e30", "\"99999999999T\"", "true"})
    EXPECT_EQ(refused(R"("limits": {"memory_max": )" + std::string(memory) + "}").substr(0, 35),
              "spec[0]: limits-memory-max-invalid ")
        << memory;
  EXPECT_EQ(refused(R"("limits": {"tasks_max": 1.5})"),
            "spec[0]: limits-tasks-max-invalid (1.5) @/specs/0/limits/tasks_max");
  EXPECT_EQ(refused(R"("limits": {"cpu_quota": "0%"})"),
            "spec[0]: limits-cpu-quota-invalid (0%) @/specs/0/limits/cpu_quota");
  EXPECT_EQ(refused(R"("limits": {"cpu_quota": "150"})"),
            "spec[0]: limits-cpu-quota-invalid (150) @/specs/0/limits/cpu_quota");
  EXPECT_EQ(refused(R"("limits": [])"), "spec[0]: limits-not-object @/specs/0/limits");
}

TEST(ExtendedServiceFile, Sandbox) {
  EXPECT_EQ(with(R"("sandbox": "none")").sandbox, ServiceSandbox{});
  EXPECT_EQ(with(R"("sandbox": "basic")").sandbox, (ServiceSandbox{.private_tmp = true, .read_only_system = true}));
  EXPECT_TRUE(with(R"("sandbox": "strict")").sandbox.protect_home);
  EXPECT_EQ(with(R"("sandbox": {"no_network": true, "private_tmp": false})").sandbox,
            (ServiceSandbox{.no_network = true}));
  EXPECT_EQ(refused(R"("sandbox": "total")"), "spec[0]: sandbox-invalid (total) @/specs/0/sandbox");
  EXPECT_EQ(refused(R"("sandbox": {"no_network": 1})"),
            "spec[0]: sandbox-not-boolean (no_network) @/specs/0/sandbox/no_network");
}

TEST(ExtendedServiceFile, NeedsAreOthersOfTheFileAndNoCircle) {
  const ServiceFile file = taken(file_of(service("web", R"("needs": ["db", "cache"])") + ", " + service("db") + ", " +
                                         service("cache", R"("needs": ["db"])")));
  EXPECT_THAT(file.specs.front().needs, ElementsAre("db", "cache"));
  EXPECT_EQ(refused(R"("needs": ["db"])"), "spec[0]: needs-unknown (db) @/specs/0/needs/0");
  EXPECT_EQ(refused(R"("needs": ["web"])"), "spec[0]: needs-itself (web) @/specs/0/needs/0");
  EXPECT_EQ(refused(R"("needs": "db")"), "spec[0]: needs-not-array @/specs/0/needs");
  EXPECT_EQ(refused(R"("needs": [1])"), "spec[0]: need-not-string @/specs/0/needs/0");
  EXPECT_EQ(refusal_of(file_of(service("d", R"("needs": ["a"])") + ", " + service("a", R"("needs": ["b"])") + ", " +
                               service("b", R"("needs": ["c"])") + ", " + service("c", R"("needs": ["a"])"))),
            "spec[0]: needs-circle (a, b, c, a) @/specs/0/needs");
}

TEST(ExtendedServiceFile, FilesPortsAndWhatToDo) {
  const ServiceSpec spec =
      with(R"("stdout": "/tmp/o", "stderr": "/tmp/e", "unhealthy": "stop", "ports": [3001, "auto"])");
  EXPECT_EQ(spec.stdout_file, "/tmp/o");
  EXPECT_EQ(spec.stderr_file, "/tmp/e");
  EXPECT_EQ(spec.health.when_unhealthy, WhenUnhealthy::stop);
  EXPECT_THAT(spec.ports, ElementsAre(3001, automatic_port));
  EXPECT_EQ(with(R"("unhealthy": "report")").health.when_unhealthy, WhenUnhealthy::report);
  EXPECT_EQ(refused(R"("stdout": "o")"), "spec[0]: stdout-not-absolute (o) @/specs/0/stdout");
  EXPECT_EQ(refused(R"("stderr": 1)"), "spec[0]: stderr-not-string @/specs/0/stderr");
  EXPECT_EQ(refused(R"("stdout": "/\u0000")"), "spec[0]: stdout-contains-nul @/specs/0/stdout");
  EXPECT_EQ(refused(R"("unhealthy": "cry")"), "spec[0]: unhealthy-invalid (cry) @/specs/0/unhealthy");
  EXPECT_EQ(refused(R"("ports": ["Auto"])"), "spec[0]: port-invalid (Auto) @/specs/0/ports/0");
}

TEST(ExtendedServiceFile, MoreKindsOfHealthCheck) {
  EXPECT_EQ(health_with(R"("type": "tcp", "port": 5432)").target, "localhost:5432");
  EXPECT_EQ(health_with(R"("type": "tcp", "target": "[::1]:80")").target, "[::1]:80");
  EXPECT_EQ(health_with(R"("type": "unix", "path": "/run/x.sock")").kind, HealthKind::unix_socket);
  EXPECT_EQ(health_with(R"("type": "log", "regex": "listening on \\d+")").target, "listening on \\d+");
  const HealthCheck notify = health_with(R"("type": "notify", "interval_s": 0.25)");
  EXPECT_EQ(notify.kind, HealthKind::notify);
  EXPECT_EQ(notify.interval, microseconds(250'000));
  EXPECT_EQ(notify.timeout, microseconds(60'000'000));
  EXPECT_EQ(health_refused(R"("type": "tcp")"), "spec[0]: healthcheck-target-missing @/specs/0/healthcheck/target");
  EXPECT_EQ(health_refused(R"("type": "tcp", "port": 0)"),
            "spec[0]: healthcheck-port-invalid (0) @/specs/0/healthcheck/port");
  EXPECT_EQ(health_refused(R"("type": "tcp", "port": 1, "target": "a:1")"),
            "spec[0]: healthcheck-port-and-target @/specs/0/healthcheck/port");
  for (const char* target : {"a", "a:", ":1", "a:0", "a:65536", "a b:1", "::1:80", "a:1:2"})
    EXPECT_EQ(health_refused(R"("type": "tcp", "target": ")" + std::string(target) + "\""),
              "spec[0]: healthcheck-target-invalid (" + std::string(target) + ") @/specs/0/healthcheck/target");
  EXPECT_EQ(health_refused(R"("type": "unix", "path": "x")"),
            "spec[0]: healthcheck-path-not-absolute @/specs/0/healthcheck/path");
  EXPECT_EQ(health_refused(R"("type": "unix", "path": "/)" + std::string(107, 'x') + "\""),
            "spec[0]: healthcheck-path-too-long @/specs/0/healthcheck/path");
  EXPECT_EQ(health_refused(R"("type": "log")"), "spec[0]: healthcheck-regex-missing @/specs/0/healthcheck/regex");
  EXPECT_EQ(health_refused(R"("type": "log", "regex": "a++")"),
            "spec[0]: healthcheck-regex-invalid (nothing to repeat at offset 2) @/specs/0/healthcheck/regex");
}

TEST(ExtendedServiceFile, IsWrittenSoThatItIsReadAsTheSame) {
  const ServiceFile file = taken(file_of(
      service("web", R"("restart": {"policy": "always", "max_delay_s": 2.5}, "limits": {"memory_max": "1G"},)"
                     R"( "sandbox": "strict", "needs": ["db"], "stdout": "/tmp/o", "unhealthy": "restart",)"
                     R"( "ports": ["auto"], "attrs": {"a": [1, 1e21, 0.1, "\u0001/"]}, "env": {"NODE_ENV": "x"})") +
      ", " + service("db", "", health(R"("type": "tcp", "port": 5432, "interval_s": 0.1)"))));
  const std::string written = to_json(file);
  EXPECT_EQ(written,
            R"({"agentctl":1,"specs":[{"name":"web","cmd":"node","args":[],"cwd":"","env":{"NODE_ENV":"x"},)"
            R"("ports":["auto"],"ttl_minutes":240,"attrs":{"a":[1,1e+21,0.1,"\u0001/"]},"healthcheck":{"type":"http",)"
            R"("url":"http://x","expect_status":200,"interval_s":1,"timeout_s":9},"restart":{"policy":"always",)"
            R"("delay_s":2,"max_delay_s":2.5,"limit":5},"limits":{"memory_max":1073741824},"sandbox":)"
            R"({"private_tmp":true,"protect_home":true,"read_only_system":true,"no_network":false},"needs":["db"],)"
            R"("stdout":"/tmp/o","unhealthy":"restart"},{"name":"db","cmd":"node","args":[],"cwd":"","env":{},)"
            R"("ports":[],"ttl_minutes":240,"attrs":{},"healthcheck":{"type":"tcp","target":"localhost:5432",)"
            R"("interval_s":0.1,"timeout_s":60}}],"written_by":"","wi_id":""})");
  EXPECT_EQ(to_json(taken(written)), written);
}

}  // namespace
}  // namespace agentctl
