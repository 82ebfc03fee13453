#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/text.hpp"
#include "domain/javascript.hpp"
#include "domain/regex.hpp"
#include "domain/request_rules.hpp"
#include "domain/service_checks.hpp"

namespace agentctl {
namespace {

constexpr double longest_timeout = 3600;
constexpr double longest_interval = 600;
constexpr std::size_t longest_command = 1000;
constexpr std::size_t longest_regex = 500;
constexpr std::size_t longest_socket_path = 107;  // sockaddr_un's, with its NUL 108
constexpr std::size_t longest_target = 64;        // an address and a port
constexpr std::string_view spaces = " \t\n\v\f\r";

std::optional<HealthKind> kind_of(std::string_view type, bool extended) {
  const auto kind = parse_health_kind(type);
  const bool is_plain = kind == HealthKind::http || kind == HealthKind::command;
  return is_plain || extended ? kind : std::nullopt;
}

// A time in seconds, more than 0 and at most `longest`. Under a microsecond it is one.
std::optional<microseconds> span_in(const Place& place, double longest) {
  const double seconds = number_in(place.value()).value_or(0);
  if (!(seconds > 0) || seconds > longest) return std::nullopt;
  return microseconds(std::max<std::int64_t>(1, std::llround(seconds * 1e6)));
}

void read_http(const SpecCheck& check, const Place& place, HealthCheck& health) {
  const auto url = given(place, "url");
  if (!url || !url->value().is_string() || url->value().get_string().empty())
    check.refuse(pointer_to(place, "url"), "healthcheck-url-missing");
  health.target = url->string();
  if (!is_http_url(health.target)) check.refuse(url->pointer(), "healthcheck-url-not-absolute");
  // Spaces and control characters are libcurl's to refuse, when the check is made.
  if (has_nul(health.target)) check.refuse(url->pointer(), "healthcheck-url-contains-nul");
  if (health.target.size() > max_argument) check.refuse(url->pointer(), "healthcheck-url-too-long");
  const auto status = given(place, "expect_status");
  if (!status) check.refuse(pointer_to(place, "expect_status"), "healthcheck-expect-status-missing");
  const double number = number_in(status->value()).value_or(0);
  if (!(number >= 100 && number <= 599) || number != std::floor(number))
    check.refuse(status->pointer(), "healthcheck-expect-status-invalid");
  health.expect_status = static_cast<int>(number);
}

std::string regex_in(const SpecCheck& check, const Place& place, std::string_view key, const std::string& what) {
  std::string pattern = text_in(check, place, key, what, longest_regex);
  try {
    Regex regex(pattern);
  } catch (const Error& error) {
    check.refuse(pointer_to(place, key), what + "-invalid (" + error.reason() + ")");
  }
  return pattern;
}

// The program that a shell would start first, as far as its quotes do not go over spaces.
std::string first_token(std::string_view command) {
  command.remove_prefix(std::min(command.find_first_not_of(spaces), command.size()));
  std::string_view token = command.substr(0, command.find_first_of(spaces));
  const auto is_quote = [](char c) { return c == '"' || c == '\''; };
  if (!token.empty() && is_quote(token.front())) token.remove_prefix(1);
  if (!token.empty() && is_quote(token.back())) token.remove_suffix(1);
  return std::string(token);
}

// What a shell would make of it, were there only words and quotes.
std::vector<std::string> words_of(std::string_view command) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = '\0';
  for (const char c : command) {
    const bool ends_word = quote == '\0' && spaces.find(c) != std::string_view::npos;
    if (ends_word || !in_word) in_word = !ends_word && (words.emplace_back(), true);
    if (ends_word) continue;
    if (quote == '\0' ? c == '"' || c == '\'' : c == quote) {
      quote = quote == '\0' ? c : '\0';
    } else {
      words.back() += c;
    }
  }
  return words;
}

// dash, which is Debian's sh, does not know the $'\n' of quote_for_shell().
std::string quote_for_sh(const std::string& word) {
  std::string quoted = quote_for_shell({word});
  if (!quoted.starts_with("$'")) return quoted;
  quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

void read_command(const SpecCheck& check, const Place& place, ServiceSpec& spec) {
  HealthCheck& health = spec.health;
  spec.health_cmd = text_in(check, place, "cmd", "healthcheck-cmd", longest_command);
  const auto shell = place.find("shell");
  if (!shell || !shell->value().is_bool()) check.refuse(pointer_to(place, "shell"), "healthcheck-shell-not-boolean");
  health.shell = shell->value().get_bool();
  health.expect_regex = regex_in(check, place, "expect_regex", "healthcheck-expect-regex");
  const std::string program = first_token(spec.health_cmd);
  if (!is_allowed_program(check.rules, program))
    check.refuse(pointer_to(place, "cmd"), "healthcheck-cmd-not-on-allowlist" + in_parentheses(program));
  spec.health_args = texts_in(check, place, "args", "healthcheck-args", "healthcheck-arg", check.rules.max_args);
  if (health.shell) {
    health.target = spec.health_cmd;
    for (const std::string& word : spec.health_args) health.target += " " + quote_for_sh(word);
    if (health.target.size() > max_argument) check.refuse(pointer_to(place, "args"), "healthcheck-args-too-long");
    return;
  }
  std::vector<std::string> words = words_of(spec.health_cmd);
  // Without a shell the program is the whole first word, which may go on where the token ended.
  if (words.empty() || !is_allowed_program(check.rules, words.front()))
    check.refuse(pointer_to(place, "cmd"),
                 "healthcheck-cmd-not-on-allowlist" + in_parentheses(words.empty() ? "" : words.front()));
  health.target = std::move(words.front());
  health.args.assign(std::make_move_iterator(words.begin() + 1), std::make_move_iterator(words.end()));
  health.args.insert(health.args.end(), spec.health_args.begin(), spec.health_args.end());
}

std::optional<int> port_number(double port) {
  if (!(port >= 1 && port <= 65535) || port != std::floor(port)) return std::nullopt;
  return static_cast<int>(port);
}

void read_tcp(const SpecCheck& check, const Place& place, HealthCheck& health) {
  const auto port = given(place, "port");
  if (!port) {
    health.target = text_in(check, place, "target", "healthcheck-target", longest_target);
    if (!parse_tcp_target(health.target))
      check.refuse(pointer_to(place, "target"), "healthcheck-target-invalid" + in_parentheses(health.target));
    return;
  }
  if (given(place, "target")) check.refuse(port->pointer(), "healthcheck-port-and-target");
  const auto number = port_number(number_in(port->value()).value_or(0));
  if (!number) check.refuse(port->pointer(), "healthcheck-port-invalid" + in_parentheses(string_of(port->value())));
  health.target = "localhost:" + std::to_string(*number);
}

void read_unix(const SpecCheck& check, const Place& place, HealthCheck& health) {
  health.target = text_in(check, place, "path", "healthcheck-path", longest_socket_path);
  if (health.target.size() > longest_socket_path) check.refuse(pointer_to(place, "path"), "healthcheck-path-too-long");
  if (!health.target.starts_with('/')) check.refuse(pointer_to(place, "path"), "healthcheck-path-not-absolute");
}

void check_known_keys(const SpecCheck& check, const Place& place, HealthKind kind) {
  switch (kind) {
    case HealthKind::http: return check_only(check, place, {"type", "timeout_s", "interval_s", "url", "expect_status"});
    case HealthKind::command:
      return check_only(check, place, {"type", "timeout_s", "interval_s", "cmd", "shell", "expect_regex", "args"});
    case HealthKind::tcp: return check_only(check, place, {"type", "timeout_s", "interval_s", "port", "target"});
    case HealthKind::unix_socket: return check_only(check, place, {"type", "timeout_s", "interval_s", "path"});
    case HealthKind::log: return check_only(check, place, {"type", "timeout_s", "interval_s", "regex"});
    case HealthKind::notify: return check_only(check, place, {"type", "timeout_s", "interval_s"});
  }
}

}  // namespace

void read_health(const SpecCheck& check, ServiceSpec& spec) {
  const auto place = given(check.place, "healthcheck");
  if (!place || !place->value().is_object())
    check.refuse(pointer_to(check.place, "healthcheck"), "healthcheck-missing");
  HealthCheck& health = spec.health;
  const auto type = place->find("type");
  const auto kind = type && type->value().is_string() ? kind_of(type->value().get_string(), check.extended)
                                                      : std::optional<HealthKind>();
  if (!kind)
    check.refuse(pointer_to(*place, "type"),
                 "healthcheck-type-invalid" + in_parentheses(type ? string_of(type->value()) : "undefined"));
  health.kind = *kind;
  const auto timeout = given(*place, "timeout_s");
  const auto longest = timeout ? span_in(*timeout, longest_timeout) : std::nullopt;
  if (!longest) check.refuse(pointer_to(*place, "timeout_s"), "healthcheck-timeout-invalid");
  health.timeout = *longest;
  if (const auto interval = given(*place, "interval_s")) {
    const auto between = span_in(*interval, longest_interval);
    if (!between) check.refuse(interval->pointer(), "healthcheck-interval-invalid");
    health.interval = *between;
  }
  switch (health.kind) {
    case HealthKind::http: read_http(check, *place, health); break;
    case HealthKind::command: read_command(check, *place, spec); break;
    case HealthKind::tcp: read_tcp(check, *place, health); break;
    case HealthKind::unix_socket: read_unix(check, *place, health); break;
    case HealthKind::log: health.target = regex_in(check, *place, "regex", "healthcheck-regex"); break;
    case HealthKind::notify: break;
  }
  if (check.extended) check_known_keys(check, *place, health.kind);
}

}  // namespace agentctl
