#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace agentctl {

using Monotonic = std::chrono::steady_clock::time_point;

/// Waits for descriptors with ppoll(2) and calls who watches them. It has no timers: the caller knows its next
/// deadline. Meant for a few dozen descriptors; epoll would save nothing there and cost a system call for each change.
class PollLoop {
 public:
  /// Gets poll's revents. It may watch, change and forget any descriptor, its own too.
  using Handler = std::function<void(short)>;

  void watch(int fd, short events, Handler handler);
  /// 0: leave the descriptor alone for now, its hangup too.
  void set_events(int fd, short events);
  /// To be called before the descriptor is closed.
  void forget(int fd);

  /// Waits until something can be done or `until` is reached, then calls the handlers; returns early on a signal.
  void run_once(std::optional<Monotonic> until);

 private:
  struct Source {
    int fd;
    short events;
    Handler handler;
  };
  std::vector<std::shared_ptr<Source>> sources_;
};

}  // namespace agentctl
