#include "domain/service_file.hpp"

#include <algorithm>
#include <cmath>

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "domain/environment.hpp"
#include "domain/javascript.hpp"
#include "domain/naming.hpp"
#include "domain/ports.hpp"
#include "domain/service_checks.hpp"

namespace agentctl {
namespace {

constexpr std::size_t longest_name = 64;
constexpr std::size_t longest_cmd = 200;
constexpr std::size_t longest_arg = 500;
constexpr std::size_t longest_cwd = 500;
constexpr std::size_t longest_value = 1000;
constexpr std::size_t most_ports = 20;
constexpr std::size_t longest_quote = 4096;

bool is_kebab_case(std::string_view name) { return is_valid_name(name) && name.find("--") == std::string_view::npos; }

void read_cwd(const SpecCheck& check, ServiceSpec& spec) {
  const auto place = given(check.place, "cwd");
  if (!place) return;
  if (!place->value().is_string()) check.refuse(place->pointer(), "cwd-not-string");
  spec.cwd = place->string();
  if (utf16_length(spec.cwd) > longest_cwd) check.refuse(place->pointer(), "cwd-too-long");
  if (has_nul(spec.cwd)) check.refuse(place->pointer(), "cwd-contains-nul");
  if (spec.cwd.empty() || !check.rules.require_git_workdir) return;
  std::string trouble;
  switch (check.git(spec.cwd)) {
    case GitMark::folder:
    case GitMark::pointer: return;
    case GitMark::none: trouble = "no .git directory or worktree pointer at "; break;
    case GitMark::other: trouble = ".git file present but not a worktree pointer (no \"gitdir:\" prefix): "; break;
  }
  throw ServiceRefusal{"invalid-workdir: spec[" + std::to_string(check.index) + "]: " + trouble + spec.cwd,
                       place->pointer()};
}

bool is_allowed_variable(const ServiceRules& rules, const std::string& key) {
  return std::find(rules.env_keys.begin(), rules.env_keys.end(), key) != rules.env_keys.end() ||
         std::any_of(rules.env_prefixes.begin(), rules.env_prefixes.end(),
                     [&](const std::string& prefix) { return key.starts_with(prefix); });
}

void read_env(const SpecCheck& check, ServiceSpec& spec) {
  const auto place = given(check.place, "env");
  if (!place) return;
  if (!place->value().is_object()) check.refuse(place->pointer(), "env-not-object");
  if (place->value().get_object().size() > check.rules.max_env)
    check.refuse(place->pointer(), "env-too-many (>" + std::to_string(check.rules.max_env) + ")");
  for (const auto& [key, member] : place->members()) {
    const std::string name = in_parentheses(key);
    if (!is_allowed_variable(check.rules, key)) check.refuse(member.pointer(), "env-key-not-on-allowlist" + name);
    if (!is_valid_variable(key)) check.refuse(member.pointer(), "env-key-invalid-shape" + name);
    if (!member.value().is_string()) check.refuse(member.pointer(), "env-value-not-string" + name);
    std::string value = member.string();
    if (utf16_length(value) > longest_value) check.refuse(member.pointer(), "env-value-too-long" + name);
    if (has_nul(value)) check.refuse(member.pointer(), "env-value-contains-nul" + name);
    spec.env.emplace_back(key, std::move(value));
  }
}

void read_ports(const SpecCheck& check, ServiceSpec& spec) {
  const auto place = given(check.place, "ports");
  if (!place) return;
  if (!place->value().is_array()) check.refuse(place->pointer(), "ports-not-array");
  if (place->value().get_array().size() > most_ports)
    check.refuse(place->pointer(), "ports-too-many (>" + std::to_string(most_ports) + ")");
  for (const Place& item : place->items()) {
    if (check.extended && item.value() == "auto") {
      spec.ports.push_back(automatic_port);
      continue;
    }
    const double port = number_in(item.value()).value_or(0);
    if (!(port >= 1024 && port <= 65535) || port != static_cast<int>(port))
      check.refuse(item.pointer(), "port-invalid" + in_parentheses(string_of(item.value())));
    spec.ports.push_back(static_cast<std::uint16_t>(port));
  }
}

void read_ttl(const SpecCheck& check, ServiceSpec& spec) {
  spec.ttl_minutes = std::min(check.rules.default_ttl_minutes, check.rules.max_ttl_minutes);
  const auto place = given(check.place, "ttl_minutes");
  if (!place) return;
  const double minutes = number_in(place->value()).value_or(0);
  if (!(minutes > 0) || minutes == HUGE_VAL) check.refuse(place->pointer(), "ttl-invalid");
  if (minutes > check.rules.max_ttl_minutes)
    check.refuse(place->pointer(), "ttl-too-long (>" + std::to_string(check.rules.max_ttl_minutes) + "min)");
  // Half a minute must not become none, nor the default.
  spec.ttl_minutes = std::max(1, static_cast<int>(minutes));
}

bool has_nul_inside(const json::value& value) {
  if (value.is_string()) return has_nul(value.get_string());
  if (value.is_array()) return std::any_of(value.get_array().begin(), value.get_array().end(), has_nul_inside);
  if (!value.is_object()) return false;
  return std::any_of(value.get_object().begin(), value.get_object().end(),
                     [](const auto& member) { return has_nul(member.key()) || has_nul_inside(member.value()); });
}

void read_attrs(const SpecCheck& check, ServiceSpec& spec) {
  const auto place = given(check.place, "attrs");
  if (!place) return;
  if (!place->value().is_object()) check.refuse(place->pointer(), "attrs-not-object");
  spec.attrs = stringify(place->value());
  if (spec.attrs.size() > check.rules.max_attrs_bytes)
    check.refuse(place->pointer(), "attrs-too-large (>" + std::to_string(check.rules.max_attrs_bytes) + "B)");
  if (has_nul_inside(place->value())) check.refuse(place->pointer(), "attrs-contains-nul");
}

ServiceSpec read_spec(const SpecCheck& check) {
  ServiceSpec spec;
  const Place& place = check.place;
  if (!place.value().is_object()) check.refuse(place.pointer(), "not-an-object");
  const auto name = given(place, "name");
  if (!name || !name->value().is_string() || name->value().get_string().empty())
    check.refuse(pointer_to(place, "name"), "name-missing");
  spec.name = name->string();
  if (utf16_length(spec.name) > longest_name)
    check.refuse(name->pointer(), "name-too-long (>" + std::to_string(longest_name) + ")");
  if (!is_kebab_case(spec.name)) check.refuse(name->pointer(), "name-not-kebab-case" + in_parentheses(spec.name));
  if (spec.name == reserved_name) check.refuse(name->pointer(), "name-reserved" + in_parentheses(spec.name));
  const auto cmd = given(place, "cmd");
  if (!cmd || !cmd->value().is_string() || cmd->value().get_string().empty())
    check.refuse(pointer_to(place, "cmd"), "cmd-missing");
  spec.cmd = cmd->string();
  if (utf16_length(spec.cmd) > longest_cmd) check.refuse(cmd->pointer(), "cmd-too-long");
  if (!is_allowed_program(check.rules, spec.cmd))
    check.refuse(cmd->pointer(), "cmd-not-on-allowlist" + in_parentheses(spec.cmd));
  if (has_nul(spec.cmd)) check.refuse(cmd->pointer(), "cmd-contains-nul");
  spec.args = texts_in(check, place, "args", "args", "arg", check.rules.max_args);
  read_cwd(check, spec);
  read_env(check, spec);
  read_ports(check, spec);
  read_ttl(check, spec);
  read_attrs(check, spec);
  read_health(check, spec);
  if (check.extended) read_extras(check, spec);
  return spec;
}

bool is_extended(const Place& root) {
  const auto version = given(root, "agentctl");
  if (!version) return false;
  if (!version->value().is_number() || number_in(version->value()) != 1)
    throw ServiceRefusal{"agentctl-version-unknown" + in_parentheses(string_of(version->value())), version->pointer()};
  return true;
}

std::string identity_in(const Place& root, const std::string& key) {
  const auto place = given(root, key);
  if (!place) return {};
  if (!place->value().is_string()) throw ServiceRefusal{key + "-not-string", place->pointer()};
  std::string text = place->string();
  if (has_nul(text)) throw ServiceRefusal{key + "-contains-nul", place->pointer()};
  return text;
}

ServiceFile read_services(const Place& root, const ServiceRules& rules, const GitLookup& git) {
  if (!root.value().is_object()) throw ServiceRefusal{"not-an-object", ""};
  ServiceFile file;
  file.extended = is_extended(root);
  const auto specs = given(root, "specs");
  if (!specs || !specs->value().is_array()) throw ServiceRefusal{"specs-missing", "/specs"};
  const std::vector<Place> places = specs->items();
  if (places.empty()) throw ServiceRefusal{"specs-empty", "/specs"};
  if (places.size() > rules.max_specs)
    throw ServiceRefusal{"specs-too-many (>" + std::to_string(rules.max_specs) + ")", "/specs"};
  for (std::size_t i = 0; i < places.size(); ++i) {
    const SpecCheck check{places[i], i, rules, git, file.extended};
    ServiceSpec spec = read_spec(check);
    if (std::any_of(file.specs.begin(), file.specs.end(), [&](const ServiceSpec& s) { return s.name == spec.name; }))
      check.refuse(pointer_to(places[i], "name"), "duplicate-name" + in_parentheses(spec.name));
    file.specs.push_back(std::move(spec));
  }
  file.written_by = identity_in(root, "written_by");
  file.wi_id = identity_in(root, "wi_id");
  if (!file.extended) return file;
  for (const auto& [key, member] : root.members())
    if (key != "agentctl" && key != "specs" && key != "written_by" && key != "wi_id")
      throw ServiceRefusal{"unknown-field" + in_parentheses(key), member.pointer()};
  check_needs(file.specs);
  return file;
}

}  // namespace

void SpecCheck::refuse(const std::string& pointer, const std::string& reason) const {
  throw ServiceRefusal{"spec[" + std::to_string(index) + "]: " + reason, pointer};
}

std::optional<Place> given(const Place& object, std::string_view key) {
  auto place = object.find(key);
  if (place && place->value().is_null()) return std::nullopt;
  return place;
}

std::string pointer_to(const Place& object, std::string_view key) { return object.pointer() + "/" + std::string(key); }

std::string in_parentheses(std::string_view text) { return " (" + shorten(text, longest_quote) + ")"; }

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

std::string text_in(const SpecCheck& check, const Place& object, std::string_view key, const std::string& what,
                    std::size_t longest) {
  const auto place = given(object, key);
  if (!place || !place->value().is_string() || place->value().get_string().empty())
    check.refuse(pointer_to(object, key), what + "-missing");
  std::string text = place->string();
  if (utf16_length(text) > longest) check.refuse(place->pointer(), what + "-too-long");
  if (has_nul(text)) check.refuse(place->pointer(), what + "-contains-nul");
  return text;
}

std::vector<std::string> texts_in(const SpecCheck& check, const Place& object, std::string_view key,
                                  const std::string& plural, const std::string& one, std::size_t most) {
  std::vector<std::string> texts;
  const auto place = given(object, key);
  if (!place) return texts;
  if (!place->value().is_array()) check.refuse(place->pointer(), plural + "-not-array");
  if (place->value().get_array().size() > most)
    check.refuse(place->pointer(), plural + "-too-many (>" + std::to_string(most) + ")");
  for (const Place& item : place->items()) {
    if (!item.value().is_string()) check.refuse(item.pointer(), one + "-not-string");
    texts.push_back(item.string());
    if (utf16_length(texts.back()) > longest_arg) check.refuse(item.pointer(), one + "-too-long");
    if (has_nul(texts.back())) check.refuse(item.pointer(), one + "-contains-nul");
  }
  return texts;
}

bool is_allowed_program(const ServiceRules& rules, std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  // Of ASCII alone: a KELVIN SIGN is no k, whatever its lower case is.
  std::string name = to_lower(base_name(path));
  for (const std::string_view extension : {".exe", ".cmd", ".bat", ".ps1", ".sh"}) {
    if (!name.ends_with(extension)) continue;
    name.resize(name.size() - extension.size());
    break;
  }
  return std::find(rules.executables.begin(), rules.executables.end(), name) != rules.executables.end();
}

CheckedServices check_service_file(std::string_view text, const ServiceRules& rules, const GitLookup& git) {
  constexpr std::size_t max_depth = 32;
  if (text.size() > service_file_limit)
    return ServiceRefusal{"json-parse: more than " + std::to_string(service_file_limit >> 20) + " MiB", ""};
  std::optional<JsonDocument> document;
  try {
    document.emplace(text, std::string(), max_depth);
  } catch (const Error& error) {
    return ServiceRefusal{"json-parse: " + error.reason(), ""};
  }
  try {
    return read_services(document->root(), rules, git);
  } catch (ServiceRefusal& refusal) {
    return std::move(refusal);
  }
}

std::optional<ServiceRefusal> check_written_by(const ServiceFile& file, const std::string& agent,
                                               const std::string& work_item) {
  const auto mismatch = [](const char* what, const std::string& expected, const std::string& got) {
    return std::string(what) + "-mismatch (expected " + expected + ", got " +
           (got.empty() ? "missing" : shorten(got, longest_quote)) + ")";
  };
  if (!agent.empty() && file.written_by != agent)
    return ServiceRefusal{mismatch("written-by", agent, file.written_by), "/written_by"};
  if (!work_item.empty() && file.wi_id != work_item)
    return ServiceRefusal{mismatch("wi-id", work_item, file.wi_id), "/wi_id"};
  return std::nullopt;
}

}  // namespace agentctl
