#include "systemd/manager_bus.hpp"

#include <cerrno>
#include <chrono>
#include <cstdio>

#include "base/ascii.hpp"

namespace agentctl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr microseconds century = std::chrono::hours(876'000);

// D-Bus addresses escape all but these (D-Bus specification, Server Addresses).
std::string escape_address(const std::string& path) {
  std::string escaped;
  for (const char c : path) {
    const bool plain = is_alphanumeric(c) || std::string_view("-_/.\\").find(c) != std::string_view::npos;
    if (plain) {
      escaped += c;
    } else {
      char hex[8];
      std::snprintf(hex, sizeof hex, "%%%02x", static_cast<unsigned char>(c));
      escaped += hex;
    }
  }
  return escaped;
}

int remaining_ms(std::optional<Clock::time_point> deadline) {
  if (!deadline) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
  return left < 0 ? 0 : static_cast<int>(std::min<std::int64_t>(left, 3'600'000));
}

}  // namespace

ManagerBus::ManagerBus(ManagerScope scope, const std::string& runtime_dir) {
  const std::string address =
      scope == ManagerScope::system ? "the system bus" : "unix:path=" + escape_address(runtime_dir + "/bus");
  try {
    connection_ = scope == ManagerScope::system ? sdbus::createSystemBusConnection()
                                                : sdbus::createSessionBusConnectionWithAddress(address);
    manager_ = sdbus_compat::make_proxy(*connection_, systemd_service, manager_path);
  } catch (const sdbus::Error& error) {
    throw unreachable_manager(scope, runtime_dir, address, error.getMessage());
  }
}

std::unique_ptr<sdbus::IProxy> ManagerBus::proxy(const std::string& path) {
  return sdbus_compat::make_proxy(*connection_, systemd_service, path);
}

void ManagerBus::process() {
  on_bus("cannot read from", "the bus of systemd", [&] {
    while (sdbus_compat::process_one(*connection_)) {
    }
  });
}

bool ManagerBus::wait_until(const std::function<bool()>& done, std::optional<microseconds> timeout) {
  std::optional<Clock::time_point> deadline;
  // Beyond what the clock can count, a deadline is none.
  if (timeout && *timeout < century) deadline = Clock::now() + *timeout;
  for (;;) {
    process();
    if (done()) return true;
    const int left = remaining_ms(deadline);
    if (deadline && left == 0) return false;
    auto set = sdbus_compat::poll_set(*connection_);
    const int due = sdbus_compat::poll_timeout(*connection_);
    const int wait = due < 0 ? left : (left < 0 ? due : std::min(due, left));
    if (::poll(set.data(), set.size(), wait) < 0 && errno != EINTR)
      throw system_error("cannot wait for", "the bus of systemd", errno);
  }
}

int ManagerBus::fd() const { return connection_->getEventLoopPollData().fd; }

std::string ManagerBus::unit_path(const std::string& unit) {
  std::string path = "/org/freedesktop/systemd1/unit/";
  for (std::size_t i = 0; i < unit.size(); ++i) {
    const char c = unit[i];
    if (is_letter(c) || (i > 0 && is_digit(c))) {
      path += c;
    } else {
      char hex[8];
      std::snprintf(hex, sizeof hex, "_%02x", static_cast<unsigned char>(c));
      path += hex;
    }
  }
  return path;
}

}  // namespace agentctl
