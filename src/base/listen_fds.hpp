#pragma once

#include <vector>

#include "base/fd.hpp"

namespace agentctl {

/// The listening sockets that systemd handed over (sd_listen_fds(3)), close-on-exec; none when this process was not
/// started for a socket. Takes LISTEN_FDS= and the like out of the environment, so that no child believes them.
std::vector<Fd> take_listen_fds();

}  // namespace agentctl
