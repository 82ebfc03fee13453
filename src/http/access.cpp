#include "http/access.hpp"

#include <algorithm>
#include <optional>

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "base/ip_address.hpp"
#include "base/text.hpp"

namespace agentctl {
namespace {

struct Authority {
  std::string name;  ///< lower case; an IPv6 address without brackets
  std::optional<std::uint16_t> port;
};

std::optional<Authority> parse_authority(std::string_view text) {
  Authority authority;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    authority.name = to_lower(text.substr(1, end - 1));
    rest = text.substr(end + 1);
  } else {
    const std::size_t end = std::min(text.find(':'), text.size());
    authority.name = to_lower(text.substr(0, end));
    rest = text.substr(end);
  }
  if (authority.name.empty()) return std::nullopt;
  if (rest.empty()) return authority;
  const auto port = parse_decimal(rest.substr(1));
  if (!rest.starts_with(':') || !port || *port < 1 || *port > 65535) return std::nullopt;
  authority.port = static_cast<std::uint16_t>(*port);
  return authority;
}

bool is_loopback_address(const std::string& text) {
  const auto address = parse_ip_address(text);
  return address && address->is_loopback();
}

}  // namespace

bool is_own_host(const Listening& listening, std::string_view host) {
  const auto authority = parse_authority(host);
  if (!authority) return false;
  const bool is_local = authority->name == "localhost" || is_loopback_address(authority->name);
  if (listening.unix_socket) return is_local;
  if (authority->port.value_or(80) != listening.port) return false;
  if (authority->name == "localhost") return true;
  const auto wanted = parse_ip_address(authority->name);
  const auto own = parse_ip_address(listening.address);
  return wanted && own && (own->is_any() || *wanted == *own);
}

bool is_own_origin(std::string_view host, std::string_view origin) {
  return to_lower(origin) == "http://" + to_lower(host);
}

bool is_own_fetch(std::string_view site) { return site.empty() || site == "same-origin" || site == "none"; }

std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer ";
  if (to_lower(authorization.substr(0, scheme.size())) != scheme) return {};
  return authorization.substr(scheme.size());
}

bool equal_secrets(std::string_view a, std::string_view b) {
  unsigned different = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i)
    different |= static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^
                                       static_cast<unsigned char>(b.empty() ? 0 : b[i % b.size()]));
  return different == 0;
}

Listening parse_listening(const std::string& text) {
  const auto authority = parse_authority(text);
  if (!authority || !authority->port || !parse_ip_address(authority->name))
    throw Error({.code = ErrorCode::usage,
                 .context = "invalid",
                 .object = "--listen",
                 .reason = "'" + to_printable(text) + "' is not ADDRESS:PORT",
                 .hint = "agentctl serve --listen 127.0.0.1:7331"});
  return {.unix_socket = false, .address = authority->name, .port = *authority->port};
}

bool is_loopback(const Listening& listening) { return listening.unix_socket || is_loopback_address(listening.address); }

}  // namespace agentctl
