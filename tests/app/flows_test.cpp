#include "app/flows.hpp"

#include "app_fixture.hpp"

namespace agentctl {
namespace {

class FindFlow : public AppTest {
 protected:
  void add(const std::string& name, const std::string& id) {
    Record step = sample_record(name + "-only", id);
    step.queued = Queued::by_anyone;
    step.flow = FlowStep{.flow = name, .flow_id = id, .step = "only"};
    Flow flow;
    flow.id = id;
    flow.name = name;
    flow.key = name;
    flow.created_at = sample_time(0);
    flow.steps = {{.name = "only", .session = step.request.name, .session_id = step.id, .needs = {}, .gate = "go"}};
    EXPECT_EQ(registry.create_flow(flow, {step}), std::nullopt);
  }
  std::string found(const std::string& name) { return find_flow(context, name).flow.name; }
};

TEST_F(FindFlow, TakesANameBeforeTheBeginningOfAnId) {
  add("release", "abcdefghijkl");
  add("abcd", "bbcdefghijkl");
  EXPECT_EQ(found("abcd"), "abcd");
  EXPECT_EQ(found("abcde"), "release");
  EXPECT_EQ(found("abcdefghijkl"), "release");
}

TEST_F(FindFlow, RefusesABeginningThatSeveralHave) {
  add("release", "abcdefghijkl");
  add("deploy", "abddefghijkl");
  const Error error = thrown_by([&] { found("ab"); });
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_STREQ(error.what(), "more than one flow's id begins with 'ab': abcdefghijkl (release), abddefghijkl (deploy)");
}

TEST_F(FindFlow, SaysSoWhenThereIsNone) {
  EXPECT_EQ(thrown_by([&] { found("release"); }).code(), ErrorCode::not_found);
  EXPECT_EQ(thrown_by([&] { found(""); }).code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace agentctl
