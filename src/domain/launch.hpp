#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/session.hpp"

namespace agentctl {

/// What the session host is handed: a file on the runtime tmpfs (0600), because a unit's properties can be read by
/// anyone on the bus and its ExecStart= expands $ and %. The record is in it whole, so that a registry that was
/// deleted meanwhile can be written again.
struct Launch {
  Record record;
  std::string executable;                ///< absolute path
  std::vector<std::string> environment;  ///< "KEY=value"; the host adds nothing to it
  std::string registry;                  ///< where the recorder finds the record
  int umask = 022;                       ///< the caller's, for the command
};

std::string to_json(const Launch& launch);
/// Throws Error for anything that to_json() could not have written.
Launch parse_launch(std::string_view text);

/// What the session host leaves in the session's runtime folder for status and the recorder; rewritten whole at each
/// change.
struct HostNote {
  std::string invocation_id;
  pid_t pid = 0;                           ///< the command's
  std::optional<TimePoint> started_at;     ///< when the command had been exec'ed
  std::optional<TimePoint> ready_at{};     ///< with a health check: its first success
  std::optional<TimePoint> terminated_at;  ///< when the manager began to stop the unit
  std::optional<int> exit_code;            ///< the command's
  std::optional<int> exit_signal;
  bool core_dumped = false;
  std::optional<TimePoint> exited_at;
  std::string start_error;          ///< why the command could not be exec'ed
  std::optional<int> start_status;  ///< then: 126 or 127, or 125 when the host itself failed
  std::uint64_t log_lost = 0;       ///< lines that could not be handed to journald
  bool expired = false;             ///< the host ended it for its time limit (AttemptPlan)
  std::string unhealthy{};          ///< why the host ended it: it was not healthy, or did not become so
};

std::string to_json(const HostNote& note);
/// Throws Error; the note may come from a session that runs as another user than the reader.
HostNote parse_host_note(std::string_view text);

/// What the recorder leaves for the host of the attempt that systemd starts next.
struct AttemptPlan {
  TimePoint not_before{};               ///< the command starts then
  std::optional<TimePoint> expires_at;  ///< of the session. RuntimeMaxSec= counts anew with each start.
};

std::string to_json(const AttemptPlan& plan);
AttemptPlan parse_attempt_plan(std::string_view text);

/// No unit's TimeoutStopSec= is shorter: it is also the time in which the recorder must have asked for more. The host
/// itself kills the command of a session that has less.
inline constexpr std::chrono::seconds least_unit_stop_timeout{2};

/// The files in a session's runtime folder.
inline constexpr const char* launch_file = "launch.json";
inline constexpr const char* host_note_file = "host.json";
inline constexpr const char* attempt_plan_file = "attempt.json";
inline constexpr const char* control_socket = "control";

/// Readers refuse more than this many bytes: a prompt of a few MiB is the largest thing that anyone passes, and
/// execve(2) takes at most 128 KiB an argument and 6 MiB in all by default.
inline constexpr std::size_t launch_size_limit = 32u << 20;
inline constexpr std::size_t host_note_size_limit = 64u << 10;

}  // namespace agentctl
