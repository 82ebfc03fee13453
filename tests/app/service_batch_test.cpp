#include <gmock/gmock.h>

#include <filesystem>

#include "app/services.hpp"
#include "app_fixture.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "domain/request_rules.hpp"
#include "listening_port.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = ServiceOutcome::Kind;

class ServiceBatch : public AppTest {
 protected:
  ServiceBatch() {
    engine.on_start = [this](const UnitSpec& unit) { return become_healthy(unit); };
  }

  StartResult become_healthy(const UnitSpec& unit) {
    UnitDetails details;
    details.state = {.unit = unit.unit, .description = unit.description, .activity = Activity::active};
    engine.units[unit.unit] = details;
    for (const Record& record : registry.live())
      if (record.unit == unit.unit) write_health(record, {.healthy = true, .since = {}, .error = {}});
    return {};
  }
  void write_health(const Record& record, const HealthNote& note) {
    write_file(runtime.folder(record.id) + "/" + health_note_file, to_json(note));
  }
  static ServiceSpec spec(const std::string& name, std::vector<std::string> needs = {}) {
    ServiceSpec spec;
    spec.name = name;
    spec.cmd = "tool";
    spec.ttl_minutes = 60;
    spec.health.kind = HealthKind::tcp;
    spec.health.target = "3000";
    spec.needs = std::move(needs);
    return spec;
  }
  BatchOutcome apply(std::vector<ServiceSpec> specs, const ApplyOptions& options = {}) {
    ServiceFile file;
    file.specs = std::move(specs);
    return apply_services(context, file, options);
  }
  static std::vector<Kind> kinds(const BatchOutcome& batch) {
    std::vector<Kind> kinds;
    for (const ServiceOutcome& service : batch.services) kinds.push_back(service.kind);
    return kinds;
  }
  static Error no(const char* reason) {
    return Error({.code = ErrorCode::not_permitted, .context = "no", .object = {}, .reason = reason, .hint = {}});
  }
};

TEST_F(ServiceBatch, StartsAllAndKeepsWhatWasAskedFor) {
  ServiceSpec one = spec("one");
  one.env = {{"VITE_A", "1"}};
  one.attrs = R"({"url":"x"})";
  const BatchOutcome batch = apply({one, spec("two")}, {.project = "shop", .agent = "ripley"});
  EXPECT_EQ(batch.state, BatchState::ok);
  EXPECT_THAT(kinds(batch), ElementsAre(Kind::healthy, Kind::healthy));
  const SessionRequest request = registry.by_name("one").front().request;
  EXPECT_EQ(request.project, "shop");
  EXPECT_EQ(request.agent, "ripley");
  EXPECT_EQ(request.ttl, std::chrono::hours(1));
  EXPECT_EQ(request.attrs, one.attrs);
  EXPECT_EQ(request.health, one.health);
  EXPECT_THAT(request.env_keys, ElementsAre("VITE_A="));
}

TEST_F(ServiceBatch, AMissingProgramOfOneStartsNone) {
  ServiceSpec missing = spec("two");
  missing.cmd = "missing";
  EXPECT_EQ(thrown_by([&] { apply({spec("one"), missing}); }).code(), ErrorCode::command_not_found);
  EXPECT_EQ(engine.count("request "), 0U);
  EXPECT_TRUE(registry.live().empty());
}

TEST_F(ServiceBatch, OneThatIsRefusedUndoesTheOthers) {
  engine.on_start = [this](const UnitSpec& unit) {
    if (unit.unit == "agentctl-two.service") throw no("quota");
    return become_healthy(unit);
  };
  engine.on_stop = [&](const std::string& unit) {
    for (const Record& record : registry.live())
      if (record.unit == unit) end_session(record, sample_end(State::stopped));
  };
  const BatchOutcome batch = apply({spec("one"), spec("two"), spec("three")});
  EXPECT_EQ(batch.state, BatchState::failed);
  EXPECT_THAT(kinds(batch), ElementsAre(Kind::undone, Kind::failed, Kind::undone));
  EXPECT_EQ(batch.services[0].session->state, State::stopped) << "as it is now";
  EXPECT_FALSE(batch.services[2].session.has_value()) << "it was never started";
  EXPECT_THAT(batch.reason, HasSubstr("quota"));
  EXPECT_TRUE(registry.live().empty());
  EXPECT_EQ(engine.count("request agentctl-three.service"), 0U);
}

TEST_F(ServiceBatch, ARefusalOfTheFirstIsARefusal) {
  engine.on_start = [](const UnitSpec&) -> StartResult { throw no("quota"); };
  EXPECT_EQ(thrown_by([&] { apply({spec("one"), spec("two")}); }).reason(), "quota");
}

