#include "domain/session_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "domain/launch.hpp"
#include "support/sample_records.hpp"
#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

using testing::HasSubstr;

/// Every field has a value that is not its default.
Record full_record() {
  Record record = sample_record("web");
  SessionRequest& request = record.request;
  request.cwd = "/home/ann/a b";
  request.project = "shop";
  request.group = "g1";
  request.agent = "claude é";
  request.work_item = "WI-1";
  request.labels = {{"a", "1"}, {"b", ""}};
  request.ports = {80, 65535};
  request.ttl = std::chrono::minutes(15);
  request.stop_timeout = std::chrono::seconds(9);
  request.stdout_file = "/tmp/out";
  request.stderr_file = "/tmp/err";
  request.log_max = 0;
  request.clean_env = true;
  request.env_keys = {"TOKEN=", "LANG"};
  request.env_file = "/p/.env";
  request.user = "ann";
  request.restart = {.policy = RestartPolicy::on_failure,
                     .delay = std::chrono::seconds(1),
                     .max_delay = std::chrono::seconds(9),
                     .early = std::chrono::seconds(5),
                     .limit = 4,
                     .never_on = {9, 10}};
  request.health = HealthCheck{.kind = HealthKind::command,
                               .target = "pg_isready -q",
                               .expect_status = 204,
                               .shell = false,
                               .args = {"-h", "/run"},
                               .expect_regex = "^ok$",
                               .interval = std::chrono::seconds(3),
                               .timeout = std::chrono::seconds(40),
                               .when_unhealthy = WhenUnhealthy::restart};
  request.attrs = R"({"url":"http://x"})";
  request.exclusive = "deploy";
  request.source = "cron";
  record.slice = "agentctl-shop-_1.slice";
  record.early_ends = 2;
  record.retry_at = sample_time(30);
  record.first_started_at = sample_time(3);
  record.scope = ManagerScope::system;
  record.attempt = 3;
  record.earlier_attempts = {sample_end(State::restarting, 10), sample_end(State::failed, 20)};
  record.expires_at = sample_time(5000);
  record.stop =
      StopRequest{.by = {.uid = 1, .user = "bob", .pid = 8, .command = "zsh"}, .reason = "why", .at = sample_time(7)};
  record.stop->timeout = std::chrono::seconds(60);
  record.restart_by = Asker{.uid = 2, .user = "eve", .pid = 9, .command = "sh"};
  record.end = sample_end(State::failed);
  record.end->exit = {.code = {}, .signal = 11, .result = "core-dump"};
  record.end->usage.cpu_ns = 123;
  record.end->usage.memory_peak_bytes = 456;
  record.end->log_lost = 7;
  return record;
}

void expect_same(const Asker& a, const Asker& b) {
  EXPECT_EQ(a.uid, b.uid);
  EXPECT_EQ(a.user, b.user);
  EXPECT_EQ(a.pid, b.pid);
  EXPECT_EQ(a.command, b.command);
}

void expect_same(const SessionRequest& a, const SessionRequest& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.command, b.command);
  EXPECT_EQ(a.cwd, b.cwd);
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.project, b.project);
  EXPECT_EQ(a.group, b.group);
  EXPECT_EQ(a.agent, b.agent);
  EXPECT_EQ(a.work_item, b.work_item);
  EXPECT_EQ(a.labels, b.labels);
  EXPECT_EQ(a.ports, b.ports);
  EXPECT_EQ(a.ttl, b.ttl);
  EXPECT_EQ(a.stop_timeout, b.stop_timeout);
  EXPECT_EQ(a.stdout_file, b.stdout_file);
  EXPECT_EQ(a.stderr_file, b.stderr_file);
  EXPECT_EQ(a.log_max, b.log_max);
  EXPECT_EQ(a.clean_env, b.clean_env);
  EXPECT_EQ(a.env_keys, b.env_keys);
  EXPECT_EQ(a.env_file, b.env_file);
  EXPECT_EQ(a.user, b.user);
  EXPECT_TRUE(a.restart == b.restart);
  EXPECT_TRUE(a.health == b.health);
  EXPECT_EQ(a.attrs, b.attrs);
  EXPECT_EQ(a.exclusive, b.exclusive);
  EXPECT_EQ(a.source, b.source);
}

