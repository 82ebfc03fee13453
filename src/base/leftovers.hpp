#pragma once

#include <sys/types.h>

#include <functional>
#include <vector>

#include "base/poll_loop.hpp"

namespace agentctl {

/// Waits until `list`, asked again and again, names no process. What is left at `kill_at` gets SIGKILL, and so does
/// what comes later. False when some are left at `give_up_at`: the kernel cannot kill what waits for a device.
bool end_leftovers(const std::function<std::vector<pid_t>()>& list, Monotonic kill_at, Monotonic give_up_at);

}  // namespace agentctl
