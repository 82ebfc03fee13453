#include "domain/ports.hpp"

#include <gmock/gmock.h>

#include "support/sample_records.hpp"

namespace agentctl {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

HostPorts host_of(std::vector<std::uint16_t> automatic, std::set<std::uint16_t> bound = {}) {
  return {.is_listened_on = [](std::uint16_t) { return false; },
          .can_be_bound = [bound](std::uint16_t port) { return !bound.contains(port); },
          .automatic = std::move(automatic)};
}

Launch launch_of(std::vector<std::uint16_t> ports, std::vector<std::string> environment = {}) {
  Launch launch{.record = sample_record(), .executable = {}, .environment = std::move(environment), .registry = {}};
  launch.record.request.ports = std::move(ports);
  return launch;
}

TEST(AutomaticPorts, AreThoseThatNoOutgoingConnectionGets) {
  const auto ports = automatic_ports("32768\t60999\n", "20001,20003-20005\n", 0);
  EXPECT_EQ(ports.front(), 20000);
  EXPECT_EQ(ports.back(), 65535);
  EXPECT_EQ(ports.size(), 65536U - 20000U - (60999U - 32768U + 1U) - 4U);
  for (const int port : {20001, 20003, 20005, 32768, 60999}) EXPECT_THAT(ports, Not(Contains(port)));
  for (const int port : {20002, 20006, 32767, 61000}) EXPECT_THAT(ports, Contains(port));
}

TEST(AutomaticPorts, AreLowerOnesWhereNothingElseIsLeft) {
  const auto ports = automatic_ports("10000\t65535\n", "\n", 0);
  EXPECT_EQ(ports.front(), 1024);
  EXPECT_EQ(ports.back(), 9999);
  EXPECT_THAT(automatic_ports("1024\t65535\n", "", 7), IsEmpty());
  EXPECT_EQ(automatic_ports("", "garbage,-,1-", 0).size(), 45536U) << "what cannot be read restricts nothing";
}

TEST(AutomaticPorts, BeginAnywhere) {
  EXPECT_EQ(automatic_ports("32768\t60999\n", "\n", 5).front(), 20005);
  EXPECT_EQ(automatic_ports("32768\t60999\n", "\n", 5).back(), 20004);
}

TEST(ChoosePorts, TakesWhatNobodyHasAndNobodyBound) {
  SessionRequest request = sample_record().request;
  request.ports = {0, 20004, 0};
  EXPECT_TRUE(choose_ports(request, {20001}, host_of({20001, 20002, 20003, 20004, 20005}, {20002})));
  EXPECT_THAT(request.ports, ElementsAre(20003, 20004, 20005));
}

TEST(ChoosePorts, FailsWhenThereIsNone) {
  SessionRequest request = sample_record().request;
  request.ports = {0, 0};
  EXPECT_FALSE(choose_ports(request, {}, host_of({20001})));
  request.ports = {0};
  EXPECT_FALSE(choose_ports(request, {}, host_of({})));
}

TEST(TellPorts, SetsPortToTheFirst) {
  Launch one = launch_of({3000}, {"A=1"});
  tell_ports(one);
  EXPECT_THAT(one.environment, ElementsAre("A=1", "PORT=3000"));
  Launch two = launch_of({3000, 3001}, {"PORT=x", "AGENTCTL_PORTS=x"});
  tell_ports(two);
  EXPECT_THAT(two.environment, UnorderedElementsAre("PORT=x", "AGENTCTL_PORTS=3000 3001"));
  tell_ports(two);
  EXPECT_EQ(two.environment.size(), 2U) << "twice is once";
}

TEST(TellPorts, SaysNothingWhileOneIsUnknown) {
  Launch launch = launch_of({3000, 0});
  tell_ports(launch);
  EXPECT_THAT(launch.environment, IsEmpty());
  Launch none = launch_of({});
  tell_ports(none);
  EXPECT_THAT(none.environment, IsEmpty());
}

}  // namespace
}  // namespace agentctl
