#pragma once

#include <sys/types.h>

#include <functional>

#include "base/fd.hpp"

namespace agentctl {

/// A forked process that runs `body` and ends with the status that it returns. Killed and reaped at the latest when
/// this object goes.
class ChildProcess {
 public:
  /// `ready()` in the body lets await_ready() return in the parent.
  using Ready = std::function<void()>;
  explicit ChildProcess(const std::function<int(const Ready& ready)>& body);
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  /// Whether the body said that it is ready; false when it ended without.
  bool await_ready();
  /// As waitpid(2) gives it.
  int wait();
  /// SIGKILL, and until it is gone.
  void kill();

 private:
  Fd ready_;
  pid_t pid_ = -1;
};

/// A process to which the permissions of files apply: root may do anything, so as root it becomes somebody else. Ends
/// with 0 when `body` returns true.
ChildProcess as_stranger(const std::function<bool()>& body);

}  // namespace agentctl
