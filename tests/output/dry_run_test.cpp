#include <boost/json.hpp>

#include "output/output_fixture.hpp"

namespace agentctl {
namespace {

using testing::HasSubstr;
using testing::Not;

/// Without any bus: a dry run asks nobody.
class DryRunTest : public OutputTest {
 protected:
  // The id is in the description; everything else is known.
  static std::string id_in(const std::string& text) {
    constexpr std::string_view lead = "agentctl session ";
    const auto at = text.find(lead);
    return at == std::string::npos ? "" : text.substr(at + lead.size(), 12);
  }
};

TEST_F(DryRunTest, ShowsTheUnitAndMakesNothing) {
  const Outcome outcome = agentctl({"run", "--dry-run", "-n", "web", "--", "sleep", "60"});
  constexpr const char* expected = R"(agentctl-web.service
  Description=agentctl session {id}: sleep
  Slice=agentctl-_1.slice
  CollectMode=inactive-or-failed
  TimeoutStopUSec=5000000
  ExecStart={libexec}/session-host {run}/agentctl/{id}
  ExecStopPost={libexec}/recorder {run}/agentctl/{id}
  PermissionsStartOnly=yes
  DelegateControllers=
  Type=notify
  NotifyAccess=exec
  StandardInput=null
  StandardOutput=null
  StandardError=null
  OOMPolicy=continue
  StartLimitIntervalUSec=0
)";
  const std::map<std::string, std::string> values{{"id", id_in(outcome.out)},
                                                  {"libexec", AGENTCTL_TEST_LIBEXEC_DIR},
                                                  {"run", path("run")}};
  EXPECT_THAT(outcome, ended_with(0, filled(expected, values), ""));
  EXPECT_FALSE(exists(path("state/agentctl")));
  EXPECT_FALSE(exists(path("run/agentctl")));
}

TEST_F(DryRunTest, ShowsWhatTheOptionsChange) {
  const Outcome outcome = agentctl({"run", "--dry-run", "-n", "web", "-p", "my-shop", "--ttl", "15min",
                                    "--stop-timeout", "1min", "--", "/bin/sleep", "60"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, HasSubstr(": sleep\n"
                                     "  Slice=agentctl-my\\x2dshop.slice\n"
                                     "  CollectMode=inactive-or-failed\n"
                                     "  TimeoutStopUSec=60000000\n"
                                     "  RuntimeMaxUSec=900000000\n"
                                     "  ExecStart="));
}

TEST_F(DryRunTest, AnInfiniteTimeLimitIsNone) {
  const Outcome outcome = agentctl({"run", "--dry-run", "-n", "web", "--ttl", "infinity", "--", "sleep", "60"});
  EXPECT_THAT(outcome.out, Not(HasSubstr("RuntimeMaxUSec")));
}

TEST_F(DryRunTest, ShowsAScopeAsAScope) {
  const Outcome outcome = agentctl({"run", "--dry-run", "--scope", "-n", "web", "--", "sleep", "60"});
  EXPECT_THAT(outcome, ended_with(0, testing::StartsWith("agentctl-web.scope\n  Description=agentctl session "), ""));
  EXPECT_THAT(outcome.out, Not(HasSubstr("ExecStart")));
}

TEST_F(DryRunTest, InJsonIsOneObject) {
  const Outcome outcome = agentctl({"run", "--json", "--dry-run", "-n", "web", "--ttl", "90", "--", "sleep", "60"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  const auto unit = boost::json::parse(outcome.out).as_object();
  EXPECT_EQ(unit.size(), 3);
  EXPECT_EQ(unit.at("unit").as_string(), "agentctl-web.service");
  EXPECT_EQ(unit.at("type").as_string(), "service");
  EXPECT_EQ(unit.at("properties").at("RuntimeMaxUSec").as_string(), "90000000");
  EXPECT_EQ(unit.at("properties").at("Type").as_string(), "notify");
}

TEST_F(DryRunTest, WhatAnAgentWroteCannotSteerTheTerminal) {
  put_file(path("work/e\033[2J"), "#!/bin/sh\n", 0755);
  const Outcome outcome = agentctl({"run", "--dry-run", "-n", "web", "--", "./e\033[2J"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, Not(HasSubstr("\033")));
}

}  // namespace
}  // namespace agentctl
