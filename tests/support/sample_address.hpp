#pragma once

#include <string>

#include "base/ip_address.hpp"

namespace agentctl {

inline IpAddress address(const std::string& text) { return parse_ip_address(text).value(); }

}  // namespace agentctl
