#include "domain/health.hpp"

#include <gmock/gmock.h>

#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Ready, NamesWhatIsLookedAt) {
  struct Row {
    const char* text;
    HealthKind kind;
    const char* target;
  };
  for (const Row& row :
       {Row{"http://127.0.0.1:3000/health", HealthKind::http, "http://127.0.0.1:3000/health"},
        Row{"HTTPS://localhost/", HealthKind::http, "HTTPS://localhost/"}, Row{"tcp:3000", HealthKind::tcp, "3000"},
        Row{"unix:/run/x.sock", HealthKind::unix_socket, "/run/x.sock"},
        Row{"cmd:pg_isready -q", HealthKind::command, "pg_isready -q"},
        Row{"log:^ready: .*$", HealthKind::log, "^ready: .*$"}, Row{"notify", HealthKind::notify, ""}}) {
    const HealthCheck check = parse_ready(row.text);
    EXPECT_EQ(check.kind, row.kind) << row.text;
    EXPECT_EQ(check.target, row.target);
    EXPECT_EQ(to_text(check), row.text);
    EXPECT_NO_THROW(check_health(check)) << row.text;
  }
  for (const char* text : {"", "3000", "ftp://x/", "tcp", "Notify", "http:/x"})
    EXPECT_THAT(thrown_by([&] { parse_ready(text); }).reason(), HasSubstr("is none of http://")) << text;
}

TEST(Ready, TcpTakesAddressesAndLocalhostOnly) {
  EXPECT_THAT(parse_tcp_target("3000")->addresses, ElementsAre("127.0.0.1", "::1"));
  EXPECT_THAT(parse_tcp_target("localhost:80")->addresses, ElementsAre("127.0.0.1", "::1"));
  EXPECT_THAT(parse_tcp_target("10.0.0.7:5432")->addresses, ElementsAre("10.0.0.7"));
  EXPECT_THAT(parse_tcp_target("[::1]:8080")->addresses, ElementsAre("::1"));
  EXPECT_EQ(parse_tcp_target("[::1]:8080")->port, 8080);
  for (const char* text :
       {"", "0", "65536", "x", "host:80", "127.0.0.1:", ":80", "::1:80", "127.0.0.1:80x", " 80", "-1"})
    EXPECT_FALSE(parse_tcp_target(text).has_value()) << text;
}

TEST(Ready, RefusesWhatNoCheckCanBeMadeOf) {
  const auto refusal = [](HealthCheck check) {
    const Error error = thrown_by([&] { check_health(check); });
    EXPECT_NE(error.hint(), "") << error.what();
    return error;
  };
  EXPECT_EQ(refusal(parse_ready("tcp:example.org:80")).object(), "--ready");
  EXPECT_EQ(refusal(parse_ready("unix:relative")).object(), "--ready");
  EXPECT_EQ(refusal(parse_ready("unix:/" + std::string(107, 'x'))).object(), "--ready");
  EXPECT_EQ(refusal(parse_ready("cmd:")).object(), "--ready");
  EXPECT_EQ(refusal(parse_ready("log:(")).object(), "--ready");
  EXPECT_EQ(refusal(parse_ready("log:" + std::string(5000, 'x'))).object(), "--ready");
  HealthCheck check = parse_ready("tcp:80");
  check.timeout = microseconds(0);
  EXPECT_EQ(refusal(check).object(), "--ready-timeout");
  check = parse_ready("tcp:80");
  check.interval = std::chrono::milliseconds(99);
  EXPECT_EQ(refusal(check).object(), "--ready-interval");
}

TEST(Ready, OneCheckTakesAtLeastHalfASecondAndAtMostFive) {
  HealthCheck check;
  for (const auto& [timeout, limit] : {std::pair{1, 500}, {499, 500}, {2000, 2000}, {5001, 5000}, {3'600'000, 5000}}) {
    check.timeout = std::chrono::milliseconds(timeout);
    EXPECT_EQ(check_limit(check), std::chrono::milliseconds(limit)) << timeout;
  }
}

TEST(HealthNoteJson, IsReadBack) {
  const HealthNote note{.healthy = true, .since = TimePoint(microseconds(5)), .error = "port 1 \x01"};
  const HealthNote read = parse_health_note(to_json(note));
  EXPECT_TRUE(read.healthy);
  EXPECT_EQ(read.since, note.since);
  EXPECT_EQ(read.error, note.error);
  EXPECT_FALSE(parse_health_note(to_json(HealthNote{})).healthy);
  EXPECT_THROW(parse_health_note("[]"), Error);
  EXPECT_THROW(parse_health_note(R"({"healthy":1})"), Error);
}

}  // namespace
}  // namespace agentctl
