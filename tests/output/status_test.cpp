#include <algorithm>
#include <boost/json.hpp>

#include "output/output_fixture.hpp"

namespace agentctl {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

using StatusTest = OutputOnBusTest;

TEST_F(StatusTest, OfALiveSessionShowsAllThatIsKnown) {
  Record record = record_of("web", 2h + 5min + 30s);
  record.request.command = {"npm", "run", "dev server"};
  record.request.project = "shop";
  record.request.group = "front";
  record.request.agent = "claude";
  record.request.work_item = "#12";
  record.request.labels = {{"a", "b"}, {"c", "d"}};
  record.request.ports = {3000, 3001};
  record.request.health = parse_ready("tcp:3000");
  record.request.ttl = 4h + 1min;
  add_live(record);
  constexpr const char* expected = R"(web ({id})  running, for 2h 5min, 1h 55min left
  command    npm run 'dev server'
  folder     {work}
  unit       agentctl-web.service (your user manager)
  project    shop
  group      front
  agent      claude
  work item  #12
  labels     a=b c=d
  ports      3000 3001
  health     tcp:3000, not healthy
  created    {created} by ann
  ends       {ends}
  processes  0
  see also   systemctl --user status agentctl-web.service
             journalctl --user -u agentctl-web.service
)";
  EXPECT_THAT(agentctl({"status", "web"}),
              ended_with(0,
                         filled(expected, {{"id", record.id},
                                           {"work", path("work")},
                                           {"created", format_local(record.created_at)},
                                           {"ends", format_local(record.created_at + 4h + 1min)}}),
                         ""));
}

TEST_F(StatusTest, OfAnEndedSessionTellsHowAndWhoStoppedIt) {
  Record record = record_of("web", 3h);
  record.stop = StopRequest{.by = {.uid = 7, .user = "bob", .pid = 8, .command = "bash\033[2J"},
                            .reason = "wrong branch",
                            .at = now()};
  add_ended(record, State::stopped, "stopped by bob: wrong branch", std::nullopt);
  constexpr const char* expected = R"(web ({id})  stopped, stopped by bob: wrong branch
  command    sleep 60
  folder     {work}
  unit       agentctl-web.service (your user manager)
  created    {created} by ann
  ended      {created}
  stopped by bob (pid 8, bash\x1b[2J): wrong branch
  see also   journalctl --user -u agentctl-web.service
)";
  EXPECT_THAT(agentctl({"status", "web"}), ended_with(0,
                                                      filled(expected, {{"id", record.id},
                                                                        {"work", path("work")},
                                                                        {"created", format_local(record.created_at)}}),
                                                      ""));
}

TEST_F(StatusTest, StatesAreThoseOfTheUnit) {
  struct Case {
    const char* active;
    const char* sub;
    const char* state;
  };
  const Record record = add_live(record_of("web"));
  for (const Case& row :
       {Case{"active", "running", "running"}, Case{"activating", "start", "starting"},
        Case{"deactivating", "stop-sigterm", "stopping"}, Case{"activating", "auto-restart", "restarting"}}) {
    systemd.set_unit({.name = record.unit,
                      .description = "agentctl session " + record.id + ": sleep",
                      .active_state = row.active,
                      .sub_state = row.sub});
    const auto session = boost::json::parse(agentctl({"status", "--json", "web"}).out);
    EXPECT_EQ(session.at("state").as_string(), row.state);
  }
}

TEST_F(StatusTest, InJsonIsOneObjectOnOneLine) {
  const Record record = add_live(record_of("web"));
  const Outcome outcome = agentctl({"status", "web", "--json"});
  EXPECT_THAT(outcome, ended_with(0, AllOf(StartsWith("{\"id\":\"" + record.id + "\""), testing::EndsWith("}\n")), ""));
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1);
}

