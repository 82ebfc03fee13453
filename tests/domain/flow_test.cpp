#include "domain/flow.hpp"

#include <gmock/gmock.h>

#include "base/error.hpp"
#include "domain/flow_file.hpp"
#include "support/sample_records.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = StepVerdict::Kind;

Flow flow_of(std::vector<Step> steps) {
  Flow flow;
  flow.id = sample_id('f');
  flow.name = "release";
  flow.key = "main";
  flow.created_by = {.uid = 1000, .user = "ann", .pid = 7, .command = "bash"};
  flow.created_at = sample_time(1);
  char id = 'a';
  for (Step& step : steps) {
    step.session = "release-" + step.name;
    step.session_id = sample_id(id++);
  }
  flow.steps = std::move(steps);
  return flow;
}

Step step(const std::string& name, std::vector<std::string> needs = {}) {
  Step made;
  made.name = name;
  made.needs = std::move(needs);
  return made;
}

std::vector<StepStanding> standings(std::initializer_list<State> states) {
  std::vector<StepStanding> all;
  for (const State state : states) {
    StepStanding& standing = all.emplace_back();
    standing.state = state;
    if (state == State::failed) standing.reason = "exited with status 3";
  }
  return all;
}

TEST(StepVerdict, IsReadyWhenAllItNeedsHaveSucceeded) {
  const Flow flow = flow_of({step("a"), step("b"), step("c", {"a", "b"})});
  EXPECT_EQ(judge_step(flow, standings({State::queued, State::queued, State::queued}), 0).kind, Kind::ready);
  const StepVerdict waits = judge_step(flow, standings({State::exited, State::running, State::queued}), 2);
  EXPECT_EQ(waits.kind, Kind::waits);
  EXPECT_EQ(waits.reason, "waits for step 'b'");
  EXPECT_EQ(judge_step(flow, standings({State::exited, State::exited, State::queued}), 2).kind, Kind::ready);
}

TEST(StepVerdict, IsHopelessWhenWhatItNeedsDidNotSucceed) {
  for (const State state :
       {State::failed, State::stopped, State::expired, State::cancelled, State::parked, State::lost}) {
    Flow flow = flow_of({step("a"), step("b", {"a"}), step("c")});
    flow.goes_on = true;
    EXPECT_EQ(judge_step(flow, standings({state, State::queued, State::queued}), 1).kind, Kind::hopeless);
    EXPECT_EQ(judge_step(flow, standings({state, State::queued, State::queued}), 2).kind, Kind::ready);
    flow.goes_on = false;
    EXPECT_EQ(judge_step(flow, standings({state, State::queued, State::queued}), 2).kind, Kind::hopeless);
    flow.steps[0].may_fail = true;
    const bool counts = state != State::cancelled;
    EXPECT_EQ(judge_step(flow, standings({state, State::queued, State::queued}), 1).kind,
              counts ? Kind::ready : Kind::hopeless);
  }
}

TEST(StepVerdict, WaitsAtAGateUntilItIsOpen) {
  Flow flow = flow_of({step("a"), step("b", {"a"})});
  flow.steps[1].gate = "approval";
  EXPECT_EQ(judge_step(flow, standings({State::running, State::queued}), 1).kind, Kind::waits);
  const StepVerdict verdict = judge_step(flow, standings({State::exited, State::queued}), 1);
  EXPECT_EQ(verdict.kind, Kind::at_gate);
  EXPECT_EQ(verdict.reason, "waits for gate 'approval'");
  EXPECT_EQ(state_of(flow, standings({State::exited, State::queued})), FlowState::waiting);
  flow.open_gates = {"approval"};
  EXPECT_EQ(judge_step(flow, standings({State::exited, State::queued}), 1).kind, Kind::ready);
  flow.cancel = StopRequest{.by = flow.created_by, .reason = "", .at = sample_time(2)};
  EXPECT_EQ(judge_step(flow, standings({State::exited, State::queued}), 1).kind, Kind::hopeless) << "a cancel wins";
}

TEST(FlowEnd, ComesWhenNoStepIsLeft) {
  Flow flow = flow_of({step("a"), step("b")});
  EXPECT_FALSE(end_of(flow, standings({State::exited, State::running}), sample_time(3)).has_value());
  EXPECT_EQ(end_of(flow, standings({State::exited, State::exited}), sample_time(3))->state, FlowState::succeeded);
  const auto failed = end_of(flow, standings({State::cancelled, State::failed}), sample_time(3));
  EXPECT_EQ(failed->state, FlowState::failed);
  EXPECT_EQ(failed->reason, "step 'b' failed: exited with status 3") << "the cause, not what followed from it";
  EXPECT_EQ(end_of(flow, standings({State::exited, State::lost}), sample_time(3))->reason, "step 'b' was lost");
  flow.cancel = StopRequest{.by = flow.created_by, .reason = "lunch", .at = sample_time(2)};
  const auto cancelled = end_of(flow, standings({State::exited, State::exited}), sample_time(3));
  EXPECT_EQ(cancelled->state, FlowState::cancelled);
  EXPECT_EQ(cancelled->reason, "cancelled by ann: lunch");
}

TEST(FlowJson, ComesBackAsItWas) {
  Flow flow = flow_of({step("a"), step("b", {"a"})});
  flow.project = "shop";
  flow.goes_on = true;
  flow.steps[1].gate = "approval";
  flow.steps[0].may_fail = true;
  flow.open_gates = {"approval"};
  flow.cancel = StopRequest{.by = flow.created_by, .reason = "lunch", .at = sample_time(2)};
  flow.end = end_of(flow, standings({State::failed, State::cancelled}), sample_time(3));
  const std::string text = to_json(flow);
  EXPECT_EQ(to_json(parse_flow(text)), text);
  EXPECT_EQ(parse_flow(text).end->steps.at(0).reason, "exited with status 3");
}

