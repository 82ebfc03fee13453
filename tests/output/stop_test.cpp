#include <boost/json.hpp>
#include <csignal>

#include "domain/naming.hpp"
#include "output/output_fixture.hpp"

namespace agentctl {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Exchange = FakeSystemd::Exchange;

class StopTest : public OutputOnBusTest {
 protected:
  // What the recorder of each session would write when systemd stops its unit.
  StopTest() {
    systemd.on("StopUnit", [this](Exchange& exchange) {
      exchange.reply_job();
      for (const Record& record : registry().live())
        if (record.unit == exchange.unit() || slice_of(record) == exchange.unit())
          end(record, State::stopped, "stopped by ann", std::nullopt, SIGTERM);
      exchange.job_removed("done");
    });
  }
};

TEST_F(StopTest, ReportsWhatIsLeft) {
  add_live(record_of("web"));
  EXPECT_THAT(agentctl({"stop", "web"}), ended_with(0, "web: stopped, 0 processes, 0 left\n", ""));
  EXPECT_THAT(systemd.calls("StopUnit"), SizeIs(1));
}

TEST_F(StopTest, OfWhatHasEndedSaysSo) {
  add_ended(record_of("web"), State::failed, "exited with status 3", 3);
  EXPECT_THAT(agentctl({"stop", "web"}), ended_with(0, "web: had ended already (failed)\n", ""));
  EXPECT_THAT(systemd.calls("StopUnit"), IsEmpty());
}

TEST_F(StopTest, RemovesWhatItEndedAndWhatHadEnded) {
  const auto of_shop = [this](const char* name) {
    Record record = record_of(name);
    record.request.project = "shop";
    return record;
  };
  add_ended(of_shop("old"), State::failed, "exited with status 3", 3);
  add_ended(record_of("other"), State::failed, "exited with status 3", 3);
  add_live(of_shop("web"));
  const Outcome outcome = agentctl({"stop", "-p", "shop", "--remove"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("web: stopped, 0 processes, 0 left; removed\n"));
  EXPECT_THAT(outcome.out, HasSubstr("old: had ended already (failed); removed\n"));
  EXPECT_THAT(registry().live(), IsEmpty());
  ASSERT_THAT(registry().ended(), SizeIs(1));
  EXPECT_EQ(registry().ended().front().request.name, "other");
  EXPECT_THAT(agentctl({"stop", "--remove", "other"}),
              ended_with(0, "other: had ended already (failed); removed\n", ""));
  EXPECT_THAT(agentctl({"stop", "-p", "shop", "--remove"}), ended_with(0, "nothing to stop\n", ""));
}

TEST_F(StopTest, SaysInJsonWhatItRemoved) {
  add_live(record_of("web"));
  const auto sessions = boost::json::parse(agentctl({"stop", "--json", "--remove", "web"}).out).as_array();
  ASSERT_EQ(sessions.size(), 1);
  EXPECT_EQ(sessions.at(0).at("state").as_string(), "stopped");
  EXPECT_TRUE(sessions.at(0).at("removed").as_bool());
}

TEST_F(StopTest, WritesDownWhoAskedAndWhy) {
  const Record record = add_live(record_of("web"));
  EXPECT_EQ(agentctl({"stop", "--reason", "wrong branch", "web"}).status, 0);
  const StopRequest request = registry().by_name("web").at(0).stop.value();
  EXPECT_EQ(request.by.user, own_user());
  EXPECT_EQ(request.by.pid, ::getpid());
  EXPECT_EQ(request.reason, "wrong branch");
}

TEST_F(StopTest, TakesSeveralNamesAProjectAGroupOrAll) {
  const auto add = [&](const char* name, const char* project, const char* group) {
    Record record = record_of(name);
    record.request.project = project;
    record.request.group = group;
    add_live(record);
  };
  add("a", "shop", "");
  add("b", "shop", "g");
  add("c", "", "g");
  add("d", "", "");
  add("e", "", "");
  add("f", "", "");
  EXPECT_THAT(agentctl({"stop", "d", "e", "d"}),
              ended_with(0,
                         "d: stopped, 0 processes, 0 left\ne: stopped, 0 processes, 0 left\n"
                         "2 sessions: 0 processes, 0 left\n",
                         ""));
  EXPECT_THAT(agentctl({"stop", "--group", "g", "-p", "shop"}), ended_with(0, "b: stopped, 0 processes, 0 left\n", ""));
  EXPECT_THAT(agentctl({"stop", "-p", "shop"}), ended_with(0, "a: stopped, 0 processes, 0 left\n", ""));
  EXPECT_THAT(systemd.calls("StopUnit").back().arguments, HasSubstr("\"agentctl-shop.slice\""))
      << "one call, however many there are";
  EXPECT_THAT(agentctl({"stop", "--all"}), ended_with(0, AllOf(HasSubstr("c: stopped"), HasSubstr("f: stopped")), ""));
  EXPECT_THAT(agentctl({"stop", "--all"}), ended_with(0, "nothing to stop\n", ""));
  EXPECT_THAT(registry().live(), IsEmpty());
}

TEST_F(StopTest, OfOneThatIsNotThereStopsNoneOfThem) {
  add_live(record_of("web"));
  EXPECT_EQ(agentctl({"stop", "web", "nope"}).status, 3);
  EXPECT_THAT(systemd.calls("StopUnit"), IsEmpty());
}

TEST_F(StopTest, InJsonIsAnArrayOfTheSessions) {
  add_live(record_of("web"));
  const Outcome outcome = agentctl({"stop", "--json", "web"});
  EXPECT_EQ(outcome.status, 0);
  const auto sessions = boost::json::parse(outcome.out).as_array();
  ASSERT_EQ(sessions.size(), 1);
  EXPECT_EQ(sessions.at(0).at("state").as_string(), "stopped");
  EXPECT_EQ(sessions.at(0).at("stopped_by").at("user").as_string(), own_user());
  EXPECT_EQ(sessions.at(0).at("processes"), 0);
  EXPECT_EQ(sessions.at(0).at("processes_left"), 0);
  EXPECT_FALSE(sessions.at(0).as_object().contains("removed"));
}

TEST_F(StopTest, AnInfiniteTimeoutIsAsGoodAsAnyOther) {
  Record record = record_of("web");
  record.request.stop_timeout = forever;
  add_live(record);
  EXPECT_THAT(agentctl({"stop", "web"}), ended_with(0, "web: stopped, 0 processes, 0 left\n", ""));
  add_live(record_of("api"));
  EXPECT_THAT(agentctl({"stop", "--timeout", "infinity", "api"}),
              ended_with(0, "api: stopped, 0 processes, 0 left\n", ""));
}

TEST_F(StopTest, WhatDoesNotEndWithinAShorterTimeoutIsKilled) {
  const Record record = add_live(record_of("web"));
  systemd.on("StopUnit", [](Exchange& exchange) { exchange.reply_job(); });
  systemd.on("KillUnit", [&](Exchange& exchange) {
    exchange.reply();
    end(record, State::stopped, "stopped by ann", std::nullopt, SIGKILL);
  });
  EXPECT_THAT(agentctl({"stop", "--timeout", "50ms", "web"}), ended_with(0, "web: stopped, 0 processes, 0 left\n", ""));
  ASSERT_THAT(systemd.calls("KillUnit"), SizeIs(1));
  EXPECT_EQ(systemd.calls("KillUnit").front().arguments, R"("agentctl-web.service" "main" 9)");
}

TEST_F(StopTest, WhatEndedMeanwhileIsToldAsItEnded) {
  const Record record = add_live(record_of("web"));
  systemd.on("StopUnit", [&](Exchange& exchange) {
    end(record, State::exited, "exited with status 0", 0);
    exchange.fail("org.freedesktop.systemd1.NoSuchUnit", "Unit agentctl-web.service not loaded.");
  });
  EXPECT_THAT(agentctl({"stop", "web"}), ended_with(0, "web: exited, 0 processes, 0 left\n", ""));
}

TEST_F(StopTest, WhatPolicyForbidsIsNotPermitted) {
  add_live(record_of("web"));
  systemd.on("StopUnit", refuse_with("org.freedesktop.DBus.Error.AccessDenied", "Permission denied"));
  EXPECT_THAT(agentctl({"stop", "web"}), ended_with(5, "",
                                                    error_text("cannot stop 'agentctl-web.service': Permission denied",
                                                               "agentctl --user, or as root")));
}

TEST_F(StopTest, ABusThatDiesMeanwhileIsUnreachable) {
  add_live(record_of("web"));
  systemd.on("StopUnit", [](Exchange& exchange) { exchange.reply_job(); });
  Program program(start_of({"--user", "stop", "web"}));
  ASSERT_TRUE(systemd.wait_for_call("StopUnit"));
  bus.kill();
  const Outcome outcome = program.finish();
  EXPECT_EQ(outcome.status, 6);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, testing::StartsWith("agentctl: cannot "));
}

}  // namespace
}  // namespace agentctl
