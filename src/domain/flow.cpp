#include "domain/flow.hpp"

#include <algorithm>
#include <array>

namespace agentctl {
namespace {

constexpr std::array<const char*, 5> state_names{"running", "waiting", "succeeded", "failed", "cancelled"};

bool succeeded(const Step& step, const StepStanding& standing) {
  return standing.state == State::exited ||
         (step.may_fail && is_terminal(standing.state) && standing.state != State::cancelled);
}

bool failed(const Step& step, const StepStanding& standing) {
  return is_terminal(standing.state) && !succeeded(step, standing);
}

std::string in_words(const Step& step, const StepStanding& standing) {
  return "step '" + step.name + "' " + (standing.state == State::lost ? "was " : "") +
         (standing.state == State::failed && !standing.reason.empty() ? "failed: " + standing.reason
                                                                      : to_string(standing.state));
}

std::size_t index_of(const Flow& flow, const std::string& name) {
  const auto step = std::find_if(flow.steps.begin(), flow.steps.end(), [&](const Step& s) { return s.name == name; });
  return static_cast<std::size_t>(step - flow.steps.begin());
}

// The first that failed by itself, not because of another.
std::optional<std::size_t> first_failure(const Flow& flow, const std::vector<StepStanding>& standings) {
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < flow.steps.size(); ++i) {
    if (!failed(flow.steps[i], standings[i])) continue;
    if (standings[i].state != State::cancelled) return i;
    if (!first) first = i;
  }
  return first;
}

}  // namespace

const char* to_string(FlowState state) noexcept { return state_names[static_cast<std::size_t>(state)]; }

bool is_terminal(FlowState state) noexcept { return state != FlowState::running && state != FlowState::waiting; }

std::optional<FlowState> parse_flow_state(std::string_view text) {
  for (std::size_t i = 0; i < state_names.size(); ++i)
    if (text == state_names[i]) return static_cast<FlowState>(i);
  return std::nullopt;
}

StepVerdict judge_step(const Flow& flow, const std::vector<StepStanding>& standings, std::size_t index) {
  using Kind = StepVerdict::Kind;
  const Step& step = flow.steps[index];
  if (flow.cancel) return {Kind::hopeless, "its flow was cancelled by " + flow.cancel->by.user};
  std::string awaited;
  for (const std::string& need : step.needs) {
    const std::size_t i = index_of(flow, need);
    if (failed(flow.steps[i], standings[i])) return {Kind::hopeless, in_words(flow.steps[i], standings[i])};
    if (!succeeded(flow.steps[i], standings[i])) awaited += (awaited.empty() ? "'" : ", '") + need + "'";
  }
  if (!flow.goes_on)
    if (const auto failure = first_failure(flow, standings))
      return {Kind::hopeless, in_words(flow.steps[*failure], standings[*failure])};
  if (!awaited.empty()) return {Kind::waits, "waits for step " + awaited};
  if (!step.gate.empty() && !flow.open_gates.contains(step.gate))
    return {Kind::at_gate, "waits for gate '" + step.gate + "'"};
  return {Kind::ready, {}};
}

FlowState state_of(const Flow& flow, const std::vector<StepStanding>& standings) {
  if (flow.end) return flow.end->state;
  bool at_gate = false;
  for (std::size_t i = 0; i < flow.steps.size(); ++i) {
    if (is_terminal(standings[i].state)) continue;
    if (standings[i].state != State::queued) return FlowState::running;
    const StepVerdict verdict = judge_step(flow, standings, i);
    if (verdict.kind == StepVerdict::Kind::ready) return FlowState::running;
    at_gate = at_gate || verdict.kind == StepVerdict::Kind::at_gate;
  }
  return at_gate ? FlowState::waiting : FlowState::running;
}

std::optional<FlowEnd> end_of(const Flow& flow, std::vector<StepStanding> standings, TimePoint at) {
  for (const StepStanding& standing : standings)
    if (!is_terminal(standing.state)) return std::nullopt;
  FlowEnd end{.state = FlowState::succeeded, .reason = {}, .at = at, .steps = std::move(standings)};
  if (flow.cancel) {
    end.state = FlowState::cancelled;
    end.reason = "cancelled by " + flow.cancel->by.user;
    if (!flow.cancel->reason.empty()) end.reason += ": " + flow.cancel->reason;
  } else if (const auto failure = first_failure(flow, end.steps)) {
    end.state = FlowState::failed;
    end.reason = in_words(flow.steps[*failure], end.steps[*failure]);
  }
  return end;
}

std::string reason_of(const FlowView& view) {
  if (view.flow.end) return view.flow.end->reason;
  if (view.flow.cancel) return "cancelled by " + view.flow.cancel->by.user + "; what runs goes on to its end";
  if (view.state != FlowState::waiting) return {};
  for (std::size_t i = 0; i < view.steps.size(); ++i)
    if (view.steps[i].state == State::queued && judge_step(view.flow, view.steps, i).kind == StepVerdict::Kind::at_gate)
      return "step '" + view.flow.steps[i].name + "' " + view.steps[i].reason;
  return {};
}

}  // namespace agentctl
