#pragma once

#include <string>
#include <vector>

#include "app/context.hpp"
#include "app/wait_clock.hpp"
#include "domain/session_view.hpp"

namespace agentctl {

struct StopOptions {
  std::string reason;
  Tick tick{};
  std::optional<microseconds> timeout{};  ///< from SIGTERM to SIGKILL; none: each session's own
  bool remove = false;                    ///< forget them then, and those that had ended already
  std::vector<std::string> slices{};      ///< that hold them all and nothing else: then one call for each will do
};

struct StopOutcome {
  Session session;            ///< as it ended
  bool had_ended = false;     ///< there was nothing to stop
  std::size_t processes = 0;  ///< when the stop began
  std::size_t left = 0;       ///< afterwards; more than 0 only when the kernel cannot kill them
  bool removed = false;       ///< its record has been forgotten
};

/// Stops sessions, all at once, and waits until they are gone: signals of systemd wake it. Who asked and why is in the
/// record before systemd is asked. Throws Error{conflict} before anything is ended when one that is to be removed is
/// needed by a flow. What has processes left is not removed.
std::vector<StopOutcome> stop_sessions(Context& context, const std::vector<Session>& sessions,
                                       const StopOptions& options);

/// Restarts a live session as the next attempt of its record, or starts an ended one anew with the same request.
/// `variables` are the -e values that an ended session's new environment needs.
Session restart_session(Context& context, const Session& session, const std::vector<std::string>& variables);

/// Moves the time limit of a live session by so much, or lifts it (`forever`). Returns when it ends now.
TimePoint extend_session(Context& context, const Session& session, microseconds by);

/// Sends a signal to every process of live sessions. Throws Error{conflict} before anything is sent when one of them
/// has not started or has ended.
void kill_sessions(Context& context, const std::vector<Session>& sessions, int signal);

/// The same to those that can be sent one, which it returns: for a whole project or group.
std::vector<Session> kill_those_that_live(Context& context, const std::vector<Session>& sessions, int signal);

}  // namespace agentctl
