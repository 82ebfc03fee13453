#include "probe/port_owner.hpp"

#include <algorithm>
#include <chrono>

#include "base/control_group.hpp"
#include "base/listening_socket.hpp"
#include "base/system.hpp"

namespace agentctl {
namespace {

bool is_loopback(const IpAddress& address) {
  if (!address.is_v6) return address.bytes[0] == 127;
  return address.bytes.back() == 1 && std::count(address.bytes.begin(), address.bytes.end(), 0) == 15;
}

using std::chrono::steady_clock;

/// A listening socket that was found to be ours. As long as the process has it open nobody else gets the port, but for
/// a more exact address; the kernel's table, which takes milliseconds to read, need not be asked at each check.
struct OwnSocket {
  pid_t pid = 0;
  std::uint64_t inode = 0;
  std::string address{};
  std::uint16_t port = 0;
  steady_clock::time_point until{};  ///< then the table is asked again

  bool holds(const std::string& at, std::uint16_t number) const {
    return pid != 0 && port == number && address == at && steady_clock::now() < until && has_socket(pid, inode);
  }
};

constexpr std::chrono::seconds longest_trust{30};

// 0: none of ours.
pid_t own_holder(std::uint64_t inode) {
  for (const pid_t pid : read_processes(own_unit_group()))
    if (has_socket(pid, inode)) return pid;
  return 0;
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
  static OwnSocket known;
  const auto parsed = parse_ip_address(address);
  if (!parsed || !is_loopback(*parsed) || known.holds(address, port)) return std::nullopt;
  const std::vector<ListeningSocket> sockets = listeners_at(*parsed, port);
  const std::string name = "port " + std::to_string(port);
  if (sockets.empty()) return "nobody is seen to wait on " + name;
  for (const ListeningSocket& socket : sockets) {
    const pid_t holder = own_holder(socket.inode);
    if (holder == 0) return name + " is held by " + name_of(socket.inode) + ", which is not of this session";
    known = {.pid = holder,
             .inode = socket.inode,
             .address = address,
             .port = port,
             .until = steady_clock::now() + longest_trust};
  }
  return std::nullopt;
}

}  // namespace agentctl