TEST_F(ServiceBatch, WhatLivesIsReusedOrInTheWay) {
  apply({spec("one")}, {.project = "shop"});
  EXPECT_THAT(kinds(apply({spec("one"), spec("two")}, {.project = "shop"})), ElementsAre(Kind::reused, Kind::healthy));
  ServiceSpec other = spec("one");
  other.ttl_minutes = 61;
  EXPECT_EQ(thrown_by([&] { apply({spec("three"), other}, {.project = "shop"}); }).code(), ErrorCode::conflict);
  EXPECT_EQ(thrown_by([&] { apply({spec("one")}); }).code(), ErrorCode::conflict) << "it is another project's";
  EXPECT_EQ(engine.count("request agentctl-three.service"), 0U);
}

TEST_F(ServiceBatch, AnIdThatBeginsWithTheNameIsNobody) {
  for (const char digit : {'1', '2'}) {
    const Record old = sample_record("old", "db" + sample_id(digit).substr(2));
    registry.create(old);
    registry.finish(old, sample_end());
  }
  EXPECT_THAT(kinds(apply({spec("db")})), ElementsAre(Kind::healthy));
}

TEST_F(ServiceBatch, TheSameDescriptionInAnotherFolderIsAnotherService) {
  apply({spec("one")});
  context.cwd = folder / "state";
  EXPECT_THAT(thrown_by([&] { apply({spec("one")}); }).reason(), HasSubstr(", in " + folder.path() + ")"));
  ServiceSpec relative = spec("two");
  relative.cwd = "registry";
  std::filesystem::create_directories(folder / "state/registry");
  EXPECT_EQ(apply({relative}).state, BatchState::ok);
  context.cwd = folder.path();
  EXPECT_EQ(thrown_by([&] { apply({relative}); }).code(), ErrorCode::conflict);
}

TEST_F(ServiceBatch, APortThatIsTakenStartsNone) {
  const auto with_port = [](const std::string& name, std::uint16_t port) {
    ServiceSpec one = spec(name);
    one.ports = {port};
    return one;
  };
  const ListeningPort listener;
  const std::uint16_t busy = listener.number();
  Error error = thrown_by([&] { apply({spec("one"), with_port("two", busy)}); });
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_THAT(error.reason(), HasSubstr("port " + std::to_string(busy) + " is in use"));
  const std::uint16_t free = free_port();
  error = thrown_by([&] { apply({with_port("one", free), spec("two"), with_port("three", free)}); });
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_EQ(error.reason(), "port " + std::to_string(free) + " is asked for by 'one' too");
  EXPECT_EQ(engine.count("request "), 0U);
  apply({with_port("holder", free)});
  error = thrown_by([&] { apply({spec("one"), with_port("two", free)}); });
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_THAT(error.reason(), HasSubstr("is held by session 'holder'"));
  EXPECT_EQ(engine.count("request agentctl-one.service"), 0U);
  EXPECT_EQ(apply({with_port("holder", free)}).state, BatchState::ok) << "what is reused has it already";
}