void expect_same(const End& a, const End& b) {
  EXPECT_EQ(a.state, b.state);
  EXPECT_EQ(a.reason, b.reason);
  EXPECT_EQ(a.exit.code, b.exit.code);
  EXPECT_EQ(a.exit.signal, b.exit.signal);
  EXPECT_EQ(a.exit.result, b.exit.result);
  EXPECT_EQ(a.started_at, b.started_at);
  EXPECT_EQ(a.ended_at, b.ended_at);
  EXPECT_EQ(a.pid, b.pid);
  EXPECT_EQ(a.invocation_id, b.invocation_id);
  EXPECT_EQ(a.usage.cpu_ns, b.usage.cpu_ns);
  EXPECT_EQ(a.usage.memory_peak_bytes, b.usage.memory_peak_bytes);
  EXPECT_EQ(a.log_lost, b.log_lost);
}

void expect_same(const Record& a, const Record& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.unit, b.unit);
  EXPECT_EQ(a.slice, b.slice);
  EXPECT_EQ(a.early_ends, b.early_ends);
  EXPECT_EQ(a.retry_at, b.retry_at);
  EXPECT_EQ(a.first_started_at, b.first_started_at);
  EXPECT_EQ(a.scope, b.scope);
  expect_same(a.request, b.request);
  expect_same(a.created_by, b.created_by);
  EXPECT_EQ(a.created_at, b.created_at);
  EXPECT_EQ(a.boot_id, b.boot_id);
  EXPECT_EQ(a.attempt, b.attempt);
  ASSERT_EQ(a.earlier_attempts.size(), b.earlier_attempts.size());
  for (std::size_t i = 0; i < a.earlier_attempts.size(); ++i) expect_same(a.earlier_attempts[i], b.earlier_attempts[i]);
  EXPECT_EQ(a.expires_at, b.expires_at);
  ASSERT_EQ(a.stop.has_value(), b.stop.has_value());
  if (a.stop) {
    expect_same(a.stop->by, b.stop->by);
    EXPECT_EQ(a.stop->reason, b.stop->reason);
    EXPECT_EQ(a.stop->at, b.stop->at);
    EXPECT_EQ(a.stop->timeout, b.stop->timeout);
  }
  ASSERT_EQ(a.restart_by.has_value(), b.restart_by.has_value());
  if (a.restart_by) expect_same(*a.restart_by, *b.restart_by);
  ASSERT_EQ(a.end.has_value(), b.end.has_value());
  if (a.end) expect_same(*a.end, *b.end);
}

/// The record's JSON with one text replaced by another.
std::string spoiled(const Record& record, const std::string& from, const std::string& to) {
  std::string json = to_json(record);
  const auto at = json.find(from);
  if (at == std::string::npos) {
    ADD_FAILURE() << "'" << from << "' is not in " << json;
    return json;
  }
  return json.replace(at, from.size(), to);
}

TEST(RecordJson, IsReadBackWithEveryField) { expect_same(parse_record(to_json(full_record())), full_record()); }

TEST(RecordJson, IsReadBackWithNoFieldMoreThanItNeeds) {
  Record record = sample_record();
  record.created_by = {};
  record.boot_id = "";
  record.request.cwd = "";
  expect_same(parse_record(to_json(record)), record);
  record.request.kind = SessionKind::scope;
  record.unit = "agentctl-web.scope";
  record.request.ttl = forever;
  expect_same(parse_record(to_json(record)), record);
}

