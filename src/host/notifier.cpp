#include "host/notifier.hpp"

#include <cerrno>

#include "base/error.hpp"
#include "base/unix_socket.hpp"

namespace agentctl {

void Notifier::ready(std::string_view status) const {
  std::string line(status);
  for (char& c : line)
    if (c == '\n') c = ' ';
  send("READY=1\nSTATUS=" + line);
}

bool Notifier::extend_timeout(microseconds span) const {
  return send("EXTEND_TIMEOUT_USEC=" + std::to_string(span.count()));
}

bool Notifier::send(std::string_view state) const {
  if (socket_.empty()) return false;
  try {
    const UnixAddress address(socket_);
    // It blocks while the manager's queue is full: what it says is not to be lost, and the manager does get to it.
    const Fd fd = make_unix_socket(SOCK_DGRAM);
    ssize_t n = -1;
    do n = ::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL, address.get(), address.size);
    while (n < 0 && errno == EINTR);
    return n >= 0;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace agentctl
