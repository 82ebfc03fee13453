#include <algorithm>
#include <boost/json.hpp>
#include <csignal>

#include "base/system.hpp"
#include "domain/naming.hpp"
#include "output/output_fixture.hpp"

namespace agentctl {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class ListTest : public OutputOnBusTest {
 protected:
  // A shop's two sessions, one that ended three days ago, and one that was stopped.
  void add_four() {
    Record web = record_of("web", 2h + 5min + 30s);
    web.request.command = {"npm", "run", "dev server"};
    web.request.project = "shop";
    web.request.group = "front";
    web.request.ttl = 4h + 1min;
    add_live(web);
    Record api = record_of("api", 1h + 3min + 30s);
    api.request.project = "shop";
    add_live(api, {.name = {}, .active_state = "activating", .sub_state = "start"});
    add_ended(record_of("old", 73h + 30min), State::failed, "exited with status 3", 3);
    add_ended(record_of("older", 204h), State::stopped, "stopped by ann: wrong branch", std::nullopt);
  }
};

TEST_F(ListTest, OfNothingSaysSo) {
  EXPECT_THAT(agentctl({"list"}), ended_with(0, "no live sessions (agentctl list -a shows ended ones)\n", ""));
  EXPECT_THAT(agentctl({"list", "-a"}), ended_with(0, "no sessions\n", ""));
  EXPECT_THAT(agentctl({"list", "--json"}), ended_with(0, "[]\n", ""));
}

TEST_F(ListTest, ShowsWhatLivesOldestFirst) {
  add_four();
  EXPECT_THAT(agentctl({"list"}), ended_with(0, R"(NAME  STATE     PROJECT      AGE      LEFT  COMMAND
web   running   shop     2h 5min  1h 55min  npm run 'dev server'
api   starting  shop     1h 3min            sleep 60
)",
                                             ""));
  EXPECT_EQ(systemd.calls("ListUnitsByPatterns").size(), 1);
}

TEST_F(ListTest, WithAllShowsHowTheOthersEnded) {
  add_four();
  EXPECT_THAT(agentctl({"list", "-a"}),
              ended_with(0, R"(NAME   STATE     WHY                           PROJECT        AGE      LEFT  COMMAND
older  stopped   stopped by ann: wrong branch           1w 1d ago            sleep 60
old    failed    exited with status 3                   3d 1h ago            sleep 60
web    running                                 shop       2h 5min  1h 55min  npm run 'dev server'
api    starting                                shop       1h 3min            sleep 60
)",
                         ""));
}

TEST_F(ListTest, IsFiltered) {
  add_four();
  const auto names = [&](const Words& filter) {
    Words words{"list", "--json"};
    words.insert(words.end(), filter.begin(), filter.end());
    std::string text;
    const auto sessions = boost::json::parse(agentctl(words).out);
    for (const auto& session : sessions.as_array()) text += std::string(session.at("name").as_string()) + " ";
    return text;
  };
  EXPECT_EQ(names({}), "web api ");
  EXPECT_EQ(names({"-a"}), "older old web api ");
  EXPECT_EQ(names({"-p", "shop"}), "web api ");
  EXPECT_EQ(names({"-p", "other"}), "");
  EXPECT_EQ(names({"--group", "front"}), "web ");
  EXPECT_EQ(names({"--state", "starting"}), "api ");
  EXPECT_EQ(names({"--state", "failed"}), "old ");
  EXPECT_EQ(names({"--state", "failed", "--state", "running"}), "old web ");
  EXPECT_EQ(names({"--state=stopped", "-p", "shop"}), "");
}

