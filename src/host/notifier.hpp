#pragma once

#include <string>
#include <string_view>

#include "base/time.hpp"

namespace agentctl {

/// Tells the service manager about us (sd_notify(3)'s protocol, without libsystemd).
class Notifier {
 public:
  /// The value of $NOTIFY_SOCKET; empty: nobody wants to know.
  explicit Notifier(std::string socket) : socket_(std::move(socket)) {}

  void ready(std::string_view status) const;
  void status(std::string_view status) const;
  /// Moves the running timeout (TimeoutStartSec=, RuntimeMaxSec= or TimeoutStopSec=, whichever it is in) to at least so
  /// long from now. False when the manager could not be reached.
  bool extend_timeout(microseconds span) const;

 private:
  bool send(std::string_view state) const;

  std::string socket_;
};

}  // namespace agentctl
