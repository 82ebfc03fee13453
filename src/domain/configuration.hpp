#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "domain/queue.hpp"
#include "domain/service_file.hpp"

namespace agentctl {

/// What /etc/agentctl/config.json and a user's own file say: {"pool_cap": 20, "pools": {"build": {"max": 3}}}, and
/// under "services" what agentctl-services(5) describes.
struct Configuration {
  PoolLimits pools;
  ServiceRules services;
};

/// Where it is read from, the host's first: /etc/agentctl/config.json, and for the user scope
/// $XDG_CONFIG_HOME/agentctl/config.json or ~/.config/agentctl/config.json.
std::vector<std::string> configuration_files(ManagerScope scope, const std::string& home, const char* xdg_config_home);

inline constexpr std::size_t configuration_size_limit = 64u << 10;
inline constexpr int max_pool_slots = 10'000;

/// Lays what a file says over `configuration`. Throws Error{usage} that names the file and the place in it, as a JSON
/// pointer (RFC 6901), for anything but the keys and ranges above.
void apply_configuration(Configuration& configuration, std::string_view text, const std::string& file);

}  // namespace agentctl
