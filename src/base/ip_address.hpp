#pragma once

#include <array>
#include <optional>
#include <string>

namespace agentctl {

/// An address of IPv4 or IPv6, without a port.
struct IpAddress {
  bool is_v6 = false;
  std::array<unsigned char, 16> bytes{};  ///< in network order; of IPv4 the first four

  bool is_any() const noexcept;       ///< 0.0.0.0 or ::
  bool is_loopback() const noexcept;  ///< 127.0.0.0/8 or ::1
  /// The IPv4 address that this one of IPv6 stands for (::ffff:127.0.0.1); else itself.
  IpAddress unmapped() const noexcept;
  bool operator==(const IpAddress&) const = default;
};

/// "127.0.0.1" or "::1", without a mapping; nothing for a name.
std::optional<IpAddress> parse_ip_address(const std::string& text);
std::string to_string(const IpAddress& address);

}  // namespace agentctl
