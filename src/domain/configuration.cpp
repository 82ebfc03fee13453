#include "domain/configuration.hpp"

#include "base/ascii.hpp"
#include "domain/json_document.hpp"
#include "domain/request_rules.hpp"

namespace agentctl {
namespace {

constexpr std::int64_t most_specs = 100;
constexpr std::int64_t most_words = 1000;
constexpr std::int64_t most_attrs_bytes = 65'536;
constexpr std::int64_t most_minutes = 366 * 24 * 60;

std::vector<std::string> words_at(const Place& place, std::size_t least) {
  std::vector<std::string> words;
  const std::vector<Place> items = place.items();
  if (items.size() < least || items.size() > most_words)
    place.refuse("must be " + std::to_string(least) + " to " + std::to_string(most_words) + " strings");
  for (const Place& item : items) words.push_back(item.text(max_text));
  return words;
}

// As the names that are compared with them (is_allowed_program()).
std::vector<std::string> programs_at(const Place& place) {
  std::vector<std::string> programs = words_at(place, 1);
  for (std::size_t i = 0; i < programs.size(); ++i)
    for (char& c : programs[i]) {
      if (c == '/') place.items()[i].refuse("must be a program's name without a folder");
      c = to_lower(c);
    }
  return programs;
}

ServiceRules service_rules_at(const Place& place, ServiceRules rules) {
  place.only({"max_specs", "max_args", "max_env", "max_attrs_bytes", "max_ttl_minutes", "default_ttl_minutes",
              "require_git_workdir", "executable_allowlist", "env_allowlist", "env_allowlist_prefixes"});
  const auto set_size = [&](const char* key, std::size_t& size, std::int64_t least, std::int64_t most) {
    if (const auto number = place.find(key)) size = static_cast<std::size_t>(number->number(least, most));
  };
  set_size("max_specs", rules.max_specs, 1, most_specs);
  set_size("max_args", rules.max_args, 0, most_words);
  set_size("max_env", rules.max_env, 0, most_words);
  set_size("max_attrs_bytes", rules.max_attrs_bytes, 2, most_attrs_bytes);
  if (const auto ttl = place.find("max_ttl_minutes"))
    rules.max_ttl_minutes = static_cast<int>(ttl->number(1, most_minutes));
  if (const auto ttl = place.find("default_ttl_minutes"))
    rules.default_ttl_minutes = static_cast<int>(ttl->number(1, rules.max_ttl_minutes));
  if (const auto git = place.find("require_git_workdir")) rules.require_git_workdir = git->flag();
  if (const auto programs = place.find("executable_allowlist")) rules.executables = programs_at(*programs);
  if (const auto keys = place.find("env_allowlist")) rules.env_keys = words_at(*keys, 0);
  if (const auto prefixes = place.find("env_allowlist_prefixes")) rules.env_prefixes = words_at(*prefixes, 0);
  return rules;
}

}  // namespace

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
  root.only({"pool_cap", "pools", "services"});
  PoolLimits limits = configuration.pools;
  if (const auto cap = root.find("pool_cap")) limits.cap = static_cast<int>(cap->number(1, max_pool_slots));
  if (const auto pools = root.find("pools")) {
    for (const auto& [name, pool] : pools->members()) {
      if (!is_valid_word(name)) pool.refuse("the name of a pool is 1 to 64 of a-z A-Z 0-9 . _ -");
      pool.only({"max"});
      limits.pools[name] = static_cast<int>(pool.required("max").number(1, limits.cap));
    }
  }
  if (const auto services = root.find("services"))
    configuration.services = service_rules_at(*services, configuration.services);
  configuration.pools = std::move(limits);
}

}  // namespace agentctl