TEST_F(StatusTest, ANameMayBeAnIdOrItsUniqueBeginning) {
  Record web = record_of("web");
  Record api = record_of("api");
  web.id = "abcdefghijkl";
  api.id = "abcxyzabcxyz";
  add_live(web);
  add_ended(api, State::exited, "exited with status 0", 0);
  EXPECT_THAT(agentctl({"status", "abcdefghijkl"}), ended_with(0, StartsWith("web (abcdefghijkl)"), ""));
  EXPECT_THAT(agentctl({"status", "abcd"}), ended_with(0, StartsWith("web (abcdefghijkl)"), ""));
  EXPECT_THAT(agentctl({"status", "abcx"}), ended_with(0, StartsWith("api (abcxyzabcxyz)"), ""));
  const Outcome both = agentctl({"status", "abc"});
  EXPECT_EQ(both.status, 4);
  EXPECT_THAT(both.err, StartsWith("agentctl: more than one session's id begins with 'abc': "));
  EXPECT_THAT(both.err, AllOf(HasSubstr("abcdefghijkl (web)"), HasSubstr("abcxyzabcxyz (api)"),
                              HasSubstr("\nhint: give more of the id\n")));
}

TEST_F(StatusTest, ANameThatWasUsedBeforeMeansTheLiveSessionElseTheLatest) {
  add_ended(record_of("web", 3h), State::failed, "exited with status 3", 3);
  add_ended(record_of("web", 1h), State::exited, "exited with status 0", 0);
  add_ended(record_of("web", 2h), State::failed, "exited with status 2", 2);
  EXPECT_THAT(agentctl({"status", "web"}).out, HasSubstr(")  exited, exited with status 0\n"));
  add_live(record_of("web", 4h + 30s));
  EXPECT_THAT(agentctl({"status", "web"}).out, HasSubstr(")  running, for 4h\n"));
}

TEST_F(StatusTest, WhatIsNotThereIsNotFound) {
  const Record record = add_live(record_of("web"));
  for (const std::string name : {"nope", "4711", "1", "we", "Web", "web ", "*", "../web"})
    EXPECT_THAT(agentctl({"status", name}),
                ended_with(3, "", error_text("no such session '" + name + "'", "agentctl list -a")));
  for (const char* verb : {"logs", "stop", "kill", "restart", "wait", "rm"})
    EXPECT_THAT(agentctl({verb, "nope"}), ended_with(3, "", error_text("no such session 'nope'", "agentctl list -a")));
  EXPECT_THAT(agentctl({"extend", "nope", "1h"}),
              ended_with(3, "", error_text("no such session 'nope'", "agentctl list -a")));
  EXPECT_THAT(agentctl({"--json", "status", "nope"}),
              ended_with(3, "",
                         R"({"error":{"code":"not-found","message":"no such session 'nope'","object":"nope",)"
                         R"("reason":"","hint":"agentctl list -a"}})"
                         "\n"));
}

TEST_F(StatusTest, ALiveUnitWhoseRecordIsLostIsShownFromTheUnit) {
  systemd.set_unit({.name = "agentctl-web.service", .description = "agentctl session abcdefghijkl: npm"});
  for (const char* name : {"web", "abcdefghijkl", "abc"})
    EXPECT_THAT(agentctl({"status", name}),
                ended_with(0,
                           StartsWith("web (abcdefghijkl)  running, its record was lost; shown from the unit\n"
                                      "  unit       agentctl-web.service (your user manager)\n"),
                           ""));
}

TEST_F(StatusTest, ARecordThatCannotBeUsedIsNamedAlsoWhereTheSessionIsNotFound) {
  make_directories(path("state/agentctl/ended"));
  const std::string file = path("state/agentctl/ended/web.abcdefghijkl.json");
  put_file(file, "{");
  const std::string trouble = "cannot use '" + file + "': ";
  EXPECT_THAT(agentctl({"status", "web"}),
              ended_with(3, "",
                         AllOf(StartsWith("agentctl: warning: " + trouble),
                               testing::EndsWith(error_text("no such session 'web'", "agentctl list -a")))));
  const Outcome outcome = agentctl({"--json", "status", "web"});
  const auto error = boost::json::parse(outcome.err).at("error");
  EXPECT_EQ(error.at("code").as_string(), "not-found");
  ASSERT_EQ(error.at("warnings").as_array().size(), 1u);
  EXPECT_TRUE(error.at("warnings").at(0).as_string().starts_with(trouble)) << outcome.err;
}

TEST_F(StatusTest, LostLinesAreTold) {
  Record record = record_of("web");
  End end;
  end.state = State::exited;
  end.reason = "exited with status 0";
  end.log_lost = 3;
  Registry registry = this->registry();
  registry.create(record);
  registry.finish(record, end);
  EXPECT_THAT(agentctl({"status", "web"}).out, HasSubstr("\n  lost lines 3\n"));
}

}  // namespace
}  // namespace agentctl
