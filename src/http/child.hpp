#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/fd.hpp"

namespace agentctl {

/// A call of this same program, under way. Its standard input is empty.
struct Child {
  pid_t pid = 0;
  Fd process;  ///< a pidfd: readable when it has ended
  Fd out;      ///< what it prints; does not block
  Fd err;
};

/// Throws Error when there is no process or descriptor left.
Child start_child(const std::vector<std::string>& arguments);

/// The exit status of one that has ended, as a shell has it (128 + signal). To be called once.
int reap(pid_t pid);

}  // namespace agentctl
