#include <csignal>

#include "bus/bus_fixture.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using Exchange = FakeSystemd::Exchange;

class StopAndKillTest : public BusTest {
 protected:
  std::vector<std::string> arguments_of(const char* method) {
    std::vector<std::string> all;
    for (const RecordedCall& call : systemd_.calls(method)) all.push_back(call.signature + " " + call.arguments);
    return all;
  }
};

TEST_F(StopAndKillTest, StopAsksForTheEndOfEachUnitAndWaitsForNone) {
  // The job is never told to have ended.
  systemd_.on("StopUnit", [](Exchange& exchange) { exchange.reply_job(); });
  bounded([&] { engine_.stop({"agentctl-a.service", "agentctl-b.scope"}); });
  EXPECT_THAT(arguments_of("StopUnit"),
              ElementsAre(R"(ss "agentctl-a.service" "replace")", R"(ss "agentctl-b.scope" "replace")"));
}

TEST_F(StopAndKillTest, StopGoesOnAfterAUnitThatIsGone) {
  systemd_.set_unit({.name = "agentctl-b.service"});
  bounded([&] { engine_.stop({"agentctl-a.service", "agentctl-b.service"}); });
  EXPECT_THAT(systemd_.calls("StopUnit"), testing::SizeIs(2));
  EXPECT_THAT(engine_.list(), testing::IsEmpty());
}

TEST_F(StopAndKillTest, StopTellsAnyOtherRefusal) {
  systemd_.on("StopUnit", refuse_with("org.freedesktop.DBus.Error.AccessDenied", "no"));
  const Error error = thrown_by([&] { bounded([&] { engine_.stop({"agentctl-a.service"}); }); });
  EXPECT_EQ(error.code(), ErrorCode::not_permitted);
  EXPECT_STREQ(error.what(), "cannot stop 'agentctl-a.service': no");
}

TEST_F(StopAndKillTest, StopOfNothingAsksNobody) {
  engine_.stop({});
  EXPECT_THAT(systemd_.calls("StopUnit"), testing::IsEmpty());
}

TEST_F(StopAndKillTest, KillSendsTheSignalToEveryProcessOfTheUnit) {
  bounded([&] { engine_.kill("agentctl-web.service", SIGHUP); });
  EXPECT_THAT(arguments_of("KillUnit"), ElementsAre(R"(ssi "agentctl-web.service" "all" 1)"));
}

TEST_F(StopAndKillTest, KillOfAHostLeavesTheRecorderAloneAndIsNothingWhenItHasEnded) {
  bounded([&] { engine_.kill_host("agentctl-web.service"); });
  EXPECT_THAT(arguments_of("KillUnit"), ElementsAre(R"(ssi "agentctl-web.service" "main" 9)"));
  systemd_.on("KillUnit", refuse_with("org.freedesktop.systemd1.NoSuchProcess", "No main process to kill"));
  bounded([&] { engine_.kill_host("agentctl-web.service"); });
}

TEST_F(StopAndKillTest, KillOfAMissingUnitIsNotFound) {
  systemd_.on("KillUnit", refuse_with("org.freedesktop.systemd1.NoSuchUnit", "Unit agentctl-web.service not loaded."));
  const Error error = thrown_by([&] { bounded([&] { engine_.kill("agentctl-web.service", SIGKILL); }); });
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_STREQ(error.what(), "cannot signal 'agentctl-web.service': systemd has no such unit");
}

}  // namespace
}  // namespace agentctl
