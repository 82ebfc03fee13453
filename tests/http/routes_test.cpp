#include "http/routes.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "../app/app_fixture.hpp"

namespace agentctl {
namespace {

namespace json = boost::json;
using testing::Contains;
using testing::ElementsAre;
using testing::Pair;
using testing::StartsWith;

class Routes : public AppTest {
 protected:
  Answer ask(const std::string& method, const std::string& target, const std::string& body = {}) {
    const Backend backend{.with_context = [&](const std::function<void(Context&)>& use) { use(context); },
                          .global_options = {"--user"}};
    return answer(backend, {.method = method, .target = *parse_target(target), .body = body});
  }
  Response get(const std::string& target) { return std::get<Response>(ask("GET", target)); }
  void expect_problem(const Answer& given, int status, const std::string& code, const std::string& field = {}) {
    ASSERT_TRUE(std::holds_alternative<Response>(given));
    const auto& response = std::get<Response>(given);
    EXPECT_EQ(response.status, status);
    const json::value problem = json::parse(response.body);
    EXPECT_EQ(problem.at("code"), code.c_str()) << response.body;
    EXPECT_FALSE(problem.at("error").as_string().empty());
    EXPECT_TRUE(problem.at("details").as_array().empty());
    if (!field.empty()) {
      EXPECT_EQ(problem.at("field"), field.c_str());
    }
  }
};

TEST_F(Routes, ListWhatLivesAndWithAllWhatHasEnded) {
  add_session("web", 'b');
  add_ended("old", 'c');
  const json::value live = json::parse(get("/api/sessions").body);
  ASSERT_EQ(live.at("items").as_array().size(), 1U);
  EXPECT_EQ(live.at("items").at(0).at("name"), "web");
  EXPECT_TRUE(live.at("generatedAt").is_string());
  EXPECT_EQ(json::parse(get("/api/sessions?all=1").body).at("items").as_array().size(), 2U);
  EXPECT_EQ(json::parse(get("/api/sessions?state=exited").body).at("items").at(0).at("name"), "old");
  EXPECT_TRUE(json::parse(get("/api/sessions?project=nix").body).at("items").as_array().empty());
}

TEST_F(Routes, ShowOneByNameOrId) {
  add_session("web");
  EXPECT_EQ(json::parse(get("/api/sessions/web").body).at("state"), "running");
  EXPECT_EQ(json::parse(get("/api/sessions/" + sample_id('b')).body).at("name"), "web");
  expect_problem(ask("GET", "/api/sessions/nix"), 404, "not-found");
}

TEST_F(Routes, RefuseParametersThatAreUnknownTwiceOrWrong) {
  expect_problem(ask("GET", "/api/sessions?x=1"), 400, "unexpected-query-parameter", "x");
  expect_problem(ask("GET", "/api/sessions?all=1&all=1"), 400, "duplicate-query-parameter", "all");
  expect_problem(ask("GET", "/api/sessions?all=2"), 400, "invalid-integer", "all");
  expect_problem(ask("GET", "/api/sessions?state=dead"), 400, "invalid-state", "state");
  expect_problem(ask("GET", "/api/managed-processes?project=../x"), 400, "invalid-project", "project");
  expect_problem(ask("GET", "/?x"), 400, "unexpected-query-parameter", "x");
  add_session("web");
  for (const char* tail : {"0", "1048577", "abc", "", "-1", "1.5"})
    expect_problem(ask("GET", std::string("/api/sessions/web/log-stream?tail=") + tail), 400, "invalid-integer",
                   "tail");
  const json::value problem = json::parse(std::get<Response>(ask("GET", "/api/sessions/web/log-stream?tail=0")).body);
  EXPECT_EQ(problem.at("min"), 1);
  EXPECT_EQ(problem.at("max"), 1048576);
}

TEST_F(Routes, RefuseATailBeforeTheyLookForItsSession) {
  expect_problem(ask("GET", "/api/managed-processes/log-stream/nix?tail=0"), 400, "invalid-integer", "tail");
  expect_problem(ask("GET", "/api/sessions/nix/log-stream?tail=0"), 400, "invalid-integer", "tail");
  expect_problem(ask("GET", "/api/managed-processes/log-stream/nix?tail=1"), 404, "not-found");
}

TEST_F(Routes, RefuseNamesBeforeTheyLookForThem) {
  for (const char* name : {"A", "a_b", "..", "a%2fb", "-a", ""}) {
    expect_problem(ask("GET", std::string("/api/managed-processes/by-name/") + name), 400,
                   "invalid-managed-process-name", "name");
    expect_problem(ask("GET", std::string("/api/managed-processes/log-stream/") + name), 400,
                   "invalid-managed-process-name", "name");
    expect_problem(ask("GET", std::string("/api/sessions/") + name), 400, "invalid-session-name", "name");
  }
  for (const char* verb : {"kill", "restart"}) {
    const std::string path = std::string("/api/managed-processes/") + verb;
    for (const char* body : {"", "{}", R"({"name":""})", R"({"name":"A b"})"})
      expect_problem(ask("POST", path, body), 400, "invalid-managed-process-name", "name");
    for (const std::string& name : {std::string("7"), std::string("null"), '"' + std::string(300, 'a') + '"'})
      expect_problem(ask("POST", path, "{\"name\":" + name + "}"), 400, "invalid-managed-process-name", "name");
    expect_problem(ask("POST", path, R"({"name":"web","x":1})"), 400, "unexpected-field", "x");
    for (const char* body : {"[]", "web", "{", "\"web\""}) expect_problem(ask("POST", path, body), 400, "invalid-body");
  }
  EXPECT_TRUE(engine.calls.empty());
  for (const char* verb : {"kill", "restart"})
    expect_problem(ask("POST", std::string("/api/managed-processes/") + verb, R"({"name":"nix"})"), 404, "not-found");
}

TEST_F(Routes, SayWhatIsNotThereAndWhichMethodsAre) {
  for (const char* path : {"/api", "/api/", "/api/sessions/", "/nix", "/page.css/", "/api/managed-processes/by-name",
                           "/api/sessions/web/nix", "//"})
    expect_problem(ask("GET", path), path == std::string("/api/sessions/") ? 400 : 404,
                   path == std::string("/api/sessions/") ? "invalid-session-name" : "not-found");
  const auto refused = std::get<Response>(ask("DELETE", "/api/sessions"));
  EXPECT_EQ(refused.status, 405);
  EXPECT_THAT(refused.headers, Contains(Pair("Allow", "GET, HEAD")));
  EXPECT_THAT(std::get<Response>(ask("GET", "/api/managed-processes/kill")).headers, Contains(Pair("Allow", "POST")));
  EXPECT_EQ(std::get<Response>(ask("HEAD", "/api/sessions")).status, 200);
}

TEST_F(Routes, OfManagedProcessesHaveATagThatOnlyChangesWithThem) {
  add_session("web");
  const Response first = get("/api/managed-processes");
  EXPECT_EQ(json::parse(first.body).at("items").as_array().size(), 0U);  // it has no health check
  EXPECT_THAT(first.headers, ElementsAre(Pair("ETag", StartsWith("\""))));
  EXPECT_EQ(get("/api/managed-processes").headers, first.headers);
  expect_problem(ask("GET", "/api/managed-processes?project=nix"), 404, "project-not-found", "project");
  expect_problem(ask("GET", "/api/managed-processes/by-name/web"), 404, "not-found");
}

TEST_F(Routes, OfSessionsHaveATagToo) {
  const Response first = get("/api/sessions");
  ASSERT_THAT(first.headers, ElementsAre(Pair("ETag", StartsWith("\""))));
  const Backend backend{.with_context = [&](const std::function<void(Context&)>& use) { use(context); }};
  const auto again = [&] {
    return std::get<Response>(answer(backend, {.method = "GET",
                                               .target = *parse_target("/api/sessions"),
                                               .if_none_match = first.headers.front().second}))
        .status;
  };
  EXPECT_EQ(again(), 304);
  add_session("web");
  EXPECT_EQ(again(), 200);
}

TEST_F(Routes, HandOverWhatTakesLong) {
  add_session("web");
  const std::string id = sample_id('b');
  const auto words = [&](const std::string& path, const std::string& body = {}) {
    return std::get<ChildWork>(ask("POST", "/api/sessions/web/" + path, body)).arguments;
  };
  EXPECT_THAT(words("stop"), ElementsAre("--user", "--json", "stop", "--reason=over HTTP", id));
  EXPECT_THAT(words("stop", R"({"reason":"--all","timeout":"1s"})"),
              ElementsAre("--user", "--json", "stop", "--reason=--all", id, "--timeout=1s"));
  EXPECT_THAT(words("restart"), ElementsAre("--user", "--json", "restart", id));
  EXPECT_THAT(words("extend", R"({"by":"90min"})"), ElementsAre("--user", "--json", "extend", id, "1h 30min"));
  EXPECT_THAT(words("kill", R"({"signal":"HUP"})"), ElementsAre("--user", "--json", "kill", "--signal=HUP", id));
  EXPECT_THAT(std::get<ChildStream>(ask("GET", "/api/sessions/web/log-stream?tail=7")).arguments,
              ElementsAre("--user", "--json", "__log-stream", "7", id));
  EXPECT_EQ(std::get<EventStream>(ask("GET", "/api/events?project=shop")).project, "shop");
  for (const char* by : {"", "x", "0", "-1", "--all"})
    expect_problem(ask("POST", "/api/sessions/web/extend", json::serialize(json::object{{"by", by}})), 400,
                   "invalid-field", "by");
}

TEST_F(Routes, SayWhatBecameOfIt) {
  add_session("web");
  const auto work = std::get<ChildWork>(ask("POST", "/api/sessions/web/stop"));
  EXPECT_EQ(json::parse(work.answer({.out = R"([{"name":"web","state":"stopped"}])"}).body).at("state"), "stopped");
  const auto refused = [&](const ChildResult& result) {
    try {
      work.answer(result);
    } catch (const Refused& given) {
      return to_response(given.problem);
    }
    return Response{};
  };
  const Response conflict =
      refused({.status = 4, .err = R"({"error":{"code":"conflict","message":"no","hint":"do"}})"});
  EXPECT_EQ(conflict.status, 409);
  EXPECT_EQ(json::parse(conflict.body), json::parse(R"({"error":"no","code":"conflict","hint":"do","details":[]})"));
  const Response failed = refused({.status = 1, .err = R"({"error":{"code":"failed","message":"no port"}})"});
  EXPECT_EQ(failed.status, 500);
  EXPECT_EQ(json::parse(failed.body),
            json::parse(R"({"error":"Internal server error","code":"internal-error","details":["no port"]})"));
  EXPECT_EQ(refused({.status = 139}).status, 500);
  EXPECT_EQ(refused({.status = 0, .out = "no JSON"}).status, 500);
}

TEST_F(Routes, AreUnharmedByABusThatIsGone) {
  const Error gone({.code = ErrorCode::unreachable, .context = "no bus", .object = {}, .reason = {}, .hint = {}});
  const Backend backend{.with_context = [&](const std::function<void(Context&)>&) { throw gone; }};
  for (const char* path : {"/api/sessions", "/api/sessions/web", "/api/managed-processes", "/metrics"})
    expect_problem(answer(backend, {.method = "GET", .target = *parse_target(path)}), 503, "unreachable");
}

TEST_F(Routes, SayNoMoreOfTheirOwnTrouble) {
  const Error full(
      {.code = ErrorCode::failed, .context = "cannot write", .object = "/secret", .reason = {}, .hint = {}});
  const Backend backend{.with_context = [&](const std::function<void(Context&)>&) { throw full; }};
  const auto response = std::get<Response>(answer(backend, {.method = "GET", .target = *parse_target("/metrics")}));
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(json::parse(response.body),
            json::parse(R"({"error":"Internal server error","code":"internal-error","details":[]})"));
}

TEST_F(Routes, GiveThePage) {
  EXPECT_EQ(get("/").type, "text/html; charset=utf-8");
  EXPECT_THAT(get("/").body, StartsWith("<!DOCTYPE html>"));
  EXPECT_EQ(get("/page.js").type, "text/javascript; charset=utf-8");
  EXPECT_EQ(get("/page.css").type, "text/css; charset=utf-8");
  EXPECT_TRUE(is_public(*parse_target("/")) && is_public(*parse_target("/page.js")));
  EXPECT_FALSE(is_public(*parse_target("/metrics")) || is_public(*parse_target("/api/sessions")));
}

TEST_F(Routes, GiveMetrics) {
  add_session("web");
  EXPECT_EQ(get("/metrics").type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(get("/metrics").body, testing::HasSubstr("agentctl_sessions{state=\"running\"} 1\n"));
}

}  // namespace
}  // namespace agentctl
