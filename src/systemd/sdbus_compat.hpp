#pragma once

// The one place that knows that sdbus-c++ 1.x (Debian 12) and 2.x (Debian 13) differ. The rest of this folder uses the
// portable subset: Variant{...} and .get<T>(), std::get on Struct, brace-constructed ObjectPath, no loop threads.

#include <poll.h>
#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#if __has_include(<sdbus-c++/VTableItems.h>)
#define AGENTCTL_SDBUS_2 1
#else
#define AGENTCTL_SDBUS_2 0
#endif

namespace agentctl::sdbus_compat {

inline std::unique_ptr<sdbus::IProxy> make_proxy(sdbus::IConnection& connection, const std::string& destination,
                                                 const std::string& path) {
#if AGENTCTL_SDBUS_2
  return sdbus::createProxy(connection, sdbus::ServiceName{destination}, sdbus::ObjectPath{path});
#else
  return sdbus::createProxy(connection, destination, path);
#endif
}

inline sdbus::MethodCall method_call(sdbus::IProxy& proxy, const char* interface, const char* method) {
#if AGENTCTL_SDBUS_2
  return proxy.createMethodCall(sdbus::InterfaceName{interface}, sdbus::MethodName{method});
#else
  return proxy.createMethodCall(interface, method);
#endif
}

/// `done` is given the reply, and the error if there was one; the message is sent at once.
template <class Done>
void call_async(sdbus::IProxy& proxy, const sdbus::MethodCall& call, Done done) {
#if AGENTCTL_SDBUS_2
  proxy.callMethodAsync(call, [done](sdbus::MethodReply reply, std::optional<sdbus::Error> error) {
    done(reply, error ? &*error : nullptr);
  });
#else
  proxy.callMethod(call, [done](sdbus::MethodReply& reply, const sdbus::Error* error) { done(reply, error); });
#endif
}

/// 1.x installs signal handlers only here.
inline void finish_registration([[maybe_unused]] sdbus::IProxy& proxy) {
#if !AGENTCTL_SDBUS_2
  proxy.finishRegistration();
#endif
}

/// Handles one message; false when none is left.
inline bool process_one(sdbus::IConnection& connection) {
#if AGENTCTL_SDBUS_2
  return connection.processPendingEvent();
#else
  return connection.processPendingRequest();
#endif
}

/// What to poll: 2.x wakes its loop through a second descriptor.
inline std::vector<pollfd> poll_set(const sdbus::IConnection& connection) {
  const auto data = connection.getEventLoopPollData();
  std::vector<pollfd> set{{.fd = data.fd, .events = data.events, .revents = 0}};
#if AGENTCTL_SDBUS_2
  set.push_back({.fd = data.eventFd, .events = POLLIN, .revents = 0});
#endif
  return set;
}

inline int poll_timeout(const sdbus::IConnection& connection) {
  return connection.getEventLoopPollData().getPollTimeout();
}

inline std::string error_name(const sdbus::Error& error) { return std::string(error.getName()); }

}  // namespace agentctl::sdbus_compat
