#pragma once

#include <optional>
#include <string>

#include "domain/launch.hpp"
#include "domain/session.hpp"

namespace agentctl {

/// What the manager was doing with a unit when its recorder ran. Only asked for when the rest leaves it open.
enum class ManagerJob {
  none,
  stop,
  restart,
  shutdown,  ///< the manager itself was going down: reboot, power-off, logout
};

/// All that is known when a session's unit has ended.
struct EndEvidence {
  std::string service_result;  ///< $SERVICE_RESULT of systemd.exec(5)
  std::string exit_code;       ///< $EXIT_CODE: exited, killed, dumped
  std::string exit_status;     ///< $EXIT_STATUS: a number, or a signal's name without SIG
  std::string invocation_id;
  std::optional<HostNote> note;  ///< what the session host left; nothing when it could not write
  ManagerJob job = ManagerJob::none;
  TimePoint at{};
};

/// Whether only the manager can say if this end was asked for: nobody recorded a request, and the unit ended in a way
/// that a stop job, a reboot or the time limit would all look like.
bool needs_manager_job(const Record& record, const EndEvidence& evidence);

/// The end of a service session. Its state is `restarting` when the same record goes on with another attempt.
End decide_end(const Record& record, const EndEvidence& evidence);

/// The end of a session whose unit is gone and whose recorder left nothing. `boot_id` is the running kernel's.
End decide_lost(const Record& record, const std::optional<HostNote>& note, const std::string& boot_id, TimePoint at);

/// What is left, when the host has ended, of the time that the session's other processes have until SIGKILL.
microseconds grace_left(const Record& record, const std::optional<HostNote>& note, TimePoint at);

/// When the time limit ends the session; nothing without a limit. `started_at` may be unknown yet.
std::optional<TimePoint> expiry(const Record& record, const std::optional<TimePoint>& started_at);

/// The exit status that `wait` and a foreground `run` end with for such an end: its code, 128+N, 124, or 1 when there
/// is none to give.
int exit_status_of(const End& end);

/// "SIGSEGV"; "signal 60" when it has no name.
std::string signal_name(int signal);
/// Of "SEGV" or "11".
std::optional<int> signal_number(std::string_view text);

/// How the reason of a session begins that was not healthy in time; ": " and the last error can follow.
std::string not_healthy_within(microseconds timeout);
/// How the reason ends when the command ended before it was healthy.
inline constexpr std::string_view before_healthy = " before it was healthy";

}  // namespace agentctl
