#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/time.hpp"
#include "http/routes.hpp"

namespace agentctl {

struct ServeOptions {
  Backend backend{};
  std::vector<Fd> sockets{};           ///< listening; what they are decides who may come in
  std::string token{};                 ///< needed where one of them is no Unix socket
  std::optional<microseconds> idle{};  ///< without a connection for so long, it ends; none: never
};

/// Serves until SIGTERM, SIGINT or idleness. One thread: what a request needs from systemd takes milliseconds, and what
/// may take longer, or for ever, is a process of its own (ChildWork, ChildStream). Rejected: a pool of threads, because
/// waits of the use cases cannot be given up, and a thread that nobody can end would be one less for good.
void serve(ServeOptions options);

}  // namespace agentctl
