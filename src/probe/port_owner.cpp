#include "probe/port_owner.hpp"

#include <algorithm>

#include "base/control_group.hpp"
#include "base/error.hpp"
#include "base/listening_socket.hpp"
#include "base/system.hpp"

namespace agentctl {
namespace {

// What a process with more rights than we have (file capabilities, another user) has open cannot be seen, but in which
// group it made the socket can; what somebody else made and handed over can be seen only there. The process that has it
// open is most often the same as in the check before.
bool is_ours(const ListeningSocket& socket) {
  static pid_t last = 0;
  const std::string group = own_unit_group();
  if (socket.group != 0 && has_group_id(group, socket.group)) return true;
  std::vector<pid_t> processes = read_processes(group);
  if (const auto it = std::find(processes.begin(), processes.end(), last); it != processes.end())
    std::iter_swap(processes.begin(), it);
  const auto holder =
      std::find_if(processes.begin(), processes.end(), [&](pid_t pid) { return has_socket(pid, socket.inode); });
  if (holder == processes.end()) return false;
  last = *holder;
  return true;
}

std::string name_of(std::uint64_t inode) {
  for (const pid_t pid : socket_holders(inode)) {
    return program_name_of(pid) + " (pid " + std::to_string(pid) + ")";
  }
  return "another user's program";
}

}  // namespace

std::optional<std::string> port_stranger(const std::string& address, std::uint16_t port) {
  auto parsed = parse_ip_address(address);
  // Who connects to no address in particular comes to this host: the kernel takes loopback for it.
  if (parsed && parsed->is_any()) parsed = parse_ip_address(parsed->is_v6 ? "::1" : "127.0.0.1");
  if (!parsed || !parsed->is_loopback()) return std::nullopt;
  const std::string name = "port " + std::to_string(port);
  try {
    const std::vector<ListeningSocket> sockets = listeners_at(*parsed, port);
    if (sockets.empty()) return "nobody is seen to wait on " + name;
    for (const ListeningSocket& socket : sockets)
      if (!is_ours(socket)) return name + " is held by " + name_of(socket.inode) + ", which is not of this session";
  } catch (const Error& error) {
    return "who waits on " + name + " is not known: " + error.what();
  }
  return std::nullopt;
}

}  // namespace agentctl
