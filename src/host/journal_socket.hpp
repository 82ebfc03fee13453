#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/fd.hpp"

namespace agentctl {

enum class JournalResult {
  sent,
  full,    ///< poll fd() for POLLOUT and try again
  absent,  ///< nobody listens there; try again later
};

/// Sends native-protocol messages to journald. libsystemd's sd_journal_sendv(3) would do, but it blocks when journald
/// is slow, and it would double the size of a process that exists once for each session.
class JournalSocket {
 public:
  explicit JournalSocket(std::string path) : path_(std::move(path)) {}

  /// Sends the parts as one message, in a sealed memfd when it is too large for a datagram.
  JournalResult send(std::initializer_list<std::string_view> parts);

  /// Makes sure that journald can still look our process up for every message sent so far: sends a message that it
  /// ignores, and from then on POLLOUT comes only when journald took that one off the queue, which it does one by one
  /// in order, so that it is done with all the others. Nothing else can be sent afterwards.
  JournalResult send_barrier();
  bool is_drained() const;

  int fd() const noexcept { return fd_.get(); }
  /// Closes the socket; the next send() makes a new one.
  void reset() noexcept { fd_.reset(); }

 private:
  JournalResult connect();
  JournalResult send_datagram(std::initializer_list<std::string_view> parts, int attached);
  JournalResult send_memfd(std::initializer_list<std::string_view> parts);

  std::string path_;
  Fd fd_;
};

}  // namespace agentctl
