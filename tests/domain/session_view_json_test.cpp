#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "domain/session_view.hpp"
#include "support/sample_records.hpp"

namespace agentctl {
namespace {

namespace json = boost::json;
using testing::ElementsAre;

std::vector<std::string> keys_of(const json::value& value) {
  std::vector<std::string> keys;
  for (const auto& member : value.as_object()) keys.emplace_back(member.key());
  return keys;
}

json::value as_json(const Session& session) { return json::parse(to_json(session)); }

Session lives(Record record) {
  SessionEvidence evidence;
  evidence.unit = Activity::active;
  return make_session(std::move(record), evidence, std::nullopt);
}

void expect_every_key(const Session& session) {
  const json::value value = as_json(session);
  EXPECT_THAT(keys_of(value),
              ElementsAre("id", "name", "unit", "scope", "state", "reason", "healthy", "command", "cwd", "project",
                          "group", "agent", "work_item", "labels", "ports", "attrs", "pid", "invocation_id", "boot_id",
                          "attempt", "restarts", "created_at", "started_at", "ready_at", "ended_at", "expires_at",
                          "ttl_s", "exit", "stopped_by", "usage", "log_lost", "health", "attempts", "exclusive",
                          "source", "pool", "priority", "persist", "on_end", "flow", "step"));
  EXPECT_THAT(keys_of(value.at("exit")), ElementsAre("code", "signal", "result"));
  EXPECT_THAT(keys_of(value.at("usage")), ElementsAre("cpu_ns", "memory_bytes", "memory_peak_bytes", "processes"));
}

TEST(SessionJson, HasEveryKeyAlways) {
  expect_every_key(Session{});
  expect_every_key(lives(sample_record()));
  Record ended = sample_record();
  ended.end = sample_end();
  expect_every_key(make_session(ended, {}, std::nullopt));
}

TEST(SessionJson, IsNullWhereAFieldDoesNotApply) {
  const json::value value = as_json(lives(sample_record()));
  for (const char* key : {"reason", "healthy", "project", "group", "agent", "work_item", "pid", "invocation_id",
                          "started_at", "ready_at", "ended_at", "expires_at", "ttl_s", "stopped_by", "health"})
    EXPECT_TRUE(value.at(key).is_null()) << key;
  for (const char* key : {"code", "signal", "result"}) EXPECT_TRUE(value.at("exit").at(key).is_null()) << key;
  for (const char* key : {"cpu_ns", "memory_bytes", "memory_peak_bytes", "processes"})
    EXPECT_TRUE(value.at("usage").at(key).is_null()) << key;
  EXPECT_TRUE(value.at("labels").as_object().empty());
  EXPECT_TRUE(value.at("ports").as_array().empty());
  EXPECT_TRUE(value.at("attrs").as_object().empty());
  EXPECT_EQ(value.at("log_lost"), 0);
}

TEST(SessionJson, SaysAllThatIsKnownOfALiveSession) {
  Record record = sample_record();
  record.request.project = "shop";
  record.request.labels = {{"k", "v"}};
  record.request.ports = {3000};
  record.request.ttl = std::chrono::minutes(15);
  record.attempt = 3;
  HostNote note;
  note.pid = 4711;
  note.started_at = TimePoint(std::chrono::milliseconds(1'769'860'800'250));
  SessionEvidence evidence;
  evidence.unit = Activity::active;
  Session session = make_session(record, evidence, note);
  session.usage = {.cpu_ns = 5, .memory_bytes = 6, .memory_peak_bytes = 7, .processes = 8};
  const json::value value = as_json(session);
  EXPECT_EQ(value.at("state"), "running");
  EXPECT_EQ(value.at("name"), "web");
  EXPECT_EQ(value.at("unit"), "agentctl-web.service");
  EXPECT_EQ(value.at("scope"), "user");
  EXPECT_EQ(value.at("command"), (json::array{"sleep", "60"}));
  EXPECT_EQ(value.at("labels"), (json::object{{"k", "v"}}));
  EXPECT_EQ(value.at("ports"), json::array{3000});
  EXPECT_EQ(value.at("pid"), 4711);
  EXPECT_EQ(value.at("attempt"), 3);
  EXPECT_EQ(value.at("restarts"), 2);
  EXPECT_EQ(value.at("created_at"), "2027-01-15T08:00:00.000Z");
  EXPECT_EQ(value.at("started_at"), "2026-01-31T12:00:00.250Z");
  EXPECT_EQ(value.at("expires_at"), "2026-01-31T12:15:00.250Z");
  EXPECT_EQ(value.at("usage").at("memory_bytes"), 6);
}

TEST(SessionJson, SaysHowASessionEndedAndWhoStoppedIt) {
  Record record = sample_record();
  record.stop = StopRequest{.by = {.uid = 1000, .user = "ann", .pid = 5, .command = "zsh"}, .reason = "why", .at = {}};
  record.end = sample_end(State::stopped);
  record.end->reason = "stopped by ann: why";
  record.end->exit = {.code = {}, .signal = 15, .result = "success"};
  const json::value value = as_json(make_session(record, {}, std::nullopt));
  EXPECT_EQ(value.at("state"), "stopped");
  EXPECT_EQ(value.at("reason"), "stopped by ann: why");
  EXPECT_EQ(value.at("exit"), (json::object{{"code", nullptr}, {"signal", 15}, {"result", "success"}}));
  EXPECT_EQ(value.at("stopped_by"),
            (json::object{{"uid", 1000}, {"user", "ann"}, {"pid", 5}, {"command", "zsh"}, {"reason", "why"}}));
}

TEST(SessionJson, WritesTheLimitAsSecondsWithoutAnExponent) {
  Record record = sample_record();
  record.request.ttl = std::chrono::minutes(15);
  EXPECT_THAT(to_json(lives(record)), testing::HasSubstr("\"ttl_s\":900,"));
  record.request.ttl = std::chrono::milliseconds(1500);
  EXPECT_EQ(as_json(lives(record)).at("ttl_s").as_double(), 1.5);
  record.request.ttl = forever;
  EXPECT_TRUE(as_json(lives(record)).at("ttl_s").is_null());
}

TEST(SessionJson, DoesNotClaimThatARebuiltRecordIsFrom1970) {
  Record record = sample_record();
  record.created_at = {};
  EXPECT_TRUE(as_json(lives(record)).at("created_at").is_null());
}

TEST(SessionJson, IsUtf8WhateverTheCommandIs) {
  Record record = sample_record();
  record.request.command = {"\xFF", "a\nb"};
  record.request.cwd = "/\x80";
  const json::value value = as_json(lives(record));
  EXPECT_EQ(value.at("command"), (json::array{"\uFFFD", "a\nb"}));
  EXPECT_EQ(value.at("cwd"), "/\uFFFD");
}

TEST(SessionJson, OfSeveralIsOneArrayWithOneOnALine) {
  EXPECT_EQ(to_json(std::vector<Session>{}), "[]");
  const std::vector<Session> two{lives(sample_record("one")), lives(sample_record("two"))};
  const std::string text = to_json(two);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  const json::value value = json::parse(text);
  ASSERT_EQ(value.as_array().size(), 2U);
  EXPECT_EQ(value.at(1).at("name"), "two");
}

}  // namespace
}  // namespace agentctl