TEST(RecordJson, KeepsBytesThatAreNoUtf8) {
  Record record = sample_record();
  std::string all;
  for (int byte = 1; byte < 256; ++byte) all += static_cast<char>(byte);
  record.request.command = {"/bin/\xFF",
                            all,
                            "\xC3",
                            "é\xC3",
                            "\xE2\x82\xAC\xE2\x82",
                            "00\xFF"
                            "00",
                            ""};
  record.request.cwd = "/tmp/\x80";
  record.request.env_file = "\xFE";
  record.created_by.command = "sh -c \xC0\xAF";
  record.request.labels = {{"k", "\xFF"}};
  expect_same(parse_record(to_json(record)), record);
}

TEST(RecordJson, IsOneLine) {
  Record record = full_record();
  record.request.command = {"a\nb", "c\rd"};
  const std::string json = to_json(record);
  EXPECT_EQ(json.find('\n'), json.size() - 1);
}

TEST(RecordJson, IgnoresFieldsOfANewerAgentctl) {
  const Record record = full_record();
  expect_same(parse_record(spoiled(record, "{\"schema\":1", R"({"new":{"deep":[1,2,{"x":null}]},"schema":1)")), record);
  expect_same(parse_record(spoiled(record, "\"request\":{", R"("request":{"priority":5,)")), record);
}

TEST(RecordJson, IsReadWhateverTheOrderOfItsFields) {
  const auto record = boost::json::parse(to_json(full_record())).get_object();
  boost::json::object reversed;
  for (auto field = record.end(); field != record.begin();) {
    --field;
    reversed[field->key()] = field->value();
  }
  expect_same(parse_record(boost::json::serialize(reversed)), full_record());
}

TEST(RecordJson, TakesNullForMissing) {
  const Record record = sample_record();
  expect_same(parse_record(spoiled(record, "{\"schema\":1", R"({"end":null,"stop":null,"expires_at":null,"schema":1)")),
              record);
}

TEST(RecordJson, OfAnotherSchemaIsRefused) {
  for (const char* schema :
       {"{\"schema\":2", "{\"schema\":0", "{\"schema\":\"1\"", "{\"schema\":1.5", "{\"schema\":null"})
    EXPECT_EQ(thrown_by([&] { parse_record(spoiled(full_record(), "{\"schema\":1", schema)); }).object(), "schema")
        << schema;
  EXPECT_THAT(thrown_by([&] { parse_record(spoiled(full_record(), "{\"schema\":1", "{\"schema\":2")); }).reason(),
              HasSubstr("another agentctl version"));
}

