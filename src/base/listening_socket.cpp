#include "base/listening_socket.hpp"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

namespace agentctl {
namespace {

struct Request {
  nlmsghdr header{};
  inet_diag_req_v2 body{};
};

Error cannot_list(int error_number) { return system_error("cannot list", "listening sockets", error_number); }

// The kernel gives those of all addresses of the family, and of this port only.
Fd request_listeners(unsigned char family, std::uint16_t port) {
  Fd fd(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!fd) throw cannot_list(errno);
  Request request;
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.sdiag_family = family;
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = 1U << TCP_LISTEN;
  request.body.id.idiag_sport = htons(port);
  if (::send(fd.get(), &request, sizeof request, 0) < 0) throw cannot_list(errno);
  return fd;
}

// Takes a structure of the kernel's from the front of `bytes`, and what pads it.
template <class Struct>
Struct take(std::string_view& bytes) {
  if (bytes.size() < sizeof(Struct)) throw cannot_list(EBADMSG);
  Struct taken;
  std::memcpy(&taken, bytes.data(), sizeof taken);
  bytes.remove_prefix(std::min<std::size_t>(bytes.size(), NLMSG_ALIGN(sizeof taken)));
  return taken;
}

// Takes what follows a header that says how long both are.
std::string_view take_payload(std::string_view& bytes, std::size_t header, std::size_t both) {
  if (both < header || both - header > bytes.size()) throw cannot_list(EBADMSG);
  const std::string_view payload = bytes.substr(0, both - header);
  bytes.remove_prefix(std::min<std::size_t>(bytes.size(), NLMSG_ALIGN(payload.size())));
  return payload;
}

ListeningSocket parse_socket(std::string_view body) {
  const auto message = take<inet_diag_msg>(body);
  ListeningSocket socket;
  socket.address.is_v6 = message.idiag_family == AF_INET6;
  // Not unmapped(): a socket of IPv6 that is bound to ::ffff:127.0.0.1 is told from one of IPv4.
  std::memcpy(socket.address.bytes.data(), message.id.idiag_src, socket.address.is_v6 ? 16 : 4);
  socket.port = ntohs(message.id.idiag_sport);
  socket.inode = message.idiag_inode;
  socket.uid = message.idiag_uid;
  while (body.size() >= sizeof(rtattr)) {
    const auto attribute = take<rtattr>(body);
    const std::string_view value = take_payload(body, sizeof attribute, attribute.rta_len);
    if (attribute.rta_type == INET_DIAG_SKV6ONLY && !value.empty()) socket.is_v6_only = value.front() != 0;
    if (attribute.rta_type == INET_DIAG_CGROUP_ID && value.size() == sizeof socket.group)
      std::memcpy(&socket.group, value.data(), sizeof socket.group);
  }
  return socket;
}

// False when this was the last of them.
bool parse_replies(std::string_view datagram, std::vector<ListeningSocket>& sockets) {
  while (!datagram.empty()) {
    const auto header = take<nlmsghdr>(datagram);
    std::string_view body = take_payload(datagram, sizeof header, header.nlmsg_len);
    if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) {
      // Both begin with 0 or a negative error number; ENOENT is a kernel without tcp_diag.
      if (const int error = take<int>(body); error != 0) throw cannot_list(-error);
      return false;
    }
    if (header.nlmsg_type == SOCK_DIAG_BY_FAMILY) sockets.push_back(parse_socket(body));
  }
  return true;
}

void list_family(unsigned char family, std::uint16_t port, std::vector<ListeningSocket>& sockets) {
  const Fd fd = request_listeners(family, port);
  // The kernel's own buffer for a dump is not longer.
  std::array<char, 32768> datagram{};
  for (bool has_more = true; has_more;) {
    const ssize_t n = ::recv(fd.get(), datagram.data(), datagram.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw cannot_list(errno);
    has_more = parse_replies({datagram.data(), static_cast<std::size_t>(n)}, sockets);
  }
}

// How closely a socket's address is the one that is connected to; 0: not at all. As the kernel's lookup scores them.
int closeness(const ListeningSocket& socket, const IpAddress& to) {
  const IpAddress& own = socket.address;
  if (own == to) return 4;
  if (own.is_v6 && !to.is_v6 && own.unmapped() == to) return 3;
  if (own.is_any() && own.is_v6 == to.is_v6) return 2;
  return own.is_any() && own.is_v6 && !socket.is_v6_only ? 1 : 0;
}

bool links_to(const std::string& path, const std::string& target) {
  std::array<char, PATH_MAX> link{};
  const ssize_t n = ::readlink(path.c_str(), link.data(), link.size());
  return n > 0 && std::string_view(link.data(), static_cast<std::size_t>(n)) == target;
}

template <class Address>
int bind_error(int family, const Address& address) {
  const Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno;
  const int both = 0;
  if (family == AF_INET6 && ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &both, sizeof both) < 0) return errno;
  return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ? errno : 0;
}

}  // namespace

std::vector<ListeningSocket> listeners(std::uint16_t port) {
  std::vector<ListeningSocket> sockets;
  list_family(AF_INET, port, sockets);
  list_family(AF_INET6, port, sockets);
  return sockets;
}

std::vector<ListeningSocket> reached_by(const std::vector<ListeningSocket>& sockets, const IpAddress& to) {
  const IpAddress target = to.unmapped();
  int best = 1;
  for (const ListeningSocket& socket : sockets) best = std::max(best, closeness(socket, target));
  std::vector<ListeningSocket> reached;
  for (const ListeningSocket& socket : sockets)
    if (closeness(socket, target) == best) reached.push_back(socket);
  return reached;
}

std::vector<ListeningSocket> listeners_at(const IpAddress& to, std::uint16_t port) {
  return reached_by(listeners(port), to);
}

bool has_socket(pid_t pid, std::uint64_t inode) {
  const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
  const std::string target = "socket:[" + std::to_string(inode) + "]";
  try {
    for (const std::string& fd : list_directory(folder))
      if (links_to(folder + "/" + fd, target)) return true;
  } catch (const Error&) {
    // Another user's process, or one that is just ending.
  }
  return false;
}

std::vector<pid_t> socket_holders(std::uint64_t inode) {
  std::vector<pid_t> holders;
  for (const std::string& name : list_directory("/proc"))
    if (const auto pid = parse_decimal(name); pid && has_socket(static_cast<pid_t>(*pid), inode))
      holders.push_back(static_cast<pid_t>(*pid));
  return holders;
}

bool can_be_bound(std::uint16_t port) {
  sockaddr_in6 all{};
  all.sin6_family = AF_INET6;
  all.sin6_port = htons(port);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  const int failed = bind_error(AF_INET6, all);
  // Without IPv6.
  if (failed == EAFNOSUPPORT || failed == EADDRNOTAVAIL) return bind_error(AF_INET, v4) == 0;
  return failed == 0;
}

}  // namespace agentctl
