#include <gmock/gmock.h>

#include "app/sessions.hpp"
#include "app/stop.hpp"
#include "app_fixture.hpp"
#include "base/file.hpp"
#include "host/control_server.hpp"
#include "support/child_process.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ExtendSession : public AppTest {
 protected:
  Record add_limited(std::optional<microseconds> ttl, SessionKind kind = SessionKind::service) {
    Record record = sample_record("web");
    record.created_at = now();
    record.request.ttl = ttl;
    record.request.kind = kind;
    record.unit = unit_name("web", kind);
    registry.create(record);
    engine.add_unit(record);
    HostNote note;
    note.started_at = record.created_at;
    put_note(record, note);
    return record;
  }
  /// The session's host: writes down what it is asked, and can or cannot tell the manager.
  ChildProcess serve(const Record& record, bool manager_listens = true) {
    ChildProcess host([this, record, manager_listens](const ChildProcess::Ready& ready) {
      PollLoop loop;
      ControlServer server(loop, {.extend =
                                      [&](microseconds span) {
                                        put_file(folder / "asked", std::to_string(span.count()));
                                        return manager_listens;
                                      },
                                  .set_stop_timeout = {},
                                  .follow = {},
                                  .unsent = {}});
      server.listen(runtime.folder(record.id) + "/" + control_socket);
      ready();
      for (;;) loop.run_once(std::nullopt);
      return 0;
    });
    EXPECT_TRUE(host.await_ready());
    return host;
  }
  TimePoint extend(microseconds by) { return extend_session(context, find_session(context, "web"), by); }
  Error refusal(microseconds by = std::chrono::minutes(1)) {
    return thrown_by([&] { extend(by); });
  }
};

TEST_F(ExtendSession, MovesTheLimitAndSaysWhenItEndsNow) {
  const Record record = add_limited(std::chrono::minutes(10));
  const ChildProcess host = serve(record);
  const TimePoint ends = extend(std::chrono::minutes(5));
  EXPECT_EQ(ends, record.created_at + std::chrono::minutes(15));
  EXPECT_EQ(stored(record).expires_at, ends);
  EXPECT_EQ(find_session(context, "web").expires_at, ends);
  EXPECT_EQ(engine.count("limit agentctl-web.service 15min"), 1U) << "counted from the start";
  const auto asked = std::chrono::microseconds(std::stoll(get_file(folder / "asked")));
  EXPECT_LE(asked, std::chrono::minutes(15)) << "counted from now";
  EXPECT_GT(asked, std::chrono::minutes(13));
}

TEST_F(ExtendSession, MovesALimitThatWasMovedBefore) {
  const Record record = add_limited(std::chrono::minutes(10));
  const ChildProcess host = serve(record);
  extend(std::chrono::minutes(5));
  EXPECT_EQ(extend(std::chrono::minutes(5)), record.created_at + std::chrono::minutes(20));
}

TEST_F(ExtendSession, LiftsTheLimitByACentury) {
  const Record record = add_limited(std::chrono::minutes(10));
  const ChildProcess host = serve(record);
  EXPECT_GT(extend(forever), now() + std::chrono::hours(24 * 365 * 99));
}

TEST_F(ExtendSession, SaysSoWhenTheManagerCouldNotBeTold) {
  const Record record = add_limited(std::chrono::minutes(10));
  const ChildProcess host = serve(record, false);
  EXPECT_EQ(refusal().reason(), "the service manager could not be told");
  EXPECT_EQ(stored(record).expires_at, std::nullopt) << "the record says what is true";
}

TEST_F(ExtendSession, RefusesOneWithoutALimit) {
  add_limited(std::nullopt);
  EXPECT_EQ(refusal().reason(), "it has no time limit");
  EXPECT_EQ(refusal().code(), ErrorCode::conflict);
  EXPECT_EQ(engine.count("limit "), 0U);
}

TEST_F(ExtendSession, RefusesOneThatHasEnded) {
  add_ended("web");
  EXPECT_STREQ(refusal().what(), "cannot extend session 'web': it has ended (exited)");
  EXPECT_EQ(refusal().code(), ErrorCode::conflict);
}

TEST_F(ExtendSession, RefusesAScope) {
  add_limited(std::chrono::minutes(10), SessionKind::scope);
  EXPECT_EQ(refusal().reason(), "the time limit of a --scope session is fixed");
}

TEST_F(ExtendSession, RefusesOneWhoseHostDoesNotAnswer) {
  const Record record = add_limited(std::chrono::minutes(10));
  EXPECT_EQ(refusal().reason(), "its session host does not answer");
  put_file(runtime.folder(record.id) + "/" + control_socket, "");
  EXPECT_EQ(refusal().reason(), "its session host does not answer");
  EXPECT_EQ(engine.count("limit "), 0U);
  EXPECT_EQ(stored(record).expires_at, std::nullopt);
}

TEST_F(ExtendSession, RefusesOneThatHasJustGone) {
  const Record record = add_limited(std::chrono::minutes(10));
  const ChildProcess host = serve(record);
  const Session session = find_session(context, "web");
  engine.units.clear();
  EXPECT_EQ(thrown_by([&] { extend_session(context, session, std::chrono::minutes(1)); }).code(), ErrorCode::conflict);
}

}  // namespace
}  // namespace agentctl
