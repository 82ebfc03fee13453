#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "domain/session.hpp"
#include "systemd/sdbus_compat.hpp"

namespace agentctl {

inline constexpr const char* systemd_service = "org.freedesktop.systemd1";
inline constexpr const char* manager_path = "/org/freedesktop/systemd1";
inline constexpr const char* manager_interface = "org.freedesktop.systemd1.Manager";

/// One connection to the bus of a systemd manager, without a thread: signals are handled only inside process() and
/// wait_until(). Included by the .cpp files of this folder only.
class ManagerBus {
 public:
  /// `runtime_dir` is where a user manager's bus is. Throws Error{unreachable}.
  ManagerBus(ManagerScope scope, const std::string& runtime_dir);

  sdbus::IProxy& manager() { return *manager_; }
  std::unique_ptr<sdbus::IProxy> proxy(const std::string& path);

  /// Handles what has arrived.
  void process();

  /// Handles messages until `done` says so; false at the deadline. Throws Error{unreachable} when the bus goes away.
  bool wait_until(const std::function<bool()>& done, std::optional<microseconds> timeout);

  int fd() const;

  /// The object path of a unit, computed as systemd does (sd_bus_path_encode(3)).
  static std::string unit_path(const std::string& unit);

 private:
  std::unique_ptr<sdbus::IConnection> connection_;
  std::unique_ptr<sdbus::IProxy> manager_;
};

/// Runs `call` and translates what sdbus-c++ throws.
template <class Call>
auto on_bus(const std::string& context, const std::string& object, Call call) -> decltype(call());

/// The same for a call that only reads, and may be made again: a systemd that re-executes itself leaves the bus, and
/// what it had been asked gets NoReply. The bus holds the next call back until it has returned.
template <class Call>
auto ask_on_bus(const std::string& context, const std::string& object, Call call) -> decltype(call());

}  // namespace agentctl

#include "systemd/bus_errors.hpp"

template <class Call>
auto agentctl::on_bus(const std::string& context, const std::string& object, Call call) -> decltype(call()) {
  try {
    return call();
  } catch (const sdbus::Error& error) {
    throw translate_bus_error(sdbus_compat::error_name(error), error.getMessage(), context, object);
  }
}

template <class Call>
auto agentctl::ask_on_bus(const std::string& context, const std::string& object, Call call) -> decltype(call()) {
  for (int tries_left = 3; tries_left > 0; --tries_left) {
    try {
      return call();
    } catch (const sdbus::Error& error) {
      if (sdbus_compat::error_name(error) != "org.freedesktop.DBus.Error.NoReply")
        throw translate_bus_error(sdbus_compat::error_name(error), error.getMessage(), context, object);
    }
  }
  return on_bus(context, object, call);
}
