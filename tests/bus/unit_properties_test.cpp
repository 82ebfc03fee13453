#include "systemd/unit_properties.hpp"

#include <gmock/gmock.h>

namespace agentctl {
namespace {

using namespace std::chrono_literals;
using Properties = std::vector<UnitProperty>;

UnitSpec service() {
  return {.unit = "agentctl-web.service",
          .slice = "agentctl-shop.slice",
          .description = "agentctl session abcdefghij: npm",
          .kind = SessionKind::service,
          .host = {"/libexec/session-host", "/run/folder"},
          .recorder = {"/libexec/recorder", "/run/folder"},
          .processes = {},
          .can_attach = false,
          .ttl = std::nullopt,
          .stop_timeout = 5s,
          .user = {}};
}

// What every unit begins with.
Properties common() {
  return {{"Description", std::string("agentctl session abcdefghij: npm")},
          {"Slice", std::string("agentctl-shop.slice")},
          {"CollectMode", std::string("inactive-or-failed")},
          {"TimeoutStopUSec", std::uint64_t{5'000'000}}};
}

// What every service goes on with.
Properties of_a_service() {
  return {{"ExecStart", ExecLine{{"/libexec/session-host", "/run/folder"}}},
          {"ExecStopPost", ExecLine{{"/libexec/recorder", "/run/folder"}}},
          {"PermissionsStartOnly", true},
          {"DelegateControllers", std::vector<std::string>{}},
          {"Type", std::string("notify")},
          {"NotifyAccess", std::string("exec")},
          {"StandardInput", std::string("null")},
          {"StandardOutput", std::string("null")},
          {"StandardError", std::string("null")},
          {"OOMPolicy", std::string("continue")}};
}

// Of a service without a restart policy: a person may start it again as often as they like.
const Properties unlimited{{"StartLimitIntervalUSec", std::uint64_t{0}}};

Properties operator+(Properties left, const Properties& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

std::vector<std::string> as_text(const Properties& properties) {
  std::vector<std::string> lines;
  for (const UnitProperty& property : properties) lines.push_back(to_text(property));
  return lines;
}

// Compared as values, which have types; a difference is shown as text.
void expect_properties(const Properties& actual, const Properties& expected) {
  EXPECT_TRUE(actual == expected) << testing::PrintToString(as_text(actual)) << "\ninstead of\n"
                                  << testing::PrintToString(as_text(expected));
}

TEST(UnitProperties, OfAUsersServiceAreThese) {
  expect_properties(unit_properties(service(), ManagerScope::user), common() + of_a_service() + unlimited);
}

TEST(UnitProperties, OfASystemServiceLiftTheRateLimitOfTheJournalToo) {
  expect_properties(unit_properties(service(), ManagerScope::system),
                    common() + of_a_service() +
                        Properties{{"LogRateLimitIntervalUSec", std::uint64_t{1}},
                                   {"LogRateLimitBurst", std::uint32_t{1'000'000'000}}} +
                        unlimited);
}

TEST(UnitProperties, ASessionOfAnotherUserNamesIt) {
  UnitSpec spec = service();
  spec.user = "alice";
  const Properties properties = unit_properties(spec, ManagerScope::system);
  EXPECT_THAT(as_text(properties), testing::Contains("User=alice"));
}

TEST(UnitProperties, ATimeLimitIsRuntimeMax) {
  UnitSpec spec = service();
  spec.ttl = 90s;
  expect_properties(unit_properties(spec, ManagerScope::user),
                    common() + Properties{{"RuntimeMaxUSec", std::uint64_t{90'000'000}}} + of_a_service() + unlimited);
}

TEST(UnitProperties, AnInfiniteTimeLimitIsNone) {
  UnitSpec spec = service();
  spec.ttl = forever;
  expect_properties(unit_properties(spec, ManagerScope::user), common() + of_a_service() + unlimited);
}

TEST(UnitProperties, AnInfiniteStopTimeoutIsSystemdsOwnInfinity) {
  UnitSpec spec = service();
  spec.stop_timeout = forever;
  // USEC_INFINITY is all ones.
  EXPECT_TRUE(unit_properties(spec, ManagerScope::user).at(3) == (UnitProperty{"TimeoutStopUSec", UINT64_MAX}));
}

TEST(UnitProperties, AStopTimeoutLeavesTheRecorderTheTimeToAskForMore) {
  UnitSpec spec = service();
  spec.stop_timeout = 0s;
  EXPECT_TRUE(unit_properties(spec, ManagerScope::user).at(3) ==
              (UnitProperty{"TimeoutStopUSec", std::uint64_t{2'000'000}}));
  spec.kind = SessionKind::scope;
  EXPECT_TRUE(unit_properties(spec, ManagerScope::user).at(3) == (UnitProperty{"TimeoutStopUSec", std::uint64_t{1000}}))
      << "it has no recorder, and 0 in its file would be infinity";
}

TEST(UnitProperties, CommandLinesHideTheirDollarsFromSystemd) {
  UnitSpec spec = service();
  spec.host = {"/libexec/session-host", "/home/$USER/${x}"};
  const Properties properties = unit_properties(spec, ManagerScope::user);
  EXPECT_TRUE(properties.at(4) ==
              (UnitProperty{"ExecStart", ExecLine{{"/libexec/session-host", "/home/$$USER/$${x}"}}}));
}

TEST(UnitProperties, RestartsAreSystemdsAndTheirDelayIsTheHosts) {
  UnitSpec spec = service();
  spec.restart = {.policy = RestartPolicy::on_failure, .limit = 7, .never_on = {9}};
  expect_properties(unit_properties(spec, ManagerScope::user),
                    common() + of_a_service() +
                        Properties{{"Restart", std::string("on-failure")},
                                   {"RestartUSec", std::uint64_t{0}},
                                   {"RestartPreventExitStatus", ExitCodes{{78, 9}}},
                                   {"StartLimitIntervalUSec", std::uint64_t{10'000'000}},
                                   {"StartLimitBurst", std::uint32_t{27}}});
}

TEST(UnitProperties, OfAScopeHaveItsProcessAndNothingOfAService) {
  UnitSpec spec = service();
  spec.kind = SessionKind::scope;
  spec.processes = {4711};
  spec.ttl = 1h;
  for (const ManagerScope scope : {ManagerScope::user, ManagerScope::system})
    expect_properties(unit_properties(spec, scope),
                      common() + Properties{{"RuntimeMaxUSec", std::uint64_t{3'600'000'000}},
                                            {"AddRef", true},
                                            {"PIDs", std::vector<std::uint32_t>{4711}}});
}

TEST(UnitProperties, KeepAScopeLoadedWhoseEndSomebodyWaitsFor) {
  UnitSpec spec = service();
  spec.kind = SessionKind::scope;
  spec.can_attach = true;
  expect_properties(unit_properties(spec, ManagerScope::user),
                    common() + Properties{{"Delegate", true}, {"PIDs", std::vector<std::uint32_t>{}}});
}

TEST(UnitProperties, LetSystemdLookWhereNoRecorderMayHave) {
  const std::vector<std::string> reconcile{"agentctl-reconcile@x.service"};
  UnitSpec spec = service();
  spec.when_unrecorded = reconcile.front();
  expect_properties(unit_properties(spec, ManagerScope::user),
                    common() + of_a_service() + unlimited + Properties{{"OnFailure", reconcile}});
  spec.kind = SessionKind::scope;
  expect_properties(unit_properties(spec, ManagerScope::user),
                    common() + Properties{{"AddRef", true},
                                          {"PIDs", std::vector<std::uint32_t>{}},
                                          {"OnFailure", reconcile},
                                          {"OnSuccess", reconcile}});
}

TEST(UnitProperties, AreShownAsSystemctlShowsThem) {
  EXPECT_EQ(to_text({"A", true}), "A=yes");
  EXPECT_EQ(to_text({"A", false}), "A=no");
  EXPECT_EQ(to_text({"A", std::int32_t{-1}}), "A=-1");
  EXPECT_EQ(to_text({"A", std::uint32_t{7}}), "A=7");
  EXPECT_EQ(to_text({"A", std::uint64_t{5'000'000}}), "A=5000000");
  EXPECT_EQ(to_text({"A", std::string("a\033b")}), "A=a\\x1bb");
  EXPECT_EQ(to_text({"A", std::vector<std::string>{"x", "y"}}), "A=x y");
  EXPECT_EQ(to_text({"A", ExitCodes{{78, 9}}}), "A=78 9");
  EXPECT_EQ(to_text({"PIDs", std::vector<std::uint32_t>{1, 2}}), "PIDs=1 2");
  EXPECT_EQ(to_text({"ExecStart", ExecLine{{"/bin/echo", "it's", "$x"}}}), "ExecStart=/bin/echo 'it'\\''s' '$x'");
}

TEST(UnitProperties, LimitsAndSandboxAreSystemds) {
  UnitSpec spec = service();
  spec.limits = {.memory_max = 1024, .tasks_max = 5, .cpu_quota = 150};
  expect_properties(unit_properties(spec, ManagerScope::system),
                    common() + of_a_service() +
                        Properties{{"LogRateLimitIntervalUSec", std::uint64_t{1}},
                                   {"LogRateLimitBurst", std::uint32_t{1'000'000'000}},
                                   {"StartLimitIntervalUSec", std::uint64_t{0}},
                                   {"MemoryMax", std::uint64_t{1024}},
                                   {"TasksMax", std::uint64_t{5}},
                                   {"CPUQuotaPerSecUSec", std::uint64_t{1'500'000}}});
  spec.limits = {};
  spec.sandbox = {.private_tmp = true, .protect_home = true, .read_only_system = true, .no_network = true};
  spec.runtime_dir = "/run/folder";
  expect_properties(unit_properties(spec, ManagerScope::user),
                    common() + of_a_service() + unlimited +
                        Properties{{"PrivateUsers", true},
                                   {"PrivateTmp", true},
                                   {"ProtectHome", std::string("read-only")},
                                   {"ProtectSystem", std::string("full")},
                                   {"PrivateNetwork", true},
                                   {"ReadWritePaths", std::vector<std::string>{"/run/folder"}}});
}

}  // namespace
}  // namespace agentctl