TEST(RecordJson, WithAWrongTypeIsRefusedByTheFieldsName) {
  struct Row {
    std::string from;
    std::string to;
    std::string field;
  };
  const std::vector<Row> table{
      {R"("id":"aaaaaaaaaaab")", R"("id":5)", "id"},
      {R"("id":"aaaaaaaaaaab")", R"("id":"../../../etc")", "id"},
      {R"("id":"aaaaaaaaaaab")", R"("x":0)", "id"},
      {R"("unit":"agentctl-web.service")", R"("unit":"agentctl-api.service")", "unit"},
      {R"("unit":"agentctl-web.service")", R"("unit":["agentctl-web.service"])", "unit"},
      {R"("scope":"system")", R"("scope":"global")", "scope"},
      {R"("name":"web")", R"("name":"../web")", "name"},
      {R"("name":"web")", R"("name":null)", "name"},
      {R"("command":["sleep","60"])", R"("command":"sleep 60")", "command"},
      {R"("command":["sleep","60"])", R"("command":["sleep",60])", "command"},
      {R"("command":["sleep","60"])", R"("command":[])", "command"},
      {R"("command":["sleep","60"])", R"("command":["a\u0000b"])", "command"},
      {R"("command":["sleep","60"])", R"("command":["a\u000000"])", "command"},
      {R"("command":["sleep","60"])", R"("command":["a\u0000f"])", "command"},
      {R"("command":["sleep","60"])", R"("command":["a\u0000FF"])", "command"},
      {R"("kind":"service")", R"("kind":"timer")", "kind"},
      {R"("labels":{)", R"("labels":[],"x":{)", "labels"},
      {R"("labels":{"a":"1")", R"("labels":{"a":1)", "a"},
      {R"("ports":[80,)", R"("ports":["80",)", "ports"},
      {R"("ports":[80,)", R"("ports":[65536,)", "ports"},
      {R"("ports":[80,)", R"("ports":[-1,)", "ports"},
      {R"("ttl_usec":900000000)", R"("ttl_usec":0)", "ttl_usec"},
      {R"("ttl_usec":900000000)", R"("ttl_usec":1e300)", "ttl_usec"},
      {R"("ttl_usec":900000000)", R"("ttl_usec":99999999999999999999)", "ttl_usec"},
      {R"("ttl_usec":900000000)", R"("ttl_usec":true)", "ttl_usec"},
      {R"("stop_timeout_usec":9000000)", R"("stop_timeout_usec":-1)", "stop_timeout_usec"},
      {R"("clean_env":true)", R"("clean_env":"yes")", "clean_env"},
      {R"("created_by":{)", R"("created_by":7,"x":{)", "created_by"},
      {R"("uid":1000)", R"("uid":-1)", "uid"},
      {R"("attempt":3)", R"("attempt":0)", "attempt"},
      {R"("earlier_attempts":[{)", R"("earlier_attempts":[5,{)", "earlier_attempts"},
      {R"("stop":{"by":)", R"("stop":{"x":)", "by"},
      {R"("end":{"state":"failed")", R"("end":{"state":"running")", "state"},
      {R"("end":{"state":"failed")", R"("end":{"state":"restarting")", "state"},
      {R"("exit_signal":11)", R"("exit_signal":65)", "exit_signal"},
      {R"("exit_code":0)", R"("exit_code":256)", "exit_code"},
      {R"("boot_id":")", R"("boot_id":["x"],"y":")", "boot_id"},
  };
  for (const Row& row : table) {
    const Error error = thrown_by([&] { parse_record(spoiled(full_record(), row.from, row.to)); });
    EXPECT_EQ(error.object(), row.field) << row.to;
    EXPECT_EQ(error.context(), "invalid JSON") << row.to;
    EXPECT_EQ(error.code(), ErrorCode::failed) << row.to;
  }
}

TEST(RecordJson, ThatIsNoJsonIsRefused) {
  const std::string json = to_json(full_record());
  for (const std::string& text :
       {std::string(), std::string("null"), std::string("[]"), std::string("\"x\""), std::string("{"),
        std::string("{}"), json + "x", json + json, "\xEF\xBB\xBF" + json, std::string(100, '\0')})
    EXPECT_THROW(parse_record(text), Error) << text;
  for (std::size_t length = 0; length + 2 < json.size(); ++length)
    EXPECT_THROW(parse_record(std::string_view(json).substr(0, length)), Error) << length;
}

TEST(RecordJson, ThatIsNoUtf8IsRefused) {
  EXPECT_THROW(parse_record(spoiled(full_record(), "shop", "sh\xFFp")), Error);
}

TEST(RecordJson, NestedDeeplyIsRefusedAndCannotExhaustTheStack) {
  const auto nested = [](std::size_t depth) {
    return "{\"new\":" + std::string(depth, '[') + std::string(depth, ']') + "," + to_json(sample_record()).substr(1);
  };
  EXPECT_NO_THROW(parse_record(nested(15)));
  EXPECT_THROW(parse_record(nested(16)), Error);
  EXPECT_THROW(parse_record(nested(1'000'000)), Error);
}

TEST(LaunchJson, IsReadBackWithEveryByteOfTheEnvironment) {
  Launch launch;
  launch.record = full_record();
  launch.record.end.reset();
  launch.executable = "/opt/\xFF/sleep";
  launch.environment = {"A=1", "B=", "C=\xFF\xFE no UTF-8", "D=line\nline", "E=é"};
  launch.registry = "/home/ann/.local/state/agentctl";
  launch.umask = 077;
  const Launch read = parse_launch(to_json(launch));
  expect_same(read.record, launch.record);
  EXPECT_EQ(read.executable, launch.executable);
  EXPECT_EQ(read.environment, launch.environment);
  EXPECT_EQ(read.registry, launch.registry);
  EXPECT_EQ(read.umask, 077);
}

