#include <poll.h>

#include <memory>

#include "bus/bus_fixture.hpp"

namespace agentctl {
namespace {

using namespace std::chrono_literals;
using testing::UnorderedElementsAre;

class UnitWatchTest : public BusTest {
 protected:
  // A watch whose first, unconditional changes have been taken.
  std::unique_ptr<UnitWatch> watch_quietly(const std::vector<std::string>& units) {
    auto watch = engine_.watch(units);
    for (std::size_t i = 0; i < units.size(); ++i) EXPECT_TRUE(watch->next_change(patience));
    return watch;
  }
  // Nothing more comes: a change that is sent last is seen next.
  void expect_only_the_mark(UnitWatch& watch) {
    systemd_.remove_unit("agentctl-mark.service");
    EXPECT_EQ(watch.next_change(patience), "agentctl-mark.service");
    EXPECT_EQ(watch.next_change(0us), std::nullopt);
  }
};

TEST_F(UnitWatchTest, EachWatchedUnitComesOnceAtTheStart) {
  const auto watch = engine_.watch({"agentctl-a.service", "agentctl-b.service"});
  std::vector<std::string> seen;
  while (const auto unit = watch->next_change(0us)) seen.push_back(*unit);
  EXPECT_THAT(seen, UnorderedElementsAre("agentctl-a.service", "agentctl-b.service"));
}

TEST_F(UnitWatchTest, SystemdIsSubscribedToOnce) {
  const auto watch = engine_.watch({"agentctl-a.service", "agentctl-b.service"});
  EXPECT_EQ(systemd_.calls("Subscribe").size(), 1);
}

TEST_F(UnitWatchTest, ASubscriptionWhoseAnswerWasLostIsNoFailure) {
  // A systemd that re-executes itself in mid-call keeps its subscribers.
  systemd_.on("Subscribe", [](FakeSystemd::Exchange& exchange) {
    const bool first = exchange.systemd().calls("Subscribe").size() == 1;
    exchange.fail(first ? "org.freedesktop.DBus.Error.NoReply" : "org.freedesktop.systemd1.AlreadySubscribed", "");
  });
  const auto watch = watch_quietly({"agentctl-a.service"});
  systemd_.remove_unit("agentctl-a.service");
  EXPECT_EQ(watch->next_change(patience), "agentctl-a.service");
}

TEST_F(UnitWatchTest, AUnitThatIsRemovedIsAChange) {
  systemd_.set_unit({.name = "agentctl-a.service"});
  const auto watch = watch_quietly({"agentctl-a.service"});
  systemd_.remove_unit("agentctl-a.service");
  EXPECT_EQ(watch->next_change(patience), "agentctl-a.service");
  EXPECT_EQ(engine_.inspect("agentctl-a.service"), std::nullopt);
}

TEST_F(UnitWatchTest, OtherUnitsAreNoChange) {
  const auto watch = watch_quietly({"agentctl-mark.service"});
  systemd_.set_unit({.name = "agentctl-b.service"});
  systemd_.remove_unit("agentctl-b.service");
  expect_only_the_mark(*watch);
}

TEST_F(UnitWatchTest, ANewActiveStateIsAChangeAndOtherPropertiesAreNone) {
  const auto watch = watch_quietly({"agentctl-a.service", "agentctl-mark.service"});
  systemd_.change_property("agentctl-a.service", "StatusText", "busy");
  expect_only_the_mark(*watch);
  systemd_.change_property("agentctl-a.service", "ActiveState", "deactivating");
  EXPECT_EQ(watch->next_change(patience), "agentctl-a.service");
}

TEST_F(UnitWatchTest, ManyChangesOfOneUnitAreOne) {
  const auto watch = watch_quietly({"agentctl-a.service", "agentctl-mark.service"});
  for (int i = 0; i < 10; ++i) systemd_.change_property("agentctl-a.service", "ActiveState", "active");
  systemd_.remove_unit("agentctl-mark.service");
  std::vector<std::string> seen;
  while (seen.empty() || seen.back() != "agentctl-mark.service") seen.push_back(watch->next_change(patience).value());
  EXPECT_LE(seen.size(), 11);
  EXPECT_EQ(watch->next_change(0us), std::nullopt);
}

TEST_F(UnitWatchTest, AReloadIsAHintWhereTheUnitLivesOn) {
  systemd_.set_unit({.name = "agentctl-a.service", .control_group = "/a"});
  const auto watch = watch_quietly({"agentctl-a.service"});
  systemd_.reload();
  EXPECT_EQ(watch->next_change(patience), "agentctl-a.service");
  EXPECT_EQ(engine_.inspect("agentctl-a.service").value().control_group, "/a");
}

TEST_F(UnitWatchTest, TheDeadlineEndsAWaitWithNothing) {
  const auto watch = watch_quietly({"agentctl-a.service"});
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(watch->next_change(30ms), std::nullopt);
  EXPECT_GE(std::chrono::steady_clock::now() - began, 30ms);
}

TEST_F(UnitWatchTest, AWaitMayBeLongerThanAnyClockCounts) {
  for (const microseconds timeout : {forever, forever - 1us, microseconds(std::chrono::hours(24 * 365 * 1000))}) {
    const auto watch = watch_quietly({"agentctl-a.service"});
    auto change = std::async(std::launch::async, [&] { return watch->next_change(timeout); });
    EXPECT_EQ(change.wait_for(10ms), std::future_status::timeout);
    systemd_.remove_unit("agentctl-a.service");
    ASSERT_EQ(change.wait_for(patience), std::future_status::ready);
    EXPECT_EQ(change.get(), "agentctl-a.service");
  }
}

TEST_F(UnitWatchTest, ItsDescriptorIsReadableWhenThereMayBeAChange) {
  const auto watch = watch_quietly({"agentctl-a.service"});
  EXPECT_EQ(watch->next_change(0us), std::nullopt);
  pollfd set{.fd = watch->fd(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&set, 1, 0), 0);
  systemd_.remove_unit("agentctl-a.service");
  EXPECT_EQ(::poll(&set, 1, static_cast<int>(std::chrono::milliseconds(patience).count())), 1);
  EXPECT_EQ(watch->next_change(0us), "agentctl-a.service");
}

TEST_F(UnitWatchTest, AnEndBetweenTheWatchAndTheLookIsNotMissed) {
  systemd_.set_unit({.name = "agentctl-a.service"});
  const auto watch = engine_.watch({"agentctl-a.service"});
  EXPECT_EQ(watch->next_change(patience), "agentctl-a.service");
  EXPECT_TRUE(engine_.inspect("agentctl-a.service"));
  systemd_.remove_unit("agentctl-a.service");
  EXPECT_EQ(watch->next_change(patience), "agentctl-a.service");
}

TEST_F(UnitWatchTest, TwoWatchesHearTheSameChange) {
  const auto first = watch_quietly({"agentctl-a.service"});
  const auto second = watch_quietly({"agentctl-a.service"});
  systemd_.remove_unit("agentctl-a.service");
  EXPECT_EQ(first->next_change(patience), "agentctl-a.service");
  EXPECT_EQ(second->next_change(patience), "agentctl-a.service");
}

TEST_F(UnitWatchTest, ABusThatDiesEndsTheWaitAsUnreachable) {
  const auto watch = watch_quietly({"agentctl-a.service"});
  auto change = std::async(std::launch::async, [&] { return watch->next_change(std::nullopt); });
  EXPECT_EQ(change.wait_for(10ms), std::future_status::timeout);
  bus_.kill();
  ASSERT_EQ(change.wait_for(patience), std::future_status::ready);
  const Error error = thrown_by([&] { change.get(); });
  EXPECT_EQ(error.code(), ErrorCode::unreachable);
  EXPECT_STREQ(error.what(), "cannot read from 'the bus of systemd': the bus closed the connection");
}

}  // namespace
}  // namespace agentctl
