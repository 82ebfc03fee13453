#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "base/ip_address.hpp"

namespace agentctl {

/// A TCP socket that waits for connections, as sock_diag(7) tells of it.
struct ListeningSocket {
  IpAddress address{};
  std::uint16_t port = 0;
  std::uint64_t inode = 0;
  std::uint64_t group =
      0;          ///< the control group in which it was made (has_group_id()); 0: the kernel is older than 5.9
  uid_t uid = 0;  ///< who made it
  bool is_v6_only = false;  ///< of IPv6: takes no connection of IPv4 (IPV6_V6ONLY)
  bool operator==(const ListeningSocket&) const = default;
};

/// Who waits for connections to this port of the host (of this process's network namespace), on whatever address.
/// The kernel is asked for these alone: /proc/net/tcp has all connections, and a walk through its tables takes 200
/// times as long. Throws Error when it does not answer.
std::vector<ListeningSocket> listeners(std::uint16_t port);

/// Those of them that a connection to this address reaches: the ones of that very address, else those of all IPv4
/// addresses, else those of all addresses. More than one only where they share a port on purpose (SO_REUSEPORT).
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
