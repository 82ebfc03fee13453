#include "http/managed.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "support/sample_records.hpp"

namespace agentctl {
namespace {

namespace json = boost::json;

Session sample(const std::string& name = "web", const std::string& ready = "http://localhost:3000/ok") {
  Record record = sample_record(name);
  record.request.command = {"npm", "run", "dev"};
  record.request.project = "shop";
  record.request.agent = "dev";
  record.request.work_item = "W-1";
  record.request.ports = {3000};
  record.request.env_keys = {"SECRET="};
  if (!ready.empty()) record.request.health = parse_ready(ready);
  Session session = make_session(record, {.unit = Activity::active}, std::nullopt);
  session.pid = 4711;
  session.started_at = sample_time(1);
  session.expires_at = sample_time(61);
  return session;
}

TEST(ManagedItem, HasEveryFieldAndNoEnvironment) {
  const json::value item = json::parse(managed_item(sample()));
  std::vector<std::string> keys;
  for (const auto& member : item.as_object()) keys.emplace_back(member.key());
  EXPECT_THAT(keys, testing::ElementsAre("name", "pid", "alive", "healthy", "owner_agent", "owner_wi", "owner_project",
                                         "attrs", "ports", "started_at", "ttl_expires_at", "last_health_at", "log_path",
                                         "cmd", "args", "cwd", "healthcheck"));
  EXPECT_EQ(item.at("name"), "web");
  EXPECT_EQ(item.at("pid"), 4711);
  EXPECT_EQ(item.at("owner_agent"), "dev");
  EXPECT_EQ(item.at("owner_wi"), "W-1");
  EXPECT_EQ(item.at("owner_project"), "shop");
  EXPECT_EQ(item.at("ports"), json::parse("[3000]"));
  EXPECT_EQ(item.at("started_at"), 1'800'000'001'000);
  EXPECT_EQ(item.at("ttl_expires_at"), 1'800'000'061'000);
  EXPECT_EQ(item.at("cmd"), "npm");
  EXPECT_EQ(item.at("args"), json::parse(R"(["run","dev"])"));
  EXPECT_EQ(item.at("cwd"), "/");
  EXPECT_EQ(item.at("healthy"), false);
  EXPECT_TRUE(item.at("last_health_at").is_null());
  EXPECT_EQ(json::serialize(item.at("healthcheck")),
            R"({"type":"http","url":"http://localhost:3000/ok","timeout_s":6E1})");
}

TEST(ManagedItem, SaysHowHealthyItIs) {
  Session session = sample();
  add_health(session, HealthReport{.note = {.healthy = true}, .checked_at = sample_time(9)}, sample_time(10));
  json::value item = json::parse(managed_item(session));
  EXPECT_EQ(item.at("healthy"), true);
  EXPECT_EQ(item.at("last_health_at"), 1'800'000'009'000);
  add_health(session, HealthReport{.note = {.healthy = false, .error = "no"}, .checked_at = sample_time(9)},
             sample_time(10));
  item = json::parse(managed_item(session));
  EXPECT_EQ(item.at("healthy"), false);
  EXPECT_TRUE(item.at("last_health_at").is_null());
}

TEST(ManagedItem, HasTheWholeOfACommandCheck) {
  Session session = sample("web", "cmd:true");
  session.record.request.health->expect_regex = "^ok$";
  session.record.request.health->interval = microseconds(500'000);
  const json::value check = json::parse(managed_item(session)).at("healthcheck");
  EXPECT_EQ(check.at("type"), "command");
  EXPECT_EQ(check.at("cmd"), "true");
  EXPECT_EQ(check.at("shell"), true);
  EXPECT_EQ(check.at("expect_regex"), "^ok$");
  EXPECT_EQ(check.at("interval_s"), 0.5);
}

TEST(ManagedItem, IsAliveWhenItIs) {
  Session session = sample();
  EXPECT_EQ(json::parse(managed_item(session)).at("alive"), true);
  session.state = State::restarting;
  EXPECT_EQ(json::parse(managed_item(session)).at("alive"), false);
  session.state = State::running;
  session.pid.reset();
  EXPECT_EQ(json::parse(managed_item(session)).at("alive"), false);
}

TEST(Managed, IsALiveServiceWithAHealthCheck) {
  EXPECT_TRUE(is_managed(sample()));
  EXPECT_FALSE(is_managed(sample("web", "")));
  Session ended = sample();
  ended.state = State::exited;
  EXPECT_FALSE(is_managed(ended));
  Session scope = sample();
  scope.record.request.kind = SessionKind::scope;
  EXPECT_FALSE(is_managed(scope));
}

TEST(Managed, AreSortedByName) {
  const ManagedList list = managed_list({sample("b"), sample("c", ""), sample("a")});
  const ManagedList sorted = managed_list({sample("a"), sample("b")});
  EXPECT_EQ(list.items, sorted.items);
  EXPECT_EQ(list.tagged, sorted.tagged);
  EXPECT_EQ(json::parse(list.items).as_array().size(), 2U);
  EXPECT_NE(managed_list({sample("a")}).tagged, managed_list({sample("b")}).tagged);
  EXPECT_EQ(managed_list({}).items, "[]");
}

TEST(Managed, AnotherCheckChangesNoTag) {
  const auto checked = [](std::int64_t seconds, bool healthy = true) {
    Session session = sample();
    add_health(session, HealthReport{.note = {.healthy = healthy}, .checked_at = sample_time(seconds)},
               sample_time(seconds));
    return managed_list({session});
  };
  EXPECT_EQ(checked(9).tagged, checked(10).tagged);
  EXPECT_NE(checked(9).items, checked(10).items);
  EXPECT_NE(checked(9).tagged, checked(9, false).tagged);
}

TEST(ManagedItem, NamesWhatItsCheckLooksAtAsAFileDoes) {
  const auto looks_at = [](const char* ready, const char* member) {
    return json::parse(managed_item(sample("web", ready))).at("healthcheck").at(member);
  };
  EXPECT_EQ(looks_at("unix:/run/x", "path"), "/run/x");
  EXPECT_EQ(looks_at("log:^ready$", "regex"), "^ready$");
  EXPECT_EQ(looks_at("tcp:3000", "target"), "3000");
}

}  // namespace
}  // namespace agentctl
