#pragma once

#include "app/context.hpp"
#include "app/launch.hpp"
#include "domain/session_view.hpp"

namespace agentctl {

/// Makes a session of a process of the caller's own user that runs already, and of all that descend from it: moves them
/// into a scope. `request` says its name, project, limit and so on; its command and folder are the process's. Throws
/// Error; then nothing was moved.
Session adopt_process(Context& context, pid_t pid, SessionRequest request);

}  // namespace agentctl
