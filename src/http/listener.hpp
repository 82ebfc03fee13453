#pragma once

#include <string>

#include "base/fd.hpp"
#include "http/access.hpp"

namespace agentctl {

/// A listening socket at that path, for its owner alone. One that a dead server has left is replaced; throws
/// Error{conflict} when somebody listens there.
Fd listen_at(const std::string& path);

/// A listening TCP socket at a literal address.
Fd listen_on(const Listening& address);

/// What kind of socket systemd has handed over.
Listening listening_of(int socket);

}  // namespace agentctl
