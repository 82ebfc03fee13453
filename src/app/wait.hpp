#pragma once

#include <optional>
#include <vector>

#include "app/context.hpp"
#include "app/wait_clock.hpp"
#include "domain/session_view.hpp"

namespace agentctl {

enum class WaitFor { exit, ready, healthy, turn };  ///< turn: it is queued no more

/// Waits until all sessions have ended (or are ready, or healthy), woken by systemd's signals and the probes' notes.
/// Throws Error{timed_out} that names those that have not. Returns them as they are then, in the order given.
std::vector<Session> wait_for_sessions(Context& context, const std::vector<Session>& sessions, WaitFor what,
                                       std::optional<microseconds> timeout, const Tick& tick = {});

/// The exit status that stands for a session that has ended.
int exit_status_of(const Session& session);

}  // namespace agentctl