TEST(FlowJson, RefusesWhatWasNotWritten) {
  const std::string text = to_json(flow_of({step("a"), step("b", {"a"})}));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    return changed;
  };
  EXPECT_THROW(parse_flow(with("\"schema\":1", "\"schema\":2")), Error);
  EXPECT_THROW(parse_flow(with("\"name\":\"release\"", "\"name\":\"../x\"")), Error);
  EXPECT_THROW(parse_flow(with("\"needs\":[\"a\"]", "\"needs\":[\"z\"]")), Error);
  EXPECT_THROW(parse_flow(with("\"session\":\"release-a\"", "\"session\":\"a/b\"")), Error);
  EXPECT_THROW(parse_flow("[]"), Error);
}

std::vector<std::vector<std::string>> needs_of(const std::string& steps) {
  std::vector<std::vector<std::string>> needs;
  for (const StepRequest& wanted : parse_flow_file(R"({"name":"f","steps":[)" + steps + "]}", "f.json").steps)
    needs.push_back(wanted.step.needs);
  return needs;
}

TEST(FlowFile, StepsWithoutNeedsFollowOneAnother) {
  EXPECT_THAT(
      needs_of(R"({"name":"a","command":["x"]},{"name":"b","command":["x"]},{"name":"c","command":["x"],"needs":[]})"),
      ElementsAre(IsEmpty(), ElementsAre("a"), IsEmpty()));
}

TEST(FlowFile, WhatTheFlowSaysHoldsForStepsThatDoNot) {
  const FlowRequest flow =
      parse_flow_file(R"({"name":"f","project":"shop","ttl":"5min","env":{"A":"1"},"pool":"p","steps":[
      {"name":"a","command":["x"],"env":{"B":"2"}},
      {"name":"b","command":["x"],"ttl":90,"cwd":"/tmp","pool":{"name":"q","max":2,"priority":-3},
       "restart":{"policy":"on-failure","delay":"1s","never_on":[7]}}]})",
                      "f.json");
  const SessionRequest& a = flow.steps.at(0).request;
  const SessionRequest& b = flow.steps.at(1).request;
  EXPECT_EQ(a.name, "f-a");
  EXPECT_EQ(a.project, "shop");
  EXPECT_EQ(a.ttl, microseconds(300'000'000));
  EXPECT_EQ(a.pool.name, "p");
  EXPECT_THAT(flow.steps.at(0).variables, ElementsAre("A=1", "B=2"));
  EXPECT_EQ(b.ttl, microseconds(90'000'000));
  EXPECT_EQ(b.cwd, "/tmp");
  EXPECT_EQ(b.pool, (PoolRequest{.name = "q", .max = 2, .priority = -3}));
  EXPECT_EQ(b.restart.policy, RestartPolicy::on_failure);
  EXPECT_EQ(b.restart.delay, microseconds(1'000'000));
  EXPECT_THAT(b.restart.never_on, ElementsAre(7));
}

TEST(FlowFile, WhatRunWouldRefuseIsToldOfItsKeyWhereverThatIs) {
  const auto refusal = [](const std::string& flow, const std::string& step) {
    try {
      parse_flow_file(R"({"name":"f",)" + flow + R"("steps":[{"name":"a","command":["x"])" + step + "}]}", "f.json");
    } catch (const Error& error) {
      return error.reason();
    }
    return std::string("taken");
  };
  EXPECT_EQ(refusal("", R"(,"ttl":"0")"), "/steps/0/ttl: must be longer than 0");
  EXPECT_EQ(refusal(R"("ttl":0,)", ""), "/ttl: must be longer than 0");
  EXPECT_EQ(refusal("", R"(,"restart":{"policy":"always","delay":"99ms"})"),
            "/steps/0/restart/delay: must be at least 100ms");
  EXPECT_EQ(refusal(R"("restart":{"policy":"always","delay":"99ms"},)", ""), "/restart/delay: must be at least 100ms");
  EXPECT_EQ(refusal("", R"(,"restart":{"policy":"on-failure","never_on":[0]})"),
            "/steps/0/restart/never_on: 0 is no failure, so on-failure does not restart it");
  EXPECT_EQ(refusal("", R"(,"restart":{"policy":"no","limit":2})"),
            "/steps/0/restart: the rules for restarts need a policy");
  EXPECT_THAT(refusal("", R"(,"agent":"a\u0007b")"), testing::StartsWith("/steps/0/agent: must be at most "));
}

TEST(FlowFile, FindsACircleWhereverItIs) {
  const auto refusal = [](const std::string& steps) {
    try {
      needs_of(steps);
    } catch (const Error& error) {
      return error.reason();
    }
    return std::string("taken");
  };
  EXPECT_THAT(refusal(R"({"name":"a","command":["x"],"needs":["d"]},{"name":"b","command":["x"],"needs":["a"]},
                         {"name":"c","command":["x"],"needs":["b"]},{"name":"d","command":["x"],"needs":["c"]})"),
              HasSubstr("in a circle: a, d, c, b, a"));
  EXPECT_EQ(refusal(R"({"name":"a","command":["x"]},{"name":"b","command":["x"],"needs":["a"]},
                       {"name":"c","command":["x"],"needs":["a"]},{"name":"d","command":["x"],"needs":["b","c"]})"),
            "taken");
}

}  // namespace
}  // namespace agentctl