TEST_F(ServiceBatch, WhatAValidFileAsksForIsMadeOne) {
  ServiceSpec one = spec("one");
  const std::uint16_t port = free_port();
  one.ports = {port, port};
  one.health.interval = std::chrono::milliseconds(1);
  one.restart = {.policy = RestartPolicy::always, .delay = {}, .max_delay = {}};
  one.health.kind = HealthKind::http;
  one.health.target = "http://127.0.0.1/" + std::string(10'000, 'a');
  ServiceFile file;
  file.specs = {one};
  file.written_by = "a\n" + std::string(300, 'b');
  file.wi_id = std::string(100, 'c') + "\u20AC\u20AC" + std::string(160, 'd');
  EXPECT_EQ(apply_services(context, file, {}).state, BatchState::ok);
  const SessionRequest request = registry.by_name("one").front().request;
  EXPECT_THAT(request.ports, ElementsAre(port));
  EXPECT_EQ(request.health->interval, std::chrono::milliseconds(100));
  EXPECT_EQ(request.restart.delay, std::chrono::milliseconds(100));
  EXPECT_EQ(request.restart.max_delay, std::chrono::milliseconds(100));
  EXPECT_EQ(request.agent, "a\\x0a" + std::string(248, 'b') + "\u2026");
  EXPECT_LE(request.work_item.size(), max_text);
  EXPECT_GT(request.work_item.size(), max_text - 4);
}

TEST_F(ServiceBatch, WhatNeverGetsHealthyIsToldInTheWordsThatAgentsKnow) {
  End late = sample_end(State::failed);
  late.reason = "not healthy within 500ms: http status 200 (expected 204)";
  End gone = sample_end(State::failed);
  gone.reason = "exited with status 4 before it was healthy";
  gone.exit = {.code = 4, .signal = {}, .result = "exit-code"};
  End killed = gone;
  killed.exit = {.code = {}, .signal = 9, .result = "signal"};
  engine.on_start = [&](const UnitSpec& unit) {
    become_healthy(unit);
    engine.units[unit.unit].state.activity = Activity::activating;
    engine.meanwhile(unit.unit, [&, name = unit.unit] {
      for (const Record& record : registry.live())
        if (record.unit == name)
          end_session(record, record.request.name == "late" ? late : record.request.name == "gone" ? gone : killed);
    });
    return StartResult{};
  };
  std::vector<ServiceSpec> specs{spec("late"), spec("gone"), spec("killed")};
  for (ServiceSpec& one : specs) one.health.timeout = std::chrono::milliseconds(500);
  const BatchOutcome batch = apply(specs);
  EXPECT_EQ(batch.services[0].reason,
            "timeout: spec late did not become healthy within 0.5s (last: http status 200 (expected 204))");
  EXPECT_EQ(batch.services[1].reason, "process exited before first health (code=4, signal=null)");
  EXPECT_EQ(batch.services[2].reason, "process exited before first health (code=null, signal=SIGKILL)");
  EXPECT_EQ(batch.services[0].session->reason, late.reason) << "its own is for people";
}

TEST_F(ServiceBatch, EvidenceAndReasonAreBounded) {
  engine.on_start = [&](const UnitSpec& unit) {
    become_healthy(unit);
    engine.units[unit.unit].state.activity = Activity::activating;
    engine.meanwhile(unit.unit, [&, name = unit.unit] {
      for (const Record& record : registry.live())
        if (record.unit == name) {
          for (int i = 0; i < 60; ++i) log.add(record.id, OutputStream::out, std::string(99, 'x') + "\u20AC\n");
          end_session(record, sample_end(State::failed));
        }
    });
    return StartResult{};
  };
  std::vector<ServiceSpec> specs;
  for (int i = 0; i < 5; ++i) specs.push_back(spec(std::string(63, 'a') + std::to_string(i)));
  const BatchOutcome batch = apply(specs);
  EXPECT_EQ(count_characters(batch.reason), 300U);
  const std::vector<std::string>& tail = batch.services.front().tail;
  ASSERT_EQ(tail.size(), 20U);
  EXPECT_EQ(tail.back(), std::string(99, 'x') + "\u20AC");
  EXPECT_EQ(tail.front().size(), 2000U - 19 * 103 - 1) << "so many bytes in all, with the line breaks";
  EXPECT_THAT(batch.reason, testing::StartsWith("managed_spawn_healthcheck_failed: aaa"));
}

TEST_F(ServiceBatch, WhatIsReusedAndNotHealthyIsToldAndLivesOn) {
  apply({spec("one")});
  write_health(registry.by_name("one").front(), {.healthy = false, .since = {}, .error = "refused"});
  const BatchOutcome batch = apply({spec("one")});
  EXPECT_EQ(batch.state, BatchState::failed);
  EXPECT_EQ(batch.services.front().reason, "unhealthy: refused");
  EXPECT_EQ(engine.count("stop "), 0U);
}

TEST_F(ServiceBatch, AllThatNeedsAFailedOneIsToldSo) {
  engine.on_start = [this](const UnitSpec& unit) {
    become_healthy(unit);
    // As the recorder would, a moment later.
    engine.meanwhile(unit.unit, [this, name = unit.unit] {
      for (const Record& record : registry.live())
        if (record.unit == name) end_session(record, sample_end(State::failed));
    });
    engine.units[unit.unit].state.activity = Activity::activating;
    return StartResult{};
  };
  const BatchOutcome batch = apply({spec("c", {"b"}), spec("b", {"a"}), spec("a")});
  EXPECT_EQ(batch.state, BatchState::failed);
  EXPECT_EQ(batch.services[0].reason, "needs 'b', which is not healthy");
  EXPECT_EQ(batch.services[1].reason, "needs 'a', which is not healthy");
  EXPECT_EQ(batch.reason, "managed_spawn_healthcheck_failed: c,b,a (3/3)");
  EXPECT_EQ(engine.specs.size(), 1U);
}

TEST_F(ServiceBatch, WhatNeedsAnotherStartsAfterIt) {
  EXPECT_EQ(apply({spec("web", {"db"}), spec("db")}).state, BatchState::ok);
  ASSERT_EQ(engine.specs.size(), 2U);
  EXPECT_EQ(engine.specs.front().unit, "agentctl-db.service");
  EXPECT_EQ(thrown_by([&] { apply({spec("a", {"b"}), spec("b")}, {.wait = false}); }).object(), "--no-wait");
}

}  // namespace
}  // namespace agentctl
