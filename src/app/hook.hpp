#pragma once

#include "app/context.hpp"

namespace agentctl {

/// Runs the --on-end command of a session that has ended, in a unit of its own, for at most hook_limit. The caller has
/// just written that end, so it runs once. Nothing when there is no such command. Throws Error.
void run_hook(Context& context, const Record& ended);

inline constexpr microseconds hook_limit{300'000'000};

}  // namespace agentctl
