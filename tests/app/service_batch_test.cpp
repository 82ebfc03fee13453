#include <gmock/gmock.h>

#include "app/services.hpp"
#include "app_fixture.hpp"

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
    return {};
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
  EXPECT_THAT(kinds(batch), ElementsAre(Kind::undone, Kind::undone, Kind::undone));
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

TEST_F(ServiceBatch, WhatNeedsAnotherStartsAfterIt) {
  EXPECT_EQ(apply({spec("web", {"db"}), spec("db")}).state, BatchState::ok);
  ASSERT_EQ(engine.specs.size(), 2U);
  EXPECT_EQ(engine.specs.front().unit, "agentctl-db.service");
  EXPECT_EQ(thrown_by([&] { apply({spec("a", {"b"}), spec("b")}, {.wait = false}); }).object(), "--no-wait");
}

}  // namespace
}  // namespace agentctl
