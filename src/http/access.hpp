#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace agentctl {

/// The address that connections come in at, as far as it decides who may ask.
struct Listening {
  bool unix_socket = true;
  std::string address{};  ///< else: literal, IPv6 without brackets
  std::uint16_t port = 0;
};

/// Whether a Host header is one that only a client meaning this server can send. A name that somebody else's DNS points
/// here (rebinding) is none: accepted are localhost and the literal address, with the port; where all addresses are
/// listened to, any literal. Behind a Unix socket stands at most a forwarded port, whose number is not known here.
bool is_own_host(const Listening& listening, std::string_view host);

/// Whether an Origin header is of a page that this server itself has given under that Host.
bool is_own_origin(std::string_view host, std::string_view origin);

/// Whether a Sec-Fetch-Site header is of no page, of this server's own one or of the user's typing: where an image or a
/// script of somebody else's page asks, there is no Origin.
bool is_own_fetch(std::string_view site);

/// The token of "Bearer TOKEN"; empty when it is none.
std::string_view bearer_token(std::string_view authorization);

/// Whether they are equal, in a time that tells nothing of where they differ.
bool equal_secrets(std::string_view a, std::string_view b);

/// "127.0.0.1:7331" or "[::1]:7331"; throws Error{usage}.
Listening parse_listening(const std::string& text);

bool is_loopback(const Listening& listening);

}  // namespace agentctl
