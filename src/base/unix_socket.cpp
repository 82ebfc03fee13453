#include "base/unix_socket.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/error.hpp"

namespace agentctl {

UnixAddress::UnixAddress(const std::string& path) {
  // One byte is left for the NUL that ends a path; an abstract address has none, but nobody needs that last byte.
  if (path.empty() || path.size() >= sizeof(storage.sun_path))
    throw Error({.code = ErrorCode::failed,
                 .context = "cannot use the socket",
                 .object = path,
                 .reason = path.empty() ? "the path is empty" : "the path is longer than 107 bytes",
                 .hint = {}});
  storage.sun_family = AF_UNIX;
  std::memcpy(storage.sun_path, path.data(), path.size());
  size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (path[0] == '@')
    storage.sun_path[0] = '\0';
  else
    ++size;
}

bool has_hung_up(int fd) noexcept {
  pollfd peer{.fd = fd, .events = 0, .revents = 0};
  return ::poll(&peer, 1, 0) != 0;
}

bool is_own_peer(int fd) noexcept {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

Fd make_unix_socket(int type) {
  Fd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!fd) throw system_error("cannot make a socket", {}, errno);
  return fd;
}

}  // namespace agentctl
