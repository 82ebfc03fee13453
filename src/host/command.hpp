#pragma once

#include <sys/types.h>

#include <string>
#include <variant>

#include "domain/launch.hpp"

namespace agentctl {

/// Where the command's standard streams go. Pipes today; a terminal would be one descriptor three times.
struct CommandStreams {
  int in = -1;
  int out = -1;
  int err = -1;
};

/// Why the command does not run: the text names the thing and the cause, the status is what env(1) and the shells use
/// (127: no such program, 126: it cannot be executed).
struct StartError {
  std::string text;
  int status = 126;
};

/// Starts the command and returns when it has really been exec'ed. It is the leader of its own session and process
/// group: it is not to reach us with kill(0, …), and is to get a controlling terminal only when it is given one.
/// Nothing of ours is passed on: signals are as at boot, and the environment is the launch's alone.
std::variant<pid_t, StartError> start_command(const Launch& launch, const CommandStreams& streams);

}  // namespace agentctl
