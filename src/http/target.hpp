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

/// Nothing for what has another form, an escape that is none, a control character or bytes that are no UTF-8, and for
/// more than 32 segments or parameters.
std::optional<RequestTarget> parse_target(std::string_view target);

}  // namespace agentctl
