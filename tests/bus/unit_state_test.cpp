#include "bus/bus_fixture.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using UnitStateTest = BusTest;

TEST_F(UnitStateTest, ListAsksForAgentctlsUnitsInOneCall) {
  systemd_.set_unit({.name = "agentctl-web.service", .description = "agentctl session abcdefghij: npm"});
  systemd_.set_unit({.name = "agentctl-shell.scope", .description = "agentctl session bbcdefghij: bash"});
  systemd_.set_unit({.name = "dbus.service"});
  const std::vector<UnitState> units = engine_.list();
  ASSERT_EQ(units.size(), 2);
  EXPECT_EQ(units[0].unit, "agentctl-shell.scope");
  EXPECT_EQ(units[1].unit, "agentctl-web.service");
  EXPECT_EQ(units[1].description, "agentctl session abcdefghij: npm");
  EXPECT_EQ(units[1].activity, Activity::active);
  const auto calls = systemd_.calls("ListUnitsByPatterns");
  ASSERT_EQ(calls.size(), 1);
  EXPECT_EQ(calls.front().signature, "asas");
  EXPECT_EQ(calls.front().arguments, R"([] ["agentctl-*.service" "agentctl-*.scope"])");
}

TEST_F(UnitStateTest, ListOfNothingIsEmpty) { EXPECT_THAT(engine_.list(), IsEmpty()); }

TEST_F(UnitStateTest, ListTakesThreeThousandUnits) {
  for (int i = 0; i < 3000; ++i)
    systemd_.set_unit({.name = "agentctl-s" + std::to_string(i) + ".service",
                       .description = "agentctl session abcdefghij: " + std::string(200, 'x')});
  const std::vector<UnitState> units = bounded([&] { return engine_.list(); });
  EXPECT_EQ(units.size(), 3000);
  EXPECT_EQ(systemd_.calls("ListUnitsByPatterns").size(), 1);
}

TEST_F(UnitStateTest, EachStateOfAUnitIsOneActivity) {
  struct Case {
    const char* active;
    const char* sub;
    Activity activity;
  };
  for (const Case& row :
       {Case{"active", "running", Activity::active}, Case{"active", "exited", Activity::active},
        Case{"reloading", "reload", Activity::active}, Case{"refreshing", "refresh", Activity::active},
        Case{"activating", "start", Activity::activating}, Case{"activating", "auto-restart", Activity::restarting},
        Case{"activating", "auto-restart-queued", Activity::restarting},
        Case{"failed", "failed-before-auto-restart", Activity::restarting},
        Case{"inactive", "dead-before-auto-restart", Activity::restarting},
        Case{"deactivating", "stop-sigterm", Activity::deactivating},
        Case{"deactivating", "stop-post", Activity::deactivating}, Case{"failed", "failed", Activity::failed},
        Case{"inactive", "dead", Activity::inactive}, Case{"a state of next year", "", Activity::inactive}}) {
    systemd_.set_unit({.name = "agentctl-web.service", .active_state = row.active, .sub_state = row.sub});
    EXPECT_EQ(engine_.list().at(0).activity, row.activity) << row.active;
    EXPECT_EQ(engine_.inspect("agentctl-web.service").value().state.activity, row.activity) << row.active;
  }
}

TEST_F(UnitStateTest, AUnitBetweenTheTwoHalvesOfARestartHasNotEnded) {
  for (const char* state : {"inactive", "failed"}) {
    systemd_.set_unit({.name = "agentctl-web.service", .active_state = state, .sub_state = "dead", .job = 7});
    EXPECT_EQ(engine_.list().at(0).activity, Activity::activating) << state;
    EXPECT_EQ(engine_.inspect("agentctl-web.service").value().state.activity, Activity::activating) << state;
  }
}

