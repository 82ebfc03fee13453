#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/context.hpp"
#include "base/error.hpp"
#include "domain/ports.hpp"
#include "domain/session_view.hpp"

namespace agentctl {

/// Who waits for connections to a port.
struct PortListener {
  std::string address;             ///< "127.0.0.1"; "0.0.0.0" and "::" are all
  std::string user{};              ///< who made the socket
  std::optional<pid_t> pid{};      ///< the eldest process that has it open; nothing: not to be seen by this user
  std::string command{};           ///< its command line, for people
  std::string unit{};              ///< which it runs in
  std::optional<Session> session;  ///< whose unit that is
};

/// What is known of a port: who holds it, and who listens on it.
struct PortUse {
  std::uint16_t port = 0;
  std::optional<Session> holder;  ///< the live session that asked for it
  std::vector<PortListener> listeners{};

  bool is_free() const { return !holder && listeners.empty(); }
};

PortUse find_port_use(Context& context, std::uint16_t port);

/// What the registry has to know of this host, for a request with ports.
HostPorts host_ports(const SessionRequest& request);

/// One of its ports on which somebody listens already.
std::optional<std::uint16_t> occupied_port(const SessionRequest& request);

/// The reason of such a refusal, from the kernel alone: for who holds the registry's lock and must ask nobody
/// else.
std::string who_listens(std::uint16_t port);

/// The refusal that names who listens on the port.
Error port_is_taken(Context& context, const Record& wanted, std::uint16_t port);

/// Throws that for a port on which another than this session listens, which is to be ended for the wanted one.
void refuse_other_listeners(Context& context, const Record& wanted, const Session& holder);

}  // namespace agentctl
