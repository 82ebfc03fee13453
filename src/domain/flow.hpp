#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "domain/session.hpp"

namespace agentctl {

/// One step of a flow: a session that waits until its turn has come.
struct Step {
  std::string name;
  std::string session;  ///< name
  std::string session_id;
  std::vector<std::string> needs;  ///< steps that must have succeeded before
  std::string gate;                ///< that `flow resume` must have opened; empty: none
  bool may_fail = false;           ///< its failure counts as success for what needs it, and for the flow
};

enum class FlowState {
  running,
  waiting,  ///< only a gate holds up what is left
  succeeded,
  failed,
  cancelled,
};

const char* to_string(FlowState state) noexcept;
bool is_terminal(FlowState state) noexcept;
std::optional<FlowState> parse_flow_state(std::string_view text);

/// How a step stands, from its session's record.
struct StepStanding {
  State state = State::queued;
  std::string reason;
  std::optional<TimePoint> started_at;
  std::optional<TimePoint> ended_at;
};

struct FlowEnd {
  FlowState state = FlowState::failed;
  std::string reason;
  TimePoint at{};
  std::vector<StepStanding> steps;  ///< in the flow's order
};

/// Steps that follow one another, as the registry keeps them. How far a flow is follows from its steps' records, so
/// that no crash can come between the end of one step and what follows from it.
struct Flow {
  std::string id;
  std::string name;
  std::string key;  ///< one live flow may have it
  std::string project;
  Asker created_by;
  TimePoint created_at{};
  bool goes_on = false;  ///< after a failure: what does not need the failed step still runs
  std::vector<Step> steps;
  std::set<std::string> open_gates;
  std::optional<StopRequest> cancel;
  std::optional<FlowEnd> end;  ///< set once, never changed
};

/// A flow as it is shown: what was asked, and how its steps stand now.
struct FlowView {
  Flow flow;
  FlowState state = FlowState::running;
  std::vector<StepStanding> steps;  ///< in the flow's order; live ones in their session's state
};

/// What can be said of a step that has not started.
struct StepVerdict {
  enum class Kind { ready, waits, at_gate, hopeless };
  Kind kind = Kind::waits;
  std::string reason;  ///< what it waits for, or why it can never start
};

/// `standings` are those of all steps, in order.
StepVerdict judge_step(const Flow& flow, const std::vector<StepStanding>& standings, std::size_t index);

/// Where the flow is. Never terminal while a step is not, nor before that has been written down.
FlowState state_of(const Flow& flow, const std::vector<StepStanding>& standings);

/// The end of a flow all of whose steps have ended; nothing while one has not.
std::optional<FlowEnd> end_of(const Flow& flow, std::vector<StepStanding> standings, TimePoint at);

/// Readers refuse more. A flow that people write has at most max_steps.
inline constexpr std::size_t flow_size_limit = 1u << 20;
inline constexpr std::size_t max_steps = 256;

std::string to_json(const Flow& flow);
/// Throws Error for anything that to_json() could not have written.
Flow parse_flow(std::string_view text);

/// Why it stands where it stands; empty when there is nothing to say.
std::string reason_of(const FlowView& view);

/// For whoever reads --json.
std::string to_json(const FlowView& view);

}  // namespace agentctl
