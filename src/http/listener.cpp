#include "http/listener.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

#include "base/error.hpp"
#include "base/unix_socket.hpp"

namespace agentctl {
namespace {

using AddressList = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

std::string name_of(const Listening& address) {
  const bool v6 = address.address.find(':') != std::string::npos;
  return (v6 ? "[" + address.address + "]" : address.address) + ":" + std::to_string(address.port);
}

bool somebody_listens(const UnixAddress& address) {
  const Fd probe = make_unix_socket(SOCK_STREAM | SOCK_NONBLOCK);
  return ::connect(probe.get(), address.get(), address.size) == 0 || errno == EAGAIN;
}

Error in_use(const std::string& name, std::string hint = {}) {
  return Error({.code = ErrorCode::conflict,
                .context = "cannot listen on",
                .object = name,
                .reason = "another process listens there",
                .hint = std::move(hint)});
}

}  // namespace

Fd listen_at(const std::string& path) {
  const UnixAddress address(path);
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) {
    if (somebody_listens(address)) throw in_use(path);
    ::unlink(path.c_str());
  }
  Fd socket = make_unix_socket(SOCK_STREAM | SOCK_NONBLOCK);
  // Nobody can connect before listen(2), so there is no moment with another mode.
  if (::bind(socket.get(), address.get(), address.size) < 0 || ::chmod(path.c_str(), 0600) < 0 ||
      ::listen(socket.get(), SOMAXCONN) < 0)
    throw system_error("cannot listen on", path, errno);
  return socket;
}

Fd listen_on(const Listening& address) {
  const std::string name = name_of(address);
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address.port);
  if (::getaddrinfo(address.address.c_str(), port.c_str(), &hints, &found) != 0)
    throw system_error("cannot listen on", name, EADDRNOTAVAIL);
  const AddressList list(found, ::freeaddrinfo);
  Fd socket(::socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) throw system_error("cannot listen on", name, errno);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), list->ai_addr, list->ai_addrlen) < 0 || ::listen(socket.get(), SOMAXCONN) < 0) {
    if (errno == EADDRINUSE) throw in_use(name, "agentctl port " + port);
    throw system_error("cannot listen on", name, errno);
  }
  return socket;
}

Listening listening_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) < 0)
    throw system_error("cannot use the socket", "of systemd", errno);
  if (address.ss_family == AF_UNIX) return {};
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (::getnameinfo(reinterpret_cast<sockaddr*>(&address), size, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    throw system_error("cannot use the socket", "of systemd", EAFNOSUPPORT);
  return {.unix_socket = false, .address = host.data(), .port = static_cast<std::uint16_t>(std::stoi(port.data()))};
}

}  // namespace agentctl
