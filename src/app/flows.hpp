#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/context.hpp"
#include "app/wait_clock.hpp"
#include "domain/flow.hpp"
#include "domain/flow_file.hpp"

namespace agentctl {

/// Checks every step as `run` would, then writes the flow and all of its steps at once, queued, and starts what may
/// start. `file` is what errors call the request. Throws Error; then nothing of it is there.
FlowView run_flow(Context& context, const FlowRequest& request, const std::string& file);

/// Flows, the oldest first.
std::vector<FlowView> list_flows(Context& context, bool ended);

/// The live flow of that name, else the latest of it; else by id, or by a prefix of an id that only one has. Throws
/// Error{not_found}, or {conflict} when a prefix has several.
FlowView find_flow(Context& context, const std::string& name);

/// No new steps start; those that run go on to their end, or are stopped. Throws Error{conflict} for one that has
/// ended.
FlowView cancel_flow(Context& context, const FlowView& view, const std::string& reason, bool stop_running);

/// Opens a gate that the flow waits at; all such gates when none is named. Throws Error{conflict} when it waits at
/// none.
FlowView resume_flow(Context& context, const FlowView& view, const std::string& gate);

/// Waits until it has ended. Throws Error{timed_out}.
FlowView wait_for_flow(Context& context, const FlowView& view, std::optional<microseconds> timeout, const Tick& tick);

}  // namespace agentctl