// The keys that scripts may rely on, in the order in which the manual has them.
const Words session_keys{"id",         "name",       "unit",     "scope",         "state",      "reason",    "healthy",
                         "command",    "cwd",        "project",  "group",         "agent",      "work_item", "labels",
                         "ports",      "attrs",      "pid",      "invocation_id", "boot_id",    "attempt",   "restarts",
                         "created_at", "started_at", "ready_at", "ended_at",      "expires_at", "ttl_s",     "exit",
                         "stopped_by", "usage",      "log_lost", "health",        "attempts",   "exclusive", "source",
                         "pool",       "priority",   "persist",  "on_end",        "flow",       "step"};

Words keys_of(const boost::json::value& value) {
  Words keys;
  for (const auto& field : value.as_object()) keys.push_back(field.key());
  return keys;
}

TEST_F(ListTest, InJsonEachSessionHasAllOfItsKeys) {
  add_four();
  const Outcome outcome = agentctl({"list", "-a", "--json"});
  EXPECT_EQ(outcome.err, "");
  const auto sessions = boost::json::parse(outcome.out).as_array();
  ASSERT_EQ(sessions.size(), 4);
  for (const auto& session : sessions) {
    EXPECT_EQ(keys_of(session), session_keys);
    EXPECT_EQ(keys_of(session.at("exit")), (Words{"code", "signal", "result"}));
    EXPECT_EQ(keys_of(session.at("usage")), (Words{"cpu_ns", "memory_bytes", "memory_peak_bytes", "processes"}));
  }
}

TEST_F(ListTest, InJsonALiveSessionIsExactlyThis) {
  Record record = record_of("web");
  record.created_at = parse_rfc3339("2026-01-31T12:00:00.250Z").value();
  record.request.project = "shop";
  record.request.agent = "claude";
  record.request.labels = {{"tier", "a \"b\""}};
  record.request.ports = {3000, 3001};
  record.request.ttl = 1min + 500ms;
  add_live(record);
  const std::string expected =
      R"([{"id":"{id}","name":"web","unit":"agentctl-web.service","scope":"user","state":"running","reason":null,)"
      R"("healthy":null,"command":["sleep","60"],"cwd":"{work}","project":"shop","group":null,"agent":"claude",)"
      R"("work_item":null,"labels":{"tier":"a \"b\""},"ports":[3000,3001],"attrs":{},"pid":4711,)"
      R"("invocation_id":"0123456789abcdef0123456789abcdef","boot_id":"{boot}","attempt":1,"restarts":0,)"
      R"("created_at":"2026-01-31T12:00:00.250Z","started_at":"2026-01-31T12:00:00.250Z",)"
      R"("ready_at":"2026-01-31T12:00:00.250Z","ended_at":null,"expires_at":"2026-01-31T12:01:00.750Z",)"
      R"("ttl_s":6.05E1,"exit":{"code":null,"signal":null,"result":null},"stopped_by":null,)"
      R"("usage":{"cpu_ns":null,"memory_bytes":null,"memory_peak_bytes":null,"processes":null},)"
      R"("log_lost":0,"health":null,"attempts":[],"exclusive":null,"source":null,"pool":null,)"
      R"("priority":0,"persist":false,"on_end":null,"flow":null,"step":null}])";
  EXPECT_THAT(agentctl({"list", "--json"}),
              ended_with(0, filled(expected, {{"id", record.id}, {"work", path("work")}, {"boot", boot_id()}}) + "\n",
                         ""));
}

TEST_F(ListTest, InJsonWhoStoppedIsTold) {
  Record record = record_of("web");
  record.stop =
      StopRequest{.by = {.uid = 7, .user = "bob", .pid = 8, .command = "bash"}, .reason = "lunch", .at = now()};
  add_ended(record, State::stopped, "stopped by bob: lunch", std::nullopt);
  const auto session = boost::json::parse(agentctl({"status", "--json", "web"}).out);
  EXPECT_EQ(boost::json::serialize(session.at("stopped_by")),
            R"({"uid":7,"user":"bob","pid":8,"command":"bash","reason":"lunch"})");
}

