#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>

namespace agentctl {

/// How long a test waits for anything before it fails.
inline constexpr std::chrono::seconds patience{20};

/// A dbus-daemon of the test's own, with its socket where a user manager's is: FOLDER/bus.
class PrivateBus {
 public:
  /// Returns when it listens.
  explicit PrivateBus(const std::string& folder);
  ~PrivateBus() { kill(); }
  PrivateBus(const PrivateBus&) = delete;
  PrivateBus& operator=(const PrivateBus&) = delete;

  /// As a client takes it, escaped.
  const std::string& address() const noexcept { return address_; }

  /// Ends it at once: every connection breaks.
  void kill();

 private:
  std::string address_;
  pid_t pid_ = -1;
};

/// Looks until the condition holds; false when it does not within the test's patience. For what sends no event.
bool eventually(const std::function<bool()>& condition);

}  // namespace agentctl
