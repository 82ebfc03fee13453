#pragma once

#include <vector>

#include "app/context.hpp"

namespace agentctl {

/// Runs the --on-end commands of sessions that have ended, each in a unit of its own, for at most hook_limit. Each is
/// taken before it is run (Registry::take_hook()), so it runs once at most, whoever else tries. What cannot be run is
/// told as a trouble, because it is no failure of who ended it.
void run_hooks(Context& context, const std::vector<Record>& ended);

/// The same for all that whoever wrote the end did not come to.
void run_left_hooks(Context& context);

inline constexpr microseconds hook_limit{300'000'000};

}  // namespace agentctl
