#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "base/fd.hpp"

namespace agentctl {

/// The address of a socket in the file system, or of an abstract one when `path` begins with '@' (unix(7)).
struct UnixAddress {
  /// Throws Error when the path is empty or longer than an address can hold (107 bytes).
  explicit UnixAddress(const std::string& path);
  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr_un storage{};
  socklen_t size = 0;
};

/// Whether the other side of a connected socket has closed it, and not only the direction in which it sends.
bool has_hung_up(int fd) noexcept;

/// Whether the other side of a connected socket is a process of our own user, or of root (unix(7), SO_PEERCRED).
bool is_own_peer(int fd) noexcept;

/// A new socket of `type` (SOCK_STREAM …), close-on-exec; throws Error.
Fd make_unix_socket(int type);

}  // namespace agentctl