TEST_F(ListTest, ASessionWhoseUnitIsGoneIsLostAndItsRecordSaysSo) {
  registry().create(record_of("web"));
  EXPECT_THAT(agentctl({"list"}), ended_with(0, HasSubstr("no live sessions"), ""));
  const std::vector<Record> ended = registry().ended();
  ASSERT_EQ(ended.size(), 1);
  EXPECT_EQ(ended.front().end.value().state, State::lost);
  EXPECT_THAT(agentctl({"list", "-a"}).out, HasSubstr("web   lost"));
}

TEST_F(ListTest, ASessionOfAnEarlierBootIsLostWithTheEvidence) {
  Record record = record_of("web");
  record.boot_id = std::string(32, '0');
  registry().create(record);
  EXPECT_THAT(agentctl({"list", "--state", "lost"}).out,
              HasSubstr("the host went down while it ran (boot 00000000, now " + boot_id().substr(0, 8) + ")"));
}

TEST_F(ListTest, ALiveUnitWhoseRecordIsLostIsShownFromTheUnit) {
  systemd.set_unit({.name = "agentctl-web.service", .description = "agentctl session abcdefghijkl: npm"});
  EXPECT_THAT(agentctl({"list"}), ended_with(0,
                                             "NAME  STATE    WHY\n"
                                             "web   running  its record was lost; shown from the unit\n",
                                             ""));
}

TEST_F(ListTest, UnitsThatAreNoSessionsAreNotShown) {
  systemd.set_unit({.name = "agentctl-reconcile.service", .description = "Repair the registry of agentctl"});
  EXPECT_THAT(agentctl({"list"}), ended_with(0, HasSubstr("no live sessions"), ""));
}

TEST_F(ListTest, ABrokenRecordCostsThatRecordAloneAndIsTold) {
  add_four();
  const std::string file = path("state/agentctl/live/") + name_shard("web") + ".jsonl";
  put_file(file, "{\n" + get_file(file));
  const Outcome outcome = agentctl({"list"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("web "), HasSubstr("api "), Not(HasSubstr("broken"))));
  EXPECT_THAT(outcome.err, testing::StartsWith("agentctl: warning: cannot use '" + file + ":1': "));
}

TEST_F(ListTest, WhatAnAgentWroteIsShownAsOneHarmlessLine) {
  Record record = record_of("web");
  record.request.command = {"sh", "-c", "echo \033[2J\nexit"};
  add_live(record);
  EXPECT_THAT(agentctl({"list"}).out, testing::EndsWith("  sh -c $'echo \\x1b[2J\\nexit'\n"));
}

TEST_F(ListTest, AReaderThatHasGoneEndsItQuietly) {
  add_four();
  Program program(start_of({"--user", "list", "-a", "--json"}), Program::Stdout::closed);
  EXPECT_THAT(program.finish(), ended_with(128 + SIGPIPE, "", ""));
}

TEST_F(ListTest, GlobalOptionsMayStandOnBothSidesOfTheVerb) {
  add_four();
  const std::string json = agentctl_alone({"--user", "--json", "list"}).out;
  EXPECT_THAT(json, testing::StartsWith("[{\"id\":"));
  EXPECT_EQ(agentctl_alone({"list", "--json", "--user"}).out, json);
  EXPECT_EQ(agentctl_alone({"--json", "list", "--user", "--no-color"}).out, json);
  EXPECT_EQ(agentctl_alone({"--no-color", "--user", "list", "--json"}).out, json);
}

TEST_F(ListTest, TakesAThousandSessions) {
  for (int i = 0; i < 1000; ++i) {
    const Record record = record_of("s" + std::to_string(i));
    registry().create(record);
    systemd.set_unit({.name = record.unit, .description = unit_description(record)});
  }
  const Outcome outcome = agentctl({"list"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1001);
  EXPECT_EQ(systemd.calls("ListUnitsByPatterns").size(), 1);
  EXPECT_THAT(systemd.calls("GetAll"), IsEmpty());
}

}  // namespace
}  // namespace agentctl
