#include "host/notifier.hpp"

#include <cerrno>

#include "base/error.hpp"
#include "base/unix_socket.hpp"

namespace agentctl {

namespace {

std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line)
    if (c == '\n') c = ' ';
  return line;
}

}  // namespace

void Notifier::ready(std::string_view status) const { send("READY=1\nSTATUS=" + one_line(status)); }

void Notifier::status(std::string_view status) const { send("STATUS=" + one_line(status)); }

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
