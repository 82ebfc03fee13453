#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace agentctl {

/// An address of IPv4 or IPv6, without a port. Those of IPv4 that are written in IPv6 (::ffff:127.0.0.1) become IPv4.
struct IpAddress {
  bool is_v6 = false;
  std::array<unsigned char, 16> bytes{};  ///< in network order; of IPv4 the first four

  bool is_any() const noexcept;  ///< 0.0.0.0 or ::
  bool operator==(const IpAddress&) const = default;
};

/// "127.0.0.1" or "::1"; nothing for a name.
std::optional<IpAddress> parse_ip_address(const std::string& text);
std::string to_string(const IpAddress& address);

/// A TCP socket that waits for connections, as proc_net_tcp tells of it (Documentation/networking in Linux).
struct ListeningSocket {
  IpAddress address{};
  std::uint16_t port = 0;
  std::uint64_t inode = 0;
  uid_t uid = 0;  ///< who made it
  bool operator==(const ListeningSocket&) const = default;
};

/// The listening sockets among the lines of /proc/net/tcp or tcp6. The kernel lists them before all others, so what
/// follows the first other one is not read: a busy host has 100,000 of these. `is_done` is set there.
std::vector<ListeningSocket> parse_listeners(std::string_view table, bool& is_done);

/// Who waits for connections to this port of the host (of this process's network namespace), on whatever address.
std::vector<ListeningSocket> listeners(std::uint16_t port);

/// Those of them that a connection to this address reaches: the ones of that very address, else those of all IPv4
/// addresses, else those of all addresses. More than one only where they share a port on purpose (SO_REUSEPORT). That
/// a socket of :: takes no IPv4 is not in /proc; a connection that was made tells.
std::vector<ListeningSocket> reached_by(const std::vector<ListeningSocket>& sockets, const IpAddress& to);

/// reached_by() of the sockets that there are now.
std::vector<ListeningSocket> listeners_at(const IpAddress& to, std::uint16_t port);

/// Whether the process has this socket open. False too when that cannot be seen: another user's process.
bool has_socket(pid_t pid, std::uint64_t inode);

/// The processes that have it open, as far as this user can see.
std::vector<pid_t> socket_holders(std::uint64_t inode);

/// Whether a program could bind to this TCP port on all addresses now: nobody has bound to it on any, and no
/// connection that has just ended still occupies it.
bool can_be_bound(std::uint16_t port);

}  // namespace agentctl
