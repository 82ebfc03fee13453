#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "base/poll_loop.hpp"
#include "domain/health.hpp"
#include "domain/launch.hpp"

namespace agentctl {

/// How the session host learns whether its command is healthy: from the probe, a child that makes the checks and says
/// what changes, or for `notify` from the command itself. The probe is a process of its own so that the host of a
/// session without a check carries nothing of it, and a check that hangs or crashes hurts nobody.
class HealthWatch {
 public:
  struct Listener {
    std::function<void()> healthy;
    /// `is_final`: no further check can change that.
    std::function<void(const std::string& reason, bool is_final)> unhealthy;
    std::function<void(const std::string& text)> status;  ///< STATUS= of the command
  };

  HealthWatch(PollLoop& loop, std::string runtime_dir, std::string libexec_dir, Listener listener)
      : loop_(loop),
        runtime_dir_(std::move(runtime_dir)),
        libexec_dir_(std::move(libexec_dir)),
        listener_(std::move(listener)) {}
  ~HealthWatch();
  HealthWatch(const HealthWatch&) = delete;
  HealthWatch& operator=(const HealthWatch&) = delete;

  /// Before the command starts: gives it what it needs to tell us. Throws Error.
  void prepare(Launch& launch);
  /// Once it runs. `log` is the session's output from the beginning on, for a check that reads it.
  void begin(const Launch& launch, Fd log);
  void end();

  /// When act() has something to do.
  std::optional<Monotonic> due() const noexcept { return retry_at_; }
  void act(Monotonic now);
  /// To be called on SIGCHLD.
  void reap();

  /// Why it is not healthy, as far as is known.
  std::string last_error() const;

 private:
  void start_probe();
  void read_probe();
  void read_notification();
  void hear(std::string_view line);

  PollLoop& loop_;
  std::string runtime_dir_;
  std::string libexec_dir_;
  Listener listener_;
  HealthKind kind_ = HealthKind::notify;
  Launch probe_launch_;
  Fd log_;
  Fd notifications_;  ///< what the command sends
  Fd reports_;        ///< what the probe says
  std::string unread_;
  pid_t probe_ = 0;
  std::string probe_error_;
  std::optional<Monotonic> retry_at_;
  bool is_done_ = false;  ///< nothing more is to be learnt
};

}  // namespace agentctl
