#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "host/control_frames.hpp"

namespace agentctl {

/// The other end of a session's control socket. It blocks, at most for the timeout it was made with; what goes wrong is
/// an Error (unreachable, timed_out, or failed with the host's words).
class ControlClient {
 public:
  /// The host will send no more, because the output has ended, or because this client was too slow or the connection
  /// is gone: then what is missing is in the journal.
  enum class Stop { end, overrun };
  using Event = std::variant<LogOutput, Stop>;

  /// Nothing when no host listens in that folder: the session has ended, or is not ready yet.
  static std::optional<ControlClient> connect(const std::string& runtime_dir,
                                              microseconds timeout = std::chrono::seconds(5));

  /// Moves the session's end to at least so long from now.
  void extend(microseconds span);
  /// How long a stop takes at least until SIGKILL; 0: as the unit says.
  void set_stop_timeout(microseconds span);

  /// From here on this connection can only be asked for next().
  control::Following follow();
  /// The next event, or nothing when none came in time. It may have one although fd() is not readable, so it is to
  /// be called until it gives nothing before waiting on fd().
  std::optional<Event> next(microseconds timeout);
  int fd() const noexcept { return fd_.get(); }

 private:
  ControlClient(Fd fd, std::string runtime_dir, microseconds timeout)
      : fd_(std::move(fd)), runtime_dir_(std::move(runtime_dir)), timeout_(timeout) {}

  control::Frame ask(const control::Frame& request);
  void command(const control::Frame& request);
  void send(const control::Frame& frame);
  bool wait(short events, std::chrono::steady_clock::time_point until);
  std::optional<control::Frame> receive(std::chrono::steady_clock::time_point until);
  [[noreturn]] void fail(ErrorCode code, std::string reason) const;

  Fd fd_;
  std::string runtime_dir_;
  microseconds timeout_;
  control::FrameReader reader_{control::frame_limit};
  bool closed_ = false;
};

}  // namespace agentctl
