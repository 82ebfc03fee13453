#include "http/target.hpp"

#include <algorithm>

#include "base/ascii.hpp"
#include "base/text.hpp"

namespace agentctl {
namespace {

constexpr std::size_t most_parts = 32;

std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
    decoded += c;
  }
  if (!is_valid_utf8(decoded)) return std::nullopt;
  return decoded;
}

bool parse_query(std::string_view text, RequestTarget& target) {
  while (!text.empty()) {
    std::string_view part = take_until(text, '&');
    if (part.empty()) continue;
    auto name = decode(take_until(part, '='), true);
    auto value = decode(part, true);
    if (!name || !value || target.query.size() == most_parts) return false;
    target.query.emplace_back(std::move(*name), std::move(*value));
  }
  return true;
}

}  // namespace

const std::string* RequestTarget::find(std::string_view parameter) const {
  const auto found =
      std::find_if(query.begin(), query.end(), [&](const auto& given) { return given.first == parameter; });
  return found != query.end() ? &found->second : nullptr;
}

std::optional<std::string> take_authority(std::string& target) {
  constexpr std::string_view scheme = "http://";
  if (to_lower(target.substr(0, scheme.size())) != scheme) return std::nullopt;
  const std::size_t end = std::min(target.find_first_of("/?#", scheme.size()), target.size());
  std::string authority = target.substr(scheme.size(), end - scheme.size());
  target.erase(0, end);
  if (!target.starts_with('/')) target.insert(0, "/");
  return authority;
}

std::optional<RequestTarget> parse_target(std::string_view target) {
  if (!target.starts_with('/') || target.find('#') != std::string_view::npos) return std::nullopt;
  target.remove_prefix(1);
  RequestTarget parsed;
  std::string_view path = take_until(target, '?');
  // An empty last segment stays: "/a/" is not "/a".
  for (bool more = true; more;) {
    more = path.find('/') != std::string_view::npos;
    auto segment = decode(take_until(path, '/'), false);
    if (!segment || parsed.segments.size() == most_parts) return std::nullopt;
    parsed.segments.push_back(std::move(*segment));
  }
  if (!parse_query(target, parsed)) return std::nullopt;
  return parsed;
}

}  // namespace agentctl
