#pragma once

#include "http/access.hpp"
#include "http/asio.hpp"

namespace agentctl {

/// Serves a connection until it ends. Of a peer who may not come in, no request is read.
void serve_connection(Loop& loop, Socket socket, const Listening& listening, bool may_come_in);

/// What one too many is told, if there is room for it at once.
std::string too_many_connections();

}  // namespace agentctl
