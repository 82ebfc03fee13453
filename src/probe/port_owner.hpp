#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace agentctl {

/// For an address on loopback, or none in particular (0.0.0.0, ::): who waits for connections there, when that is no
/// process of our own control group. Nothing for other addresses, which belong to other machines as often as to this
/// one.
std::optional<std::string> port_stranger(const std::string& address, std::uint16_t port);

}  // namespace agentctl
