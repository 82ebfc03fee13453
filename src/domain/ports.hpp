#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "domain/launch.hpp"
#include "domain/session.hpp"

namespace agentctl {

/// In a request: any port that is free. What is written down has a number.
inline constexpr std::uint16_t automatic_port = 0;

/// What the host says of its ports. The registry asks while it holds its lock.
struct HostPorts {
  std::function<bool(std::uint16_t)> is_listened_on;  ///< somebody waits for connections
  std::function<bool(std::uint16_t)> can_be_bound;
  std::vector<std::uint16_t> automatic;  ///< what automatic ports are chosen from, in this order
};

/// The ports that no outgoing connection gets, from what /proc/sys/net/ipv4/ip_local_port_range and
/// ip_local_reserved_ports say: 20000 and above, and only where nothing is left of those 1024 and above. They begin
/// anywhere (`seed`), so that two who cannot see one another's reservations seldom want the same.
std::vector<std::uint16_t> automatic_ports(std::string_view local_range, std::string_view reserved, std::size_t seed);

/// A port that both ask for by number.
std::optional<std::uint16_t> common_port(const SessionRequest& a, const SessionRequest& b);

bool has_automatic_port(const SessionRequest& request);

/// Gives each automatic port of the request a number that is neither taken nor bound. False when there is none.
bool choose_ports(SessionRequest& request, std::set<std::uint16_t> taken, const HostPorts& host);

/// Tells the program its ports, once all of them are known: PORT, unless that was given with -e, and for several
/// AGENTCTL_PORTS.
void tell_ports(Launch& launch);

}  // namespace agentctl
