#include "domain/health.hpp"

#include <algorithm>
#include <array>

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "base/ip_address.hpp"
#include "base/text.hpp"
#include "domain/regex.hpp"
#include "domain/request_rules.hpp"

namespace agentctl {
namespace {

constexpr std::array<const char*, 6> kind_names{"http", "command", "tcp", "unix", "log", "notify"};
constexpr std::array<const char*, 3> unhealthy_names{"report", "restart", "stop"};

template <class Value, std::size_t N>
std::optional<Value> find_name(const std::array<const char*, N>& names, std::string_view text) {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (text == names[i]) return static_cast<Value>(i);
  return std::nullopt;
}

[[noreturn]] void refuse(const char* option, const std::string& reason, const std::string& hint) {
  throw Error({.code = ErrorCode::usage, .context = "invalid", .object = option, .reason = reason, .hint = hint});
}

struct Prefix {
  std::string_view text;
  HealthKind kind;
};
constexpr std::array<Prefix, 4> prefixes{{{"tcp:", HealthKind::tcp},
                                          {"unix:", HealthKind::unix_socket},
                                          {"cmd:", HealthKind::command},
                                          {"log:", HealthKind::log}}};

void require_regex(const char* option, const std::string& expression) {
  try {
    const Regex regex(expression);
  } catch (const Error& error) {
    refuse(option, error.reason(), "a regular expression as in JavaScript, for example 'ready|listening on'");
  }
}

}  // namespace

bool is_http_url(std::string_view text) {
  const std::string scheme = to_lower(text.substr(0, 8));
  return scheme.starts_with("http://") || scheme.starts_with("https://");
}

const char* to_string(HealthKind kind) noexcept { return kind_names[static_cast<std::size_t>(kind)]; }

std::optional<HealthKind> parse_health_kind(std::string_view text) { return find_name<HealthKind>(kind_names, text); }

const char* to_string(WhenUnhealthy what) noexcept { return unhealthy_names[static_cast<std::size_t>(what)]; }

std::optional<WhenUnhealthy> parse_when_unhealthy(std::string_view text) {
  return find_name<WhenUnhealthy>(unhealthy_names, text);
}

HealthCheck parse_ready(const std::string& text) {
  HealthCheck check;
  if (text == "notify") return check;
  check.target = text;
  if (is_http_url(text)) {
    check.kind = HealthKind::http;
    return check;
  }
  for (const Prefix& prefix : prefixes) {
    if (!text.starts_with(prefix.text)) continue;
    check.kind = prefix.kind;
    check.target = text.substr(prefix.text.size());
    return check;
  }
  refuse("--ready", "'" + to_printable(text) + "' is none of http://… tcp:PORT unix:PATH cmd:COMMAND log:RE notify",
         "--ready tcp:3000");
}

std::string to_text(const HealthCheck& check) {
  for (const Prefix& prefix : prefixes)
    if (prefix.kind == check.kind) return std::string(prefix.text) + check.target;
  return check.kind == HealthKind::notify ? "notify" : check.target;
}

std::optional<TcpTarget> parse_tcp_target(std::string_view text) {
  const auto colon = text.rfind(':');
  const std::string_view digits = colon == std::string_view::npos ? text : text.substr(colon + 1);
  std::string host(colon == std::string_view::npos ? "localhost" : text.substr(0, colon));
  const bool in_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (in_brackets) host = host.substr(1, host.size() - 2);
  // "::1:80" could be an address alone.
  if (!in_brackets && host.find(':') != std::string::npos) return std::nullopt;
  const auto port = parse_decimal(digits);
  if (!port || *port < 1 || *port > 65535) return std::nullopt;
  TcpTarget target{.addresses = {host}, .port = static_cast<std::uint16_t>(*port)};
  if (host == "localhost") {
    target.addresses = {"127.0.0.1", "::1"};
  } else if (!parse_ip_address(host)) {
    return std::nullopt;
  }
  return target;
}

microseconds later_interval(const HealthCheck& check) { return check.interval.value_or(std::chrono::seconds(30)); }

microseconds longest_silence(const HealthCheck& check) {
  if (check.kind == HealthKind::log || check.kind == HealthKind::notify) return forever;
  return 3 * (later_interval(check) + check_limit(check));
}

microseconds check_limit(const HealthCheck& check) {
  return std::clamp<microseconds>(check.timeout, std::chrono::milliseconds(500), std::chrono::seconds(5));
}

void check_health(const HealthCheck& check) {
  if (check.target.size() > max_argument || check.target.find('\0') != std::string::npos)
    refuse("--ready", "must be at most " + std::to_string(max_argument) + " bytes", "--ready cmd:SCRIPT");
  if (check.target.empty() && check.kind != HealthKind::notify)
    refuse("--ready", std::string("'") + to_string(check.kind) + "' needs something to look at", "--ready tcp:3000");
  if (check.kind == HealthKind::tcp && !parse_tcp_target(check.target))
    refuse("--ready", "'" + to_printable(check.target) + "' is not PORT or HOST:PORT with an IP address or localhost",
           "--ready tcp:3000");
  if (check.kind == HealthKind::unix_socket && (!check.target.starts_with('/') || check.target.size() > 107))
    refuse("--ready", "a socket's path must be absolute and have at most 107 bytes", "--ready unix:/run/web.sock");
  if (check.kind == HealthKind::log) require_regex("--ready", check.target);
  if (!check.expect_regex.empty()) require_regex("expect_regex", check.expect_regex);
  constexpr microseconds longest = std::chrono::hours(24);
  if (check.timeout <= microseconds(0) || check.timeout > longest)
    refuse("--ready-timeout", "must be longer than 0 and at most 1d", "--ready-timeout 1min");
  if (check.interval && (*check.interval < std::chrono::milliseconds(100) || *check.interval > longest))
    refuse("--ready-interval", "must be from 100ms to 1d", "--ready-interval 1s");
}

}  // namespace agentctl
