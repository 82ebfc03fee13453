#pragma once

#include "domain/health.hpp"
#include "probe/check.hpp"

namespace agentctl {

/// Whether something accepts a connection at one of the addresses, within `limit`. On loopback it must be a process of
/// our own control group: somebody else's server on that port is not the session's health.
CheckResult check_tcp(const TcpTarget& target, microseconds limit);

/// The same for a socket in the file system. What is no socket, or a symbolic link to one, is forged, and never
/// connected to.
CheckResult check_unix_socket(const std::string& path, microseconds limit);

}  // namespace agentctl
