#include "base/listen_fds.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "base/text.hpp"

namespace agentctl {
namespace {

constexpr int first_fd = 3;
constexpr std::int64_t most = 16;

std::optional<std::int64_t> take_number(const char* variable) {
  const char* text = std::getenv(variable);
  const auto number = text != nullptr ? parse_decimal(text) : std::nullopt;
  ::unsetenv(variable);
  return number;
}

bool is_listening(int fd) {
  int listening = 0;
  socklen_t size = sizeof listening;
  return ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

}  // namespace

std::vector<Fd> take_listen_fds() {
  const auto pid = take_number("LISTEN_PID");
  const auto count = take_number("LISTEN_FDS");
  ::unsetenv("LISTEN_FDNAMES");
  std::vector<Fd> sockets;
  if (!pid || *pid != ::getpid() || !count || *count > most) return sockets;
  for (int fd = first_fd; fd < first_fd + *count; ++fd) {
    if (!is_listening(fd)) continue;
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    sockets.emplace_back(fd);
  }
  return sockets;
}

}  // namespace agentctl
