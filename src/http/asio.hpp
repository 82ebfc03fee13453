#pragma once

#include <boost/asio.hpp>
#include <functional>
#include <list>
#include <string>

#include "http/routes.hpp"

// The event loop and what hangs on it. Included by files of this folder only, and by none that has a test without it.

namespace agentctl {

namespace asio = boost::asio;
using Socket = asio::generic::stream_protocol::socket;  // of either family
using Descriptor = asio::posix::stream_descriptor;
using Failure = boost::system::error_code;

class EventHub;

/// What closes each connection that has no request now, or not all of one, the one that has had the longest time first.
using WaitingConnections = std::list<std::function<void()>>;

/// What all connections of a server share. Everything runs in one thread.
struct Loop {
  Backend backend{};
  std::string token{};  ///< asked for on TCP
  EventHub* events = nullptr;
  std::size_t connections = 0;
  WaitingConnections waiting{};
  std::size_t streams = 0;
  std::size_t children = 0;
  std::function<void()> when_less{};  ///< called when one of these has ended
  asio::io_context io{1};  ///< the last, so the first to go: its handlers hold connections, which use the rest
};

inline constexpr std::size_t most_connections = 2000;  ///< then those that wait give way
inline constexpr std::size_t most_streams = 64;
inline constexpr std::size_t most_children = 32;  ///< beside those of streams

}  // namespace agentctl
