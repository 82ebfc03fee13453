#include "app/ports.hpp"

#include <algorithm>
#include <random>

#include "app/sessions.hpp"
#include "base/listening_socket.hpp"
#include "base/process.hpp"
#include "base/system.hpp"
#include "base/text.hpp"
#include "base/user.hpp"

namespace agentctl {
namespace {

constexpr std::size_t proc_limit = 4096;
constexpr std::size_t shown_command = 60;

// The last part of a control group's path that is named as a unit: a unit may have groups of its own below.
std::string unit_of_group(std::string_view group) {
  while (!group.empty()) {
    const auto slash = group.rfind('/');
    const std::string_view name = group.substr(slash == std::string_view::npos ? 0 : slash + 1);
    if (name.ends_with(".service") || name.ends_with(".scope")) return std::string(name);
    group = slash == std::string_view::npos ? std::string_view() : group.substr(0, slash);
  }
  return {};
}

bool is_in_group(std::string_view group, const std::string& of) {
  return group == of || (group.starts_with(of) && group.substr(of.size()).starts_with('/'));
}

// By the control group, not the unit's name: another user's manager may have a unit of that name.
std::optional<Session> session_of(Context& context, const std::string& group, const std::string& unit,
                                  const std::vector<Session>& sessions) {
  for (const Session& session : sessions)
    if (session.record.unit == unit && is_in_group(group, control_group_of(context, session))) return session;
  return std::nullopt;
}

// A server's workers have the socket of their parent.
std::optional<Process> eldest_holder(std::uint64_t inode) {
  std::optional<Process> eldest;
  for (const pid_t pid : socket_holders(inode)) {
    auto process = find_process(pid);
    if (process && (!eldest || process->started_at < eldest->started_at)) eldest = std::move(process);
  }
  return eldest;
}

PortListener listener_of(Context& context, const ListeningSocket& socket, const std::vector<Session>& sessions) {
  PortListener listener{.address = to_string(socket.address), .session = {}};
  listener.user = user_name(socket.uid);
  const auto process = eldest_holder(socket.inode);
  if (!process) return listener;
  listener.pid = process->pid;
  listener.command = shorten(quote_for_shell(process->command), shown_command);
  listener.unit = unit_of_group(process->control_group);
  listener.session = session_of(context, process->control_group, listener.unit, sessions);
  return listener;
}

std::string in_words(const PortListener& listener) {
  if (listener.session) return "session '" + listener.session->record.request.name + "', which did not ask for it";
  if (!listener.pid) return "a process of " + listener.user;
  return "'" + listener.command + "' (pid " + std::to_string(*listener.pid) + ", " + listener.user + ")";
}

std::string refusal(std::uint16_t port, const PortListener* listener) {
  return "port " + std::to_string(port) + " is in use" + (listener == nullptr ? "" : " by " + in_words(*listener));
}

}  // namespace

PortUse find_port_use(Context& context, std::uint16_t port) {
  PortUse use{.port = port, .holder = {}};
  const std::vector<Session> sessions = list_sessions(context, {});
  for (const Session& session : sessions) {
    const auto& ports = session.record.request.ports;
    if (std::find(ports.begin(), ports.end(), port) != ports.end()) use.holder = session;
  }
  for (const ListeningSocket& socket : listeners(port)) use.listeners.push_back(listener_of(context, socket, sessions));
  return use;
}

HostPorts host_ports(const SessionRequest& request) {
  HostPorts ports{.is_listened_on = [](std::uint16_t port) { return !listeners(port).empty(); },
                  .can_be_bound = can_be_bound,
                  .automatic = {}};
  if (has_automatic_port(request))
    ports.automatic =
        automatic_ports(read_proc("/proc/sys/net/ipv4/ip_local_port_range", proc_limit),
                        read_proc("/proc/sys/net/ipv4/ip_local_reserved_ports", proc_limit), std::random_device()());
  return ports;
}

std::optional<std::uint16_t> occupied_port(const SessionRequest& request) {
  for (const std::uint16_t port : request.ports)
    if (port != automatic_port && !listeners(port).empty()) return port;
  return std::nullopt;
}

std::string who_listens(std::uint16_t port) {
  const std::string taken = refusal(port, nullptr);
  const std::vector<ListeningSocket> sockets = listeners(port);
  if (sockets.empty()) return taken;
  const auto process = eldest_holder(sockets.front().inode);
  if (!process) return taken + " by a process of user " + std::to_string(sockets.front().uid);
  return taken + " by '" + shorten(quote_for_shell(process->command), shown_command) + "' (pid " +
         std::to_string(process->pid) + ")";
}

Error port_is_taken(Context& context, const Record& wanted, std::uint16_t port) {
  const PortUse use = find_port_use(context, port);
  return Error({.code = ErrorCode::conflict,
                .context = "cannot start session",
                .object = wanted.request.name,
                .reason = refusal(port, use.listeners.empty() ? nullptr : &use.listeners.front()),
                .hint = "agentctl port " + std::to_string(port)});
}

void refuse_other_listeners(Context& context, const Record& wanted, const Session& holder) {
  for (const std::uint16_t port : wanted.request.ports) {
    if (port == automatic_port) continue;
    for (const PortListener& listener : find_port_use(context, port).listeners)
      if (!listener.session || listener.session->record.id != holder.record.id)
        throw port_is_taken(context, wanted, port);
  }
}

}  // namespace agentctl
