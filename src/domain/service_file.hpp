#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "domain/health.hpp"
#include "domain/session.hpp"

namespace agentctl {

/// What a file of services may ask for. The defaults are what agents are told; "services" in config.json changes them.
struct ServiceRules {
  std::size_t max_specs = 5;
  std::size_t max_args = 64;
  std::size_t max_env = 32;
  std::size_t max_attrs_bytes = 2048;
  int max_ttl_minutes = 1440;
  int default_ttl_minutes = 240;
  bool require_git_workdir = true;
  /// Names of programs in lower case, without folder and without .exe, .cmd, .bat, .ps1 or .sh.
  std::vector<std::string> executables{"node", "bun",        "npm",    "npx",    "pnpm", "yarn",   "python",  "python3",
                                       "pip",  "pip3",       "docker", "podman", "adb",  "gradle", "gradlew", "mvn",
                                       "pwsh", "powershell", "bash",   "sh",     "curl", "wget",   "git"};
  std::vector<std::string> env_keys{"NODE_ENV"};
  std::vector<std::string> env_prefixes{"VITE_", "NEXT_", "REACT_APP_", "npm_config_"};
};

/// One service as a file asks for it. What comes after `health_args` is there only in files that say "agentctl": 1.
struct ServiceSpec {
  std::string name{};
  std::string cmd{};
  std::vector<std::string> args{};
  std::string cwd{};                                       ///< as given; empty: none was
  std::vector<std::pair<std::string, std::string>> env{};  ///< in the file's order
  std::vector<std::uint16_t> ports{};                      ///< automatic_port among them
  int ttl_minutes = 0;
  std::string attrs{"{}"};  ///< a JSON object, compact
  HealthCheck health{};
  /// Of a command check, as given; `health` has what is to be run: without a shell the words of `health_cmd` and then
  /// `health_args`, with one both as one line.
  std::string health_cmd{};
  std::vector<std::string> health_args{};
  RestartRules restart{};
  ServiceLimits limits{};
  ServiceSandbox sandbox{};
  std::vector<std::string> needs{};  ///< names of services in the same file that are healthy first
  std::string stdout_file{};         ///< absolute; empty: none
  std::string stderr_file{};
};

struct ServiceFile {
  std::vector<ServiceSpec> specs{};
  std::string written_by{};
  std::string wi_id{};
  bool extended = false;  ///< it says "agentctl": 1
};

/// Why a file is not taken: the words that agents know, and the place as a JSON pointer (RFC 6901; "" is the whole).
struct ServiceRefusal {
  std::string reason;
  std::string pointer;
  bool operator==(const ServiceRefusal&) const = default;
};

using CheckedServices = std::variant<ServiceFile, ServiceRefusal>;

/// What `.git` in a folder is.
enum class GitMark {
  none,
  folder,
  pointer,  ///< a file that begins with "gitdir:", as work trees have it
  other,
};
using GitLookup = std::function<GitMark(const std::string& folder)>;

inline constexpr std::size_t service_file_limit = 1u << 20;

/// Checks a file of services (docs/man/agentctl-services.5). The first thing that is wrong is told: how many specs,
/// then spec by spec name, cmd, args, cwd, env, ports, ttl_minutes, attrs, healthcheck, then in an extended file
/// unknown keys, restart, limits, sandbox, needs, stdout, stderr, unhealthy, then a name that was there before; then
/// written_by, wi_id, and in an extended file unknown keys and needs. `git` is asked when the rules require a work
/// tree.
CheckedServices check_service_file(std::string_view text, const ServiceRules& rules, const GitLookup& git);

/// The same with who must have written it: an empty agent or work item is not compared.
std::optional<ServiceRefusal> check_written_by(const ServiceFile& file, const std::string& agent,
                                               const std::string& work_item);

/// Tells one service from another that has the same name: 16 hexadecimal digits.
std::string digest_of(const ServiceSpec& spec);

/// A time as the file has it: "0.5".
std::string seconds_text(microseconds span);

/// With all defaults filled in, in one line; it is a file of services again.
std::string to_json(const ServiceFile& file);
std::string to_json(const ServiceSpec& spec);

}  // namespace agentctl
