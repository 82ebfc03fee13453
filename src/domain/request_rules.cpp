#include "domain/request_rules.hpp"

#include <algorithm>

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "domain/naming.hpp"
#include "domain/ports.hpp"

namespace agentctl {
namespace {

[[noreturn]] void refuse(std::string option, std::string reason, std::string hint) {
  throw Error({.code = ErrorCode::usage,
               .context = "invalid",
               .object = std::move(option),
               .reason = std::move(reason),
               .hint = std::move(hint)});
}

bool is_plain_text(std::string_view text) {
  return text.size() <= max_text && is_valid_utf8(text) && to_printable(text) == text;
}

void check_word(const char* option, const std::string& word) {
  if (word.empty() || is_valid_word(word)) return;
  refuse(option, "'" + to_printable(word) + "' is not 1 to 64 of a-z A-Z 0-9 . _ - with a letter or digit first",
         std::string(option) + " " + slug(word));
}

void check_text(const char* option, const std::string& text) {
  if (is_plain_text(text)) return;
  refuse(option, "must be at most " + std::to_string(max_text) + " bytes of UTF-8 without control characters",
         text.size() > max_text ? "shorten its " + std::to_string(text.size()) + " bytes"
                                : "write it as plain text in one line");
}

void check_command(const std::vector<std::string>& command) {
  if (command.empty() || command.front().empty())
    refuse("COMMAND", "there is no command to run", "agentctl run -- COMMAND [ARG...]");
  for (std::size_t i = 0; i < command.size(); ++i) {
    if (command[i].size() > max_argument)
      refuse("COMMAND",
             "argument " + std::to_string(i) + " has " + std::to_string(command[i].size()) +
                 " bytes; the kernel takes at most " + std::to_string(max_argument),
             "pass it in a file");
  }
}

void check_labels(const std::map<std::string, std::string>& labels) {
  if (labels.size() > max_labels)
    refuse("--label", "at most " + std::to_string(max_labels) + " labels", "put several things into one label's value");
  for (const auto& [key, value] : labels) {
    if (!is_valid_word(key))
      refuse("--label", "the key '" + to_printable(key) + "' is not 1 to 64 of a-z A-Z 0-9 . _ -",
             "--label " + (key.empty() ? "KEY" : slug(key)) + "=VALUE");
    check_text("--label", value);
  }
}

void check_ports(const std::vector<std::uint16_t>& ports) {
  if (ports.size() > max_ports)
    refuse("--port", "at most " + std::to_string(max_ports) + " ports", "hold the others by a second session");
  for (auto port = ports.begin(); port != ports.end(); ++port)
    if (*port != automatic_port && std::find(port + 1, ports.end(), *port) != ports.end())
      refuse("--port", std::to_string(*port) + " is given more than once", "give it once, or --port auto");
}

void check_log_max(const SessionRequest& request) {
  if (request.log_max == default_log_max) return;
  constexpr std::uint64_t least = 1024;
  if (request.stdout_file.empty() && request.stderr_file.empty())
    refuse("--log-max", "there is no file that it could be for", "--stdout FILE");
  if (request.log_max > 0 && request.log_max < least)
    refuse("--log-max", "must be at least 1K, or 0 for no limit", "--log-max 1M");
}

void check_pool(const SessionRequest& request) {
  const PoolRequest& pool = request.pool;
  check_word("--pool", pool.name);
  if (pool.name.empty() && pool != PoolRequest{})
    refuse(pool.max != 0 ? "--max" : "--priority", "needs a pool", "--pool NAME");
  if (pool.max < 0) refuse("--max", "must be at least 1", "--max 1");
  if (pool.priority < lowest_priority || pool.priority > highest_priority)
    refuse("--priority", "must be from " + std::to_string(lowest_priority) + " to " + std::to_string(highest_priority),
           "--priority=" + std::to_string(std::clamp(pool.priority, lowest_priority, highest_priority)));
}

void check_restart(const RestartRules& rules, SessionKind kind) {
  if (rules == RestartRules{}) return;
  if (rules.policy == RestartPolicy::no)
    refuse("--restart", "the rules for restarts need a policy", "--restart on-failure");
  if (kind == SessionKind::scope)
    refuse("--restart", "a --scope session runs in this terminal, and nothing could start it again there",
           "leave out --scope");
  constexpr microseconds shortest{100'000};
  if (rules.delay < shortest) refuse("--restart-delay", "must be at least 100ms", "--restart-delay 100ms");
  if (rules.max_delay < rules.delay || rules.max_delay == forever)
    refuse("--restart-max-delay", "must be at least the delay, and not infinity",
           rules.delay == forever ? "--restart-delay 2s" : "--restart-max-delay " + format_time_span(rules.delay));
  if (rules.early <= microseconds(0)) refuse("--restart-early", "must be longer than 0", "--restart-early 10s");
  if (rules.limit < 1)
    refuse("--restart-limit", "must be from 1 to " + std::to_string(max_restart_limit), "--restart-limit 1");
  if (rules.never_on.size() > max_codes)
    refuse("--no-restart-on", "at most " + std::to_string(max_codes) + " exit codes",
           "leave the rarest to --restart-limit");
  for (const int code : rules.never_on)
    if (code == 0 && rules.policy == RestartPolicy::on_failure)
      refuse("--no-restart-on", "0 is no failure, so on-failure does not restart it", "--restart always");
}

}  // namespace

bool is_valid_word(std::string_view text) {
  return !text.empty() && text.size() <= 64 && is_alphanumeric(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

void check_name(const std::string& name) {
  if (!is_valid_name(name))
    refuse("-n", "'" + to_printable(name) + "' is not 1 to 64 of a-z 0-9 - without a hyphen first or last",
           "-n " + slug(name));
  if (name == reserved_name)
    refuse("-n", "'" + std::string(reserved_name) + "' is the name of agentctl's own unit", "choose another name");
}

void check_request(const SessionRequest& request) {
  // First: without a command there is no name either.
  check_command(request.command);
  check_name(request.name);
  check_word("--project", request.project);
  check_word("--group", request.group);
  check_text("--agent", request.agent);
  check_text("--work-item", request.work_item);
  check_text("--exclusive", request.exclusive);
  check_text("--source", request.source);
  check_labels(request.labels);
  check_ports(request.ports);
  if (request.ttl && request.ttl->count() <= 0) refuse("--ttl", "must be longer than 0", "--ttl 15min, or infinity");
  check_log_max(request);
  check_restart(request.restart, request.kind);
  check_pool(request);
  if (request.health) {
    check_health(*request.health);
    if (request.kind == SessionKind::scope)
      refuse("--ready", "a --scope session is in this terminal, where you see it", "leave out --scope");
  }
  if (request.on_end.size() > max_shell_command || request.on_end.find('\0') != std::string::npos)
    refuse("--on-end", "must be at most " + std::to_string(max_shell_command) + " bytes", "put it into a script");
  if (request.persist && request.kind == SessionKind::scope)
    refuse("--persist", "a --scope session lives with this terminal", "leave out --scope");
  if (request.kind == SessionKind::scope && !request.user.empty())
    refuse("--uid", "a --scope session runs as the caller", "leave out --scope, or use sudo -u " + request.user);
  if (request.kind == SessionKind::scope && (!request.stdout_file.empty() || !request.stderr_file.empty()))
    refuse(request.stdout_file.empty() ? "--stderr" : "--stdout",
           "the output of a --scope session goes to the caller's own streams", "redirect it with > FILE");
}

}  // namespace agentctl