TEST_F(UnitStateTest, InspectTellsAllOfAService) {
  systemd_.set_unit({.name = "agentctl-web-1.service",
                     .description = "agentctl session abcdefghij: npm",
                     .invocation_id = "00ff123456789abcdef0123456789abc",
                     .control_group = "/agentctl.slice/agentctl-web-1.service",
                     .active_since_usec = 1'700'000'000'123'456});
  const auto details = engine_.inspect("agentctl-web-1.service");
  ASSERT_TRUE(details);
  EXPECT_EQ(details->state.unit, "agentctl-web-1.service");
  EXPECT_EQ(details->state.description, "agentctl session abcdefghij: npm");
  EXPECT_EQ(details->invocation_id, "00ff123456789abcdef0123456789abc");
  EXPECT_EQ(details->control_group, "/agentctl.slice/agentctl-web-1.service");
  EXPECT_EQ(details->active_since, TimePoint(microseconds(1'700'000'000'123'456)));
  const auto calls = systemd_.calls("GetAll");
  ASSERT_EQ(calls.size(), 2);
  EXPECT_EQ(calls[0].path, "/org/freedesktop/systemd1/unit/agentctl_2dweb_2d1_2eservice");
  EXPECT_EQ(calls[0].arguments, R"("org.freedesktop.systemd1.Unit")");
  EXPECT_EQ(calls[1].arguments, R"("org.freedesktop.systemd1.Service")");
}

TEST_F(UnitStateTest, InspectOfAScopeAsksForItAsAScope) {
  systemd_.set_unit({.name = "agentctl-shell.scope", .control_group = "/x"});
  const auto details = engine_.inspect("agentctl-shell.scope");
  ASSERT_TRUE(details);
  EXPECT_EQ(details->control_group, "/x");
  EXPECT_EQ(details->active_since, std::nullopt);
  EXPECT_EQ(systemd_.calls("GetAll").back().arguments, R"("org.freedesktop.systemd1.Scope")");
}

TEST_F(UnitStateTest, AScopeTellsWhetherItsManagerEndedItAndWhen) {
  struct Case {
    const char* active;
    std::uint64_t left;
    std::uint64_t inactive;
    std::optional<microseconds> ended_after;
  };
  constexpr std::uint64_t entered = 1000;
  for (const Case& row : {
           Case{"active", 0, 0, std::nullopt}, Case{"active", 900, 950, std::nullopt},  // of an earlier life
           Case{"deactivating", 1500, 0, microseconds(500)}, Case{"failed", 1500, 1600, microseconds(500)},
           Case{"inactive", 1500, 1600, microseconds(500)},
           Case{"inactive", 1500, 1500, std::nullopt},  // its processes had ended
       }) {
    systemd_.set_unit({.name = "agentctl-shell.scope",
                       .active_state = row.active,
                       .entered_usec = entered,
                       .left_usec = row.left,
                       .inactive_usec = row.inactive,
                       .result = "timeout"});
    const auto details = engine_.inspect("agentctl-shell.scope");
    ASSERT_TRUE(details);
    EXPECT_EQ(details->ended_after, row.ended_after) << row.active << " " << row.left;
    EXPECT_EQ(details->result, "timeout");
  }
}

TEST_F(UnitStateTest, AScopeIsLetGoOfAndItIsNoMatterWhenNobodyHeldIt) {
  systemd_.set_unit({.name = "agentctl-shell.scope"});
  engine_.release("agentctl-shell.scope");
  const auto calls = systemd_.calls("Unref");
  ASSERT_EQ(calls.size(), 1);
  EXPECT_EQ(calls.front().path, "/org/freedesktop/systemd1/unit/agentctl_2dshell_2escope");
  systemd_.on("Unref", refuse_with("org.freedesktop.systemd1.NotReferenced", "Unit has not been referenced yet."));
  EXPECT_NO_THROW(engine_.release("agentctl-shell.scope"));
}

TEST_F(UnitStateTest, AManagerThatGoesDownSaysSo) {
  EXPECT_FALSE(engine_.is_shutting_down());
  systemd_.set_property("SystemState", "stopping");
  EXPECT_TRUE(engine_.is_shutting_down());
}

TEST_F(UnitStateTest, AManagerTellsWhenItWasStarted) {
  EXPECT_EQ(engine_.started_at(), TimePoint(std::chrono::seconds(1'700'000'000)));
}

TEST_F(UnitStateTest, InspectOfAMissingUnitIsNothing) {
  EXPECT_EQ(engine_.inspect("agentctl-web.service"), std::nullopt);
}

TEST_F(UnitStateTest, AUnitThatGoesBetweenTheTwoReadsOfInspectIsNoCrash) {
  systemd_.set_unit({.name = "agentctl-web.service"});
  systemd_.on("GetAll", [](FakeSystemd::Exchange& exchange) {
    exchange.proceed();
    exchange.systemd().remove_unit("agentctl-web.service");
  });
  const auto details = engine_.inspect("agentctl-web.service");
  ASSERT_TRUE(details);
  EXPECT_EQ(details->control_group, "");
}

TEST_F(UnitStateTest, TheControlGroupIsComputedFromTheSliceUnderTheManagersOwn) {
  systemd_.set_property("ControlGroup", "/user.slice/user-1000.slice/user@1000.service");
  EXPECT_EQ(engine_.control_group("agentctl-shop.slice", "agentctl-web.service"),
            "/user.slice/user-1000.slice/user@1000.service/agentctl.slice/agentctl-shop.slice/agentctl-web.service");
  EXPECT_EQ(engine_.control_group("agentctl-shop.slice", "agentctl-api.service"),
            "/user.slice/user-1000.slice/user@1000.service/agentctl.slice/agentctl-shop.slice/agentctl-api.service");
  // It cannot change while the manager lives.
  EXPECT_EQ(systemd_.calls("Get").size(), 1);
}

TEST_F(UnitStateTest, TheControlGroupsOfAManagerAtTheRootBeginThere) {
  for (const char* root : {"", "/"}) {
    systemd_.set_property("ControlGroup", root);
    SystemdEngine engine(ManagerScope::user, runtime_dir());
    EXPECT_EQ(engine.control_group("agentctl-my\\x2dapp.slice", "agentctl-web.service"),
              "/agentctl.slice/agentctl-my\\x2dapp.slice/agentctl-web.service");
  }
}

TEST_F(UnitStateTest, PropertiesOfTheManagerAreRead) {
  EXPECT_EQ(engine_.manager_property("Version"), "252.39-1~deb12u1");
  EXPECT_EQ(engine_.manager_property("SystemState"), "running");
  const auto calls = systemd_.calls("Get");
  EXPECT_EQ(calls.at(0).arguments, R"("org.freedesktop.systemd1.Manager" "Version")");
}

}  // namespace
}  // namespace agentctl
