#include "probe/socket_check.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>

#include "base/error.hpp"
#include "base/ip_address.hpp"
#include "base/unix_socket.hpp"
#include "probe/port_owner.hpp"

namespace agentctl {
namespace {

std::string reason_of(int error) { return std::generic_category().message(error); }

// 0, or the error number; ETIMEDOUT when nothing answers in time.
int connect_within(const Fd& socket, const sockaddr* address, socklen_t size, microseconds limit) {
  if (::connect(socket.get(), address, size) == 0) return 0;
  // A unix socket whose queue is full says EAGAIN, and goes on to.
  if (errno != EINPROGRESS) return errno;
  const auto until = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return ETIMEDOUT;
    pollfd waited{.fd = socket.get(), .events = POLLOUT, .revents = 0};
    const int ready = ::poll(&waited, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return ready < 0 ? errno : ETIMEDOUT;
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
  }
}

struct InternetAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

InternetAddress internet_address(const IpAddress& ip, std::uint16_t port) {
  InternetAddress address;
  if (ip.is_v6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    std::memcpy(&v6->sin6_addr, ip.bytes.data(), sizeof v6->sin6_addr);
    address.size = sizeof *v6;
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    std::memcpy(&v4->sin_addr, ip.bytes.data(), sizeof v4->sin_addr);
    address.size = sizeof *v4;
  }
  return address;
}

std::string connect_error(const std::string& address, std::uint16_t port, microseconds limit) {
  const auto parsed = parse_ip_address(address);
  if (!parsed) return "'" + address + "' is no address";
  const InternetAddress peer = internet_address(*parsed, port);
  const Fd socket(::socket(peer.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return "cannot make a socket: " + reason_of(errno);
  const int error = connect_within(socket, reinterpret_cast<const sockaddr*>(&peer.storage), peer.size, limit);
  if (error == 0) return port_stranger(address, port).value_or("");
  const std::string where =
      (address.find(':') == std::string::npos ? address : "[" + address + "]") + ":" + std::to_string(port);
  return "cannot connect to " + where + ": " + (error == ETIMEDOUT ? "no answer" : reason_of(error));
}

}  // namespace

CheckResult check_tcp(const TcpTarget& target, microseconds limit) {
  CheckResult result;
  for (const std::string& address : target.addresses) {
    std::string error = connect_error(address, target.port, limit / static_cast<int>(target.addresses.size()));
    if (error.empty()) return {};
    if (result.error.empty()) result.error = std::move(error);
  }
  return result;
}

CheckResult check_unix_socket(const std::string& path, microseconds limit) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) < 0)
    return {.error = "cannot look at " + path + ": " + reason_of(errno), .is_forged = false};
  if (!S_ISSOCK(status.st_mode))
    return {.error = path + (S_ISLNK(status.st_mode) ? " is a symbolic link" : " is not a socket"), .is_forged = true};
  try {
    const UnixAddress address(path);
    const Fd socket = make_unix_socket(SOCK_STREAM | SOCK_NONBLOCK);
    constexpr microseconds answer_limit = std::chrono::milliseconds(300);
    const int error = connect_within(socket, address.get(), address.size, std::min(limit, answer_limit));
    if (error == 0) return {};
    const bool is_dead = error == ECONNREFUSED || error == ENOENT;
    return {.error = path + (is_dead ? " is dead: " : " does not tell: ") + reason_of(error), .is_forged = false};
  } catch (const Error& error) {
    return {.error = error.what(), .is_forged = false};
  }
}

}  // namespace agentctl
