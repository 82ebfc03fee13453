#include "domain/configuration.hpp"

#include "domain/json_document.hpp"
#include "domain/request_rules.hpp"

namespace agentctl {

std::vector<std::string> configuration_files(ManagerScope scope, const std::string& home, const char* xdg_config_home) {
  std::vector<std::string> files{"/etc/agentctl/config.json"};
  if (scope == ManagerScope::system) return files;
  // The XDG base directory specification: a relative path must be ignored.
  const bool given = xdg_config_home != nullptr && xdg_config_home[0] == '/';
  files.push_back((given ? std::string(xdg_config_home) : home + "/.config") + "/agentctl/config.json");
  return files;
}

void apply_configuration(Configuration& configuration, std::string_view text, const std::string& file) {
  const JsonDocument document(text, file);
  const Place root = document.root();
  root.only({"pool_cap", "pools"});
  PoolLimits limits = configuration.pools;
  if (const auto cap = root.find("pool_cap")) limits.cap = static_cast<int>(cap->number(1, max_pool_slots));
  if (const auto pools = root.find("pools")) {
    for (const auto& [name, pool] : pools->members()) {
      if (!is_valid_word(name)) pool.refuse("the name of a pool is 1 to 64 of a-z A-Z 0-9 . _ -");
      pool.only({"max"});
      limits.pools[name] = static_cast<int>(pool.required("max").number(1, limits.cap));
    }
  }
  configuration.pools = std::move(limits);
}

}  // namespace agentctl
