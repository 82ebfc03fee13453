#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace agentctl {

/// Where a request goes, in origin form: "/api/sessions/web?all=1".
struct RequestTarget {
  std::vector<std::string> segments{};                       ///< of the path, decoded: {"api", "sessions", "web"}
  std::vector<std::pair<std::string, std::string>> query{};  ///< decoded, in their order
  const std::string* find(std::string_view parameter) const;
};

/// Takes "http://HOST" off a target in absolute form, which a proxy is sent and every server has to accept (RFC 9112,
/// 3.2.2), so that it is in origin form. Returns the HOST, which is what counts then instead of the Host header.
std::optional<std::string> take_authority(std::string& target);

/// Nothing for what has another form, an escape that is none, a control character or bytes that are no UTF-8, and for
/// more than 32 segments or parameters.
std::optional<RequestTarget> parse_target(std::string_view target);

}  // namespace agentctl
