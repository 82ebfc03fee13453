#include "host/journal_socket.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/unix_socket.hpp"

namespace agentctl {
namespace {

// A datagram is copied twice and held in kernel memory meanwhile; from here on a memfd, which journald maps, is
// cheaper.
constexpr std::size_t datagram_limit = 96u << 10;

std::vector<iovec> to_iovecs(std::initializer_list<std::string_view> parts) {
  std::vector<iovec> iovecs;
  for (const std::string_view part : parts)
    if (!part.empty()) iovecs.push_back({.iov_base = const_cast<char*>(part.data()), .iov_len = part.size()});
  return iovecs;
}

bool write_all(int fd, std::initializer_list<std::string_view> parts) {
  for (std::string_view part : parts) {
    while (!part.empty()) {
      const ssize_t n = ::write(fd, part.data(), part.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      part.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  return true;
}

}  // namespace

JournalResult JournalSocket::connect() {
  // Connected, because only then does POLLOUT wait for room in journald's queue and not just for room in ours.
  Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const UnixAddress address(path_);
  if (!fd || ::connect(fd.get(), address.get(), address.size) < 0) return JournalResult::absent;
  fd_ = std::move(fd);
  return JournalResult::sent;
}

JournalResult JournalSocket::send(std::initializer_list<std::string_view> parts) {
  if (!fd_ && connect() == JournalResult::absent) return JournalResult::absent;
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  JournalResult result = size > datagram_limit ? send_memfd(parts) : send_datagram(parts, -1);
  if (result != JournalResult::absent) return result;
  // The peer may be gone because systemd-journald.socket was restarted: the new one is at the same path.
  fd_.reset();
  if (connect() == JournalResult::absent) return JournalResult::absent;
  result = size > datagram_limit ? send_memfd(parts) : send_datagram(parts, -1);
  if (result == JournalResult::absent) fd_.reset();
  return result;
}

JournalResult JournalSocket::send_datagram(std::initializer_list<std::string_view> parts, int attached) {
  std::vector<iovec> iovecs = to_iovecs(parts);
  msghdr message{};
  message.msg_iov = iovecs.data();
  message.msg_iovlen = iovecs.size();
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  if (attached >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &attached, sizeof(int));
  }
  ssize_t n = -1;
  do n = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n >= 0) return JournalResult::sent;
  if (errno == EAGAIN) return JournalResult::full;
  // A small net.core.wmem_max.
  if ((errno == EMSGSIZE || errno == ENOBUFS) && attached < 0) return send_memfd(parts);
  return JournalResult::absent;
}

JournalResult JournalSocket::send_memfd(std::initializer_list<std::string_view> parts) {
  const Fd memory(::memfd_create("agentctl-output", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  if (!memory || !write_all(memory.get(), parts) || ::fcntl(memory.get(), F_ADD_SEALS, seals) < 0)
    return JournalResult::absent;
  return send_datagram({}, memory.get());
}

JournalResult JournalSocket::send_barrier() {
  if (!fd_) return JournalResult::absent;
  // poll(2) calls a socket writable again when no more than a quarter of its buffer is in use (unix_writable() in the
  // kernel). With the smallest buffer, 4,608 bytes, that is less than this message: a comment, which journald skips.
  std::array<char, 2048> comment{};
  comment.fill('#');
  comment.back() = '\n';
  const JournalResult result = send_datagram({{comment.data(), comment.size()}}, -1);
  if (result != JournalResult::sent) return result;
  const int smallest = 1;
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &smallest, sizeof smallest);
  return JournalResult::sent;
}

bool JournalSocket::is_drained() const {
  int queued = 0;
  return !fd_ || ::ioctl(fd_.get(), SIOCOUTQ, &queued) < 0 || queued == 0;
}

}  // namespace agentctl
