#pragma once

#include <optional>
#include <string>

#include "base/fd.hpp"
#include "base/poll_loop.hpp"
#include "domain/launch.hpp"
#include "host/control_server.hpp"
#include "host/health_watch.hpp"
#include "host/journal_writer.hpp"
#include "host/notifier.hpp"
#include "host/output_carrier.hpp"

namespace agentctl {

struct HostConfig {
  std::string runtime_dir;
  std::string invocation_id;
  std::string notify_socket;
  std::string libexec_dir{};  ///< where the probe is
  std::string journal_socket = "/run/systemd/journal/socket";
  JournalLimits journal{};
  microseconds end_limit{5'000'000};      ///< how long journald may take with the last output
  microseconds follower_limit{250'000};   ///< how long followers may take after that: the rest is in the journal
  microseconds hurried_interval{50'000};  ///< between entries once the end has begun: SIGKILL may come at any time
  microseconds last_interval{5'000};      ///< and when it is due
};

/// The main process of a session's unit: starts the command, carries its output, answers on the control socket, and
/// ends as the command ended. It runs in one thread and keeps little in memory, because there is one for each session.
/// Nothing that journald, a client or the disk does ends it before the command.
class SessionHost {
 public:
  explicit SessionHost(HostConfig config);

  /// Returns the exit status. It does not return when the command was killed by a signal, but dies of the same one.
  int run();

 private:
  std::optional<int> start();
  int start_command_of(const Launch& launch);
  void begin_health_check(const Launch& launch, Fd log);
  void become_ready();
  void become_unhealthy(const std::string& reason, bool is_final);
  void miss_readiness();
  void end_as_unhealthy(const std::string& reason);
  bool wait_for_turn();
  int fail_start(const std::string& text, int status);
  void block_signals();
  void listen_for_clients();

  void step(std::optional<Monotonic> until);
  void handle_signals();
  void hear_manager(int signal);
  void note_stop_request();
  void set_stop_timeout(microseconds span);
  void reap_command();
  void note_exit(int status);
  void leave_leftovers_to_child();
  void expect_kill(microseconds timeout);
  bool extend(microseconds span);
  void expire();
  void end_command();
  void begin_end();
  void wait_for_journald();
  void wait_for_followers();
  int end_like_command();

  control::Following describe_follow() const;
  std::optional<Monotonic> next_deadline() const;
  void note_lost_lines(Monotonic now);
  void save_note() noexcept;

  HostConfig config_;
  PollLoop loop_;
  Notifier notifier_;
  JournalWriter journal_;
  OutputCarrier carrier_;
  ControlServer control_;
  HealthWatch health_;
  Fd signals_;
  HostNote note_;
  std::optional<Monotonic> lost_noted_at_;
  microseconds unit_stop_timeout_{0};    ///< the unit's TimeoutStopSec=
  microseconds stop_timeout_{0};         ///< what a client wants instead; 0: nothing
  std::optional<Monotonic> sigterm_at_;  ///< the manager's last, whether it meant a stop or not
  std::optional<Monotonic> kill_due_;    ///< when SIGKILL may come
  std::optional<Monotonic> expiry_;      ///< when we end the command, as systemd's own limit began at another time
  std::optional<Monotonic> command_kill_due_;  ///< when we send it SIGKILL
  std::optional<Monotonic> ready_due_;         ///< when it must be healthy
  std::optional<HealthCheck> check_;
  std::string status_;  ///< what `systemctl status` shows of it
  pid_t command_ = 0;
  int command_status_ = 0;   ///< as waitpid(2) gives it
  bool is_running_ = false;  ///< the command
  bool is_ending_ = false;   ///< all output has been read
  bool is_child_ = false;    ///< we only carry what leftover processes say, and are not the unit's main process
};

}  // namespace agentctl