TEST(LaunchJson, WithoutItsPartsIsRefused) {
  EXPECT_EQ(thrown_by([] { parse_launch("{}"); }).object(), "record");
  Launch launch;
  launch.record = sample_record();
  EXPECT_EQ(thrown_by([&] { parse_launch(to_json(launch)); }).object(), "executable");
  launch.executable = "/bin/true";
  launch.umask = 01000;
  EXPECT_EQ(thrown_by([&] { parse_launch(to_json(launch)); }).object(), "umask");
}

TEST(HostNoteJson, IsReadBack) {
  HostNote note;
  note.invocation_id = "i1";
  note.pid = 4711;
  note.started_at = sample_time(1);
  note.terminated_at = sample_time(2);
  note.exit_code = 0;
  note.exit_signal = 9;
  note.core_dumped = true;
  note.exited_at = sample_time(3);
  note.start_error = "cannot run '\xFF'";
  note.start_status = 126;
  note.log_lost = 5;
  note.expired = true;
  const HostNote read = parse_host_note(to_json(note));
  EXPECT_EQ(read.invocation_id, "i1");
  EXPECT_EQ(read.pid, 4711);
  EXPECT_EQ(read.started_at, sample_time(1));
  EXPECT_EQ(read.terminated_at, sample_time(2));
  EXPECT_EQ(read.exit_code, 0);
  EXPECT_EQ(read.exit_signal, 9);
  EXPECT_TRUE(read.core_dumped);
  EXPECT_EQ(read.exited_at, sample_time(3));
  EXPECT_EQ(read.start_error, note.start_error);
  EXPECT_EQ(read.start_status, 126);
  EXPECT_EQ(read.log_lost, 5U);
  EXPECT_TRUE(read.expired);
  EXPECT_EQ(parse_host_note(to_json(HostNote{})).exit_code, std::nullopt);
}

TEST(AttemptPlanJson, IsReadBack) {
  const AttemptPlan plan{.not_before = sample_time(1), .expires_at = sample_time(2)};
  const AttemptPlan read = parse_attempt_plan(to_json(plan));
  EXPECT_EQ(read.not_before, plan.not_before);
  EXPECT_EQ(read.expires_at, plan.expires_at);
  EXPECT_EQ(parse_attempt_plan(to_json(AttemptPlan{})).expires_at, std::nullopt);
  for (const char* json : {"", "[]", R"({"not_before":-1})", R"({"not_before":"soon"})", R"({"expires_at":1.5})"})
    EXPECT_THROW(parse_attempt_plan(json), Error) << json;
}

TEST(RestartRulesJson, ThatSomebodyElseWroteAreChecked) {
  const std::vector<std::pair<std::string, std::string>> wrong{{"\"policy\":\"on-failure\"",
                                                                "\"policy\":\"sometimes\""},
                                                               {"\"delay_usec\":1000000", "\"delay_usec\":0"},
                                                               {"\"limit\":4", "\"limit\":0"},
                                                               {"\"limit\":4", "\"limit\":1001"},
                                                               {"\"never_on\":[9", "\"never_on\":[-1"},
                                                               {"\"slice\":\"agentctl-", "\"slice\":\"../"}};
  for (const auto& [from, to] : wrong) EXPECT_THROW(parse_record(spoiled(full_record(), from, to)), Error) << to;
}

TEST(HostNoteJson, ThatSomebodyElseWroteIsChecked) {
  for (const char* json : {"", "[]", R"({"pid":0})", R"({"pid":-5})", R"({"pid":4294967296})", R"({"exit_code":300})",
                           R"({"exit_signal":0})", R"({"started_at":-1})", R"({"start_error":{}})",
                           R"({"core_dumped":1})", R"({"log_lost":-1})", R"({"started_at":"2026-01-01T00:00:00Z"})"})
    EXPECT_THROW(parse_host_note(json), Error) << json;
}

}  // namespace
}  // namespace agentctl
