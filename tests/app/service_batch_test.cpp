#include <gmock/gmock.h>

#include "app/services.hpp"
#include "app_fixture.hpp"
#include "base/file.hpp"

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
