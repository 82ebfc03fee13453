#include "domain/environment.hpp"

#include <algorithm>
#include <array>

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "base/text.hpp"

namespace agentctl {
namespace {

// Kept although a prefix below would drop them.
constexpr std::array<std::string_view, 8> preserved{
    "CLAUDE_CODE_OAUTH_TOKEN",      "CLAUDE_CODE_GIT_BASH_PATH",     "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",       "CLAUDE_CODE_USE_FOUNDRY",       "CLAUDE_CODE_SKIP_BEDROCK_AUTH",
    "CLAUDE_CODE_SKIP_VERTEX_AUTH", "CLAUDE_CODE_SKIP_FOUNDRY_AUTH",
};

// The first two mark the caller's own agent session, the next two are the caller's shell's own. The rest are what
// systemd told the caller's unit (systemd.exec(5), sd_notify(3), sd_listen_fds(3)) and would be false in another.
constexpr std::array<std::string_view, 23> dropped{
    "CLAUDECODE",
    "MCP_SESSION_ID",
    "OLDPWD",
    "_",
    "NOTIFY_SOCKET",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "MANAGERPID",
    "SYSTEMD_EXEC_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "MAINPID",
    "RUNTIME_DIRECTORY",
    "STATE_DIRECTORY",
    "CACHE_DIRECTORY",
    "LOGS_DIRECTORY",
    "CONFIGURATION_DIRECTORY",
    "CREDENTIALS_DIRECTORY",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
};

constexpr std::array<std::string_view, 3> dropped_prefixes{"CLAUDECODE_", "CLAUDE_CODE_", "AGENTCTL_"};

constexpr std::array<const char*, 7> minimal{"HOME", "USER", "SHELL", "PATH", "LANG", "TERM", "XDG_RUNTIME_DIR"};

constexpr std::array<const char*, 4> bare{"PATH", "HOME", "TEMP", "TMP"};

template <class List>
Environment picked(const Environment& caller, const List& names) {
  Environment kept;
  for (const char* name : names)
    if (const auto found = caller.find(name); found != caller.end()) kept.insert(*found);
  return kept;
}

template <class List>
bool contains(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

}  // namespace

bool passes_to_session(std::string_view name) {
  if (contains(preserved, name)) return true;
  if (contains(dropped, name)) return false;
  return std::none_of(dropped_prefixes.begin(), dropped_prefixes.end(),
                      [&](std::string_view prefix) { return name.starts_with(prefix); });
}

Environment clean_environment(const Environment& caller) {
  Environment cleaned;
  for (const auto& variable : caller)
    if (passes_to_session(variable.first)) cleaned.insert(variable);
  return cleaned;
}

Environment minimal_environment(const Environment& caller) { return picked(caller, minimal); }

Environment bare_environment(const Environment& caller) { return picked(caller, bare); }

bool is_valid_variable(std::string_view name) {
  const auto letter = [](char c) { return is_letter(c) || c == '_'; };
  return !name.empty() && letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || is_digit(c); });
}

void add_variable(Environment& environment, std::string_view assignment, const Environment& caller) {
  const auto equals = assignment.find('=');
  const std::string name(assignment.substr(0, equals));
  if (!is_valid_variable(name))
    throw Error({.code = ErrorCode::usage,
                 .context = "invalid",
                 .object = "-e",
                 .reason = "'" + to_printable(name) + "' is no variable's name ([A-Za-z_][A-Za-z0-9_]*)",
                 .hint = "-e NAME=VALUE, or -e NAME to pass your own value on"});
  if (equals != std::string_view::npos) {
    environment[name] = assignment.substr(equals + 1);
  } else if (const auto found = caller.find(name); found != caller.end()) {
    environment[name] = found->second;
  } else {
    throw Error({.code = ErrorCode::usage,
                 .context = "invalid",
                 .object = "-e",
                 .reason = "'" + name + "' is not set in your environment",
                 .hint = "-e " + name + "=VALUE"});
  }
}

void add_environment_file(Environment& environment, std::string_view content, const std::string& path,
                          const Environment& caller) {
  for (std::size_t number = 1; !content.empty(); ++number) {
    std::string_view line = take_line(content);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    const auto fail = [&](const std::string& reason) {
      throw Error({.code = ErrorCode::usage,
                   .context = "invalid line " + std::to_string(number) + " in",
                   .object = path,
                   .reason = reason,
                   .hint = "each line is NAME=VALUE, or NAME to pass your own value on"});
    };
    if (line.find('\0') != std::string_view::npos) fail("it contains NUL");
    try {
      add_variable(environment, line, caller);
    } catch (const Error& error) {
      fail(error.reason());
    }
  }
}

std::vector<std::string> to_assignments(const Environment& environment) {
  std::vector<std::string> assignments;
  assignments.reserve(environment.size());
  for (const auto& [name, value] : environment) assignments.push_back(name + "=" + value);
  return assignments;
}

}  // namespace agentctl
