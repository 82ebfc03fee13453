#include "probe/port_owner.hpp"

#include <algorithm>

#include "base/control_group.hpp"
#include "base/listening_socket.hpp"
#include "base/system.hpp"

namespace agentctl {
namespace {

bool is_loopback(const IpAddress& address) {
  if (!address.is_v6) return address.bytes[0] == 127;
  return address.bytes.back() == 1 && std::count(address.bytes.begin(), address.bytes.end(), 0) == 15;
}

// Between two checks the listening socket is nearly always the same, and whose it is need not be found out again.
bool is_ours(std::uint64_t inode) {
  static std::uint64_t known = 0;
  if (inode == known) return true;
  for (const pid_t pid : read_processes(own_unit_group())) {
    if (!has_socket(pid, inode)) continue;
    known = inode;
    return true;
  }
  return false;
}

std::string name_of(std::uint64_t inode) {
  for (const pid_t pid : socket_holders(inode)) {
    std::string name = read_proc("/proc/" + std::to_string(pid) + "/comm", 64);
    if (name.ends_with('\n')) name.pop_back();
    return name + " (pid " + std::to_string(pid) + ")";
  }
  return "another user's program";
}

}  // namespace

std::optional<std::string> port_stranger(const std::string& address, std::uint16_t port) {
  const auto parsed = parse_ip_address(address);
  if (!parsed || !is_loopback(*parsed)) return std::nullopt;
  const std::vector<ListeningSocket> sockets = listeners_at(*parsed, port);
  const std::string name = "port " + std::to_string(port);
  if (sockets.empty()) return "nobody is seen to wait on " + name;
  for (const ListeningSocket& socket : sockets)
    if (!is_ours(socket.inode)) return name + " is held by " + name_of(socket.inode) + ", which is not of this session";
  return std::nullopt;
}

}  // namespace agentctl
