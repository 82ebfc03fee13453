#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace agentctl {

/// What /proc says of a process (proc(5)).
struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  uid_t uid = 0;                     ///< effective
  bool is_zombie = false;            ///< it has ended, and its parent has not looked yet
  std::vector<std::string> command;  ///< empty: a kernel thread, a zombie, or in the middle of execve(2)
  std::string cwd;                   ///< empty: not readable for this user
  std::string control_group;         ///< its path in the unified hierarchy
  TimePoint started_at{};
};

std::optional<Process> find_process(pid_t pid);

/// The process and all that descend from it now, parents first.
std::vector<pid_t> process_tree(pid_t root);

}  // namespace agentctl
