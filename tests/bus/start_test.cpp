#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>

#include "base/file.hpp"
#include "bus/bus_fixture.hpp"

namespace agentctl {
namespace {

using testing::HasSubstr;
using Exchange = FakeSystemd::Exchange;

class StartTest : public BusTest {
 protected:
  StartResult start(const UnitSpec& spec) {
    return bounded([&] { return engine_.start(spec); });
  }
  // Of this process.
  static std::set<int> sockets() {
    std::set<int> found;
    for (const std::string& fd : list_directory("/proc/self/fd")) {
      std::array<char, 8> target{};
      const ssize_t n = ::readlink(("/proc/self/fd/" + fd).c_str(), target.data(), target.size());
      if (n > 0 && std::string_view(target.data(), 7) == "socket:") found.insert(std::stoi(fd));
    }
    return found;
  }
  RecordedCall only_start() {
    const auto calls = systemd_.calls("StartTransientUnit");
    EXPECT_EQ(calls.size(), 1);
    return calls.empty() ? RecordedCall{} : calls.front();
  }
};

TEST_F(StartTest, AUsersServiceIsAskedForWithExactlyTheseArguments) {
  EXPECT_TRUE(start(service_spec()).started);
  const RecordedCall call = only_start();
  EXPECT_EQ(call.path, "/org/freedesktop/systemd1");
  EXPECT_EQ(call.signature, "ssa(sv)a(sa(sv))");
  EXPECT_EQ(
      call.arguments,
      R"("agentctl-web.service" "fail" [)"
      R"(("Description" <s "agentctl session abcdefghij: npm">) )"
      R"(("Slice" <s "agentctl-shop.slice">) )"
      R"(("CollectMode" <s "inactive-or-failed">) )"
      R"(("TimeoutStopUSec" <t 5000000>) )"
      R"(("ExecStart" <a(sasb) [("/libexec/session-host" ["/libexec/session-host" "/run/web's $$HOME"] false)]>) )"
      R"(("ExecStopPost" <a(sasb) [("/libexec/recorder" ["/libexec/recorder" "/run/web's $$HOME"] false)]>) )"
      R"(("PermissionsStartOnly" <b true>) )"
      R"(("DelegateControllers" <as []>) )"
      R"(("Type" <s "notify">) )"
      R"(("NotifyAccess" <s "exec">) )"
      R"(("StandardInput" <s "null">) )"
      R"(("StandardOutput" <s "null">) )"
      R"(("StandardError" <s "null">) )"
      R"(("OOMPolicy" <s "continue">) )"
      R"(("StartLimitIntervalUSec" <t 0>)] [])");
}

TEST_F(StartTest, RulesForRestartsGoWithTheTypesThatSystemdTakes) {
  UnitSpec spec = service_spec();
  spec.restart = {.policy = RestartPolicy::always};
  EXPECT_TRUE(start(spec).started);
  EXPECT_THAT(only_start().arguments, HasSubstr(R"(("Restart" <s "always">))"));
  EXPECT_THAT(only_start().arguments, HasSubstr(R"(("RestartPreventExitStatus" <(aiai) ([78] [])>))"));
}

TEST_F(StartTest, ATimeLimitGoesAsMicroseconds) {
  UnitSpec spec = service_spec();
  spec.ttl = std::chrono::minutes(15);
  EXPECT_TRUE(start(spec).started);
  EXPECT_THAT(only_start().arguments, HasSubstr(R"(("RuntimeMaxUSec" <t 900000000>))"));
}

TEST_F(StartTest, AScopeIsAskedForWithItsProcess) {
  UnitSpec spec = service_spec();
  spec.kind = SessionKind::scope;
  spec.unit = "agentctl-web.scope";
  spec.processes = {4711};
  EXPECT_TRUE(start(spec).started);
  EXPECT_EQ(only_start().arguments, R"("agentctl-web.scope" "fail" [)"
                                    R"(("Description" <s "agentctl session abcdefghij: npm">) )"
                                    R"(("Slice" <s "agentctl-shop.slice">) )"
                                    R"(("CollectMode" <s "inactive-or-failed">) )"
                                    R"(("TimeoutStopUSec" <t 5000000>) )"
                                    R"(("AddRef" <b true>) )"
                                    R"(("PIDs" <au [4711]>)] [])");
}

// Who runs a command in a scope waits for it, and reads nothing meanwhile.
TEST_F(StartTest, WhatOthersStartAfterwardsDoesNotPileUpUnread) {
  const std::set<int> before = sockets();
  engine_.connect();
  std::vector<int> own;
  std::ranges::set_difference(sockets(), before, std::back_inserter(own));
  ASSERT_EQ(own.size(), 1);
  EXPECT_TRUE(start(service_spec()).started);
  const auto watch = engine_.watch({"agentctl-web.service"});  // whoever waits for it now
  systemd_.on("GetAll", [](Exchange& exchange) {
    for (int i = 0; i < 100; ++i) exchange.job_removed("done", "/org/freedesktop/systemd1/job/others");
    exchange.proceed();
  });
  SystemdEngine(ManagerScope::user, runtime_dir()).inspect("agentctl-web.service");
  int unread = 0;
  ASSERT_EQ(::ioctl(own.front(), FIONREAD, &unread), 0);
  EXPECT_LT(unread, 1000);
}

TEST_F(StartTest, ASystemServiceIsAskedForOnTheSystemBus) {
  ::setenv("DBUS_SYSTEM_BUS_ADDRESS", bus_.address().c_str(), 1);
  SystemdEngine system(ManagerScope::system, "/nonexistent");
  UnitSpec spec = service_spec();
  spec.user = "alice";
  const StartResult result = bounded([&] { return system.start(spec); });
  ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
  EXPECT_TRUE(result.started);
  EXPECT_THAT(only_start().arguments,
              HasSubstr(R"(("OOMPolicy" <s "continue">) ("User" <s "alice">) ("LogRateLimitIntervalUSec" <t 1>) )"
                        R"(("LogRateLimitBurst" <u 1000000000>) )"
                        R"(("StartLimitIntervalUSec" <t 0>)] [])"));
}

TEST_F(StartTest, AJobThatEndsBeforeTheReplyCounts) {
  systemd_.on("StartTransientUnit", [](Exchange& exchange) {
    exchange.job_removed("done");
    exchange.reply_job();
  });
  EXPECT_TRUE(start(service_spec()).started);
}

TEST_F(StartTest, AJobThatFailsBeforeTheReplyCountsToo) {
  systemd_.on("StartTransientUnit", [](Exchange& exchange) {
    exchange.job_removed("failed");
    exchange.reply_job();
  });
  const StartResult result = start(service_spec());
  EXPECT_FALSE(result.started);
  EXPECT_EQ(result.job_result, "failed");
}

TEST_F(StartTest, TheEndOfSomebodyElsesJobDoesNotCount) {
  systemd_.on("StartTransientUnit", [](Exchange& exchange) {
    exchange.job_removed("failed", "/org/freedesktop/systemd1/job/4000");
    exchange.reply_job();
    exchange.job_removed("canceled", "/org/freedesktop/systemd1/job/4001");
    exchange.job_removed("done");
  });
  EXPECT_TRUE(start(service_spec()).started);
}

TEST_F(StartTest, EachResultOfAJobIsTold) {
  for (const std::string result :
       {"done", "canceled", "timeout", "failed", "dependency", "skipped", "invalid", "assert", "unsupported",
        "collected", "once", "frozen", "concurrency", "a result of next year"}) {
    systemd_.on("StartTransientUnit", end_job_with(result));
    const StartResult answer = start(service_spec());
    EXPECT_EQ(answer.job_result, result);
    EXPECT_EQ(answer.started, result == "done") << result;
  }
}

TEST_F(StartTest, AUnitThatExistsIsAConflict) {
  systemd_.set_unit({.name = "agentctl-web.service"});
  const Error error = thrown_by([&] { start(service_spec()); });
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_STREQ(error.what(), "cannot start 'agentctl-web.service': a session of that name lives");
}

TEST_F(StartTest, ARefusalOfPolicyIsNotPermitted) {
  systemd_.on("StartTransientUnit",
              refuse_with("org.freedesktop.DBus.Error.AccessDenied", "Permission denied by polkit"));
  const Error error = thrown_by([&] { start(service_spec()); });
  EXPECT_EQ(error.code(), ErrorCode::not_permitted);
  EXPECT_STREQ(error.what(), "cannot start 'agentctl-web.service': Permission denied by polkit");
}

TEST_F(StartTest, AfterARefusalTheSameEngineCanStart) {
  systemd_.on("StartTransientUnit", refuse_with("org.freedesktop.DBus.Error.LimitsExceeded", "too many"));
  EXPECT_EQ(thrown_by([&] { start(service_spec()); }).code(), ErrorCode::failed);
  systemd_.on("StartTransientUnit", end_job_with("done"));
  EXPECT_TRUE(start(service_spec()).started);
}

TEST_F(StartTest, ATimeLimitThatWasLeftBehindDoesNotReachTheNextUnitOfItsName) {
  const std::string folder = runtime_dir() + "/systemd/transient/agentctl-web.service.d";
  engine_.persist_time_limit("agentctl-web.service", std::chrono::minutes(90));
  EXPECT_EQ(get_file(folder + "/50-agentctl-extend.conf"),
            "# Written by: agentctl extend\n[Service]\nRuntimeMaxSec=1h 30min\n");
  EXPECT_TRUE(start(service_spec()).started);
  EXPECT_FALSE(exists(folder));
}

TEST_F(StartTest, TheTimeLimitOfAUnitThatLivesStays) {
  systemd_.set_unit({.name = "agentctl-web.service"});
  engine_.persist_time_limit("agentctl-web.service", std::chrono::minutes(90));
  EXPECT_EQ(thrown_by([&] { start(service_spec()); }).code(), ErrorCode::conflict);
  EXPECT_THAT(list_directory(runtime_dir() + "/systemd/transient/agentctl-web.service.d"), testing::SizeIs(1));
  engine_.forget_time_limit("agentctl-web.service");
  engine_.forget_time_limit("agentctl-web.service");
  EXPECT_THAT(list_directory(runtime_dir() + "/systemd/transient"), testing::IsEmpty());
}

TEST_F(StartTest, RestartIsAJobThatReplacesOthers) {
  systemd_.set_unit({.name = "agentctl-web.service"});
  EXPECT_TRUE(bounded([&] { return engine_.restart("agentctl-web.service"); }).started);
  EXPECT_EQ(systemd_.calls("ResetFailedUnit").size(), 1) << "or the sixth within 10 s ends it";
  const auto calls = systemd_.calls("RestartUnit");
  ASSERT_EQ(calls.size(), 1);
  EXPECT_EQ(calls.front().signature, "ss");
  EXPECT_EQ(calls.front().arguments, R"("agentctl-web.service" "replace")");
}

TEST_F(StartTest, ARestartThatFailsIsToldByItsJob) {
  systemd_.on("RestartUnit", [](Exchange& exchange) {
    exchange.job_removed("timeout");
    exchange.reply_job();
  });
  const StartResult result = bounded([&] { return engine_.restart("agentctl-web.service"); });
  EXPECT_FALSE(result.started);
  EXPECT_EQ(result.job_result, "timeout");
}

TEST_F(StartTest, OneEngineStartsManyUnits) {
  for (int i = 0; i < 100; ++i) {
    UnitSpec spec = service_spec();
    spec.unit = "agentctl-web-" + std::to_string(i) + ".service";
    EXPECT_TRUE(start(spec).started);
  }
  EXPECT_EQ(systemd_.calls("StartTransientUnit").size(), 100);
}

}  // namespace
}  // namespace agentctl
