#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "domain/circle.hpp"
#include "domain/javascript.hpp"
#include "domain/service_checks.hpp"

namespace agentctl {
namespace {

constexpr std::size_t longest_path = 500;
constexpr double longest_delay = 86'400;
constexpr std::uint64_t least_memory = 1u << 20;
constexpr std::uint64_t most_memory = std::uint64_t(1) << 50;
constexpr std::int64_t most_tasks = 1'000'000;
constexpr std::int64_t most_cpu = 100'000;

std::optional<std::int64_t> whole_number(const Place& place, std::int64_t low, std::int64_t high) {
  const double number = number_in(place.value()).value_or(NAN);
  if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) || number != std::floor(number))
    return std::nullopt;
  return static_cast<std::int64_t>(number);
}

std::optional<microseconds> delay_in(const SpecCheck& check, const Place& object, std::string_view key,
                                     const char* reason) {
  const auto place = object.find(key);
  if (!place) return std::nullopt;
  const double seconds = number_in(place->value()).value_or(-1);
  if (!(seconds >= 0 && seconds <= longest_delay)) check.refuse(place->pointer(), reason);
  return microseconds(std::llround(seconds * 1e6));
}

void read_restart(const SpecCheck& check, ServiceSpec& spec) {
  const auto place = given(check.place, "restart");
  if (!place) return;
  const bool is_object = place->value().is_object();
  if (is_object) check_only(check, *place, {"policy", "delay_s", "max_delay_s", "limit"});
  const auto word = is_object ? place->find("policy") : place;
  const auto policy = word && word->value().is_string() ? parse_restart_policy(word->value().get_string())
                                                        : std::optional<RestartPolicy>();
  if (!policy)
    check.refuse(is_object ? pointer_to(*place, "policy") : place->pointer(),
                 "restart-invalid" + in_parentheses(word ? string_of(word->value()) : "undefined"));
  RestartRules rules;
  rules.policy = *policy;
  if (is_object) {
    rules.delay = delay_in(check, *place, "delay_s", "restart-delay-invalid").value_or(rules.delay);
    const auto longest = delay_in(check, *place, "max_delay_s", "restart-max-delay-invalid");
    rules.max_delay = longest.value_or(std::max(rules.max_delay, rules.delay));
    if (rules.max_delay < rules.delay) check.refuse(pointer_to(*place, "max_delay_s"), "restart-max-delay-invalid");
    if (const auto limit = place->find("limit")) {
      const auto number = whole_number(*limit, 1, max_restart_limit);
      if (!number) check.refuse(limit->pointer(), "restart-limit-invalid");
      rules.limit = static_cast<int>(*number);
    }
  }
  // Rules without a policy would be refused as such.
  if (*policy != RestartPolicy::no) spec.restart = rules;
}

// 268435456, "256M": K, M, G and T are powers of 1024, as with systemd.
std::optional<std::uint64_t> memory_in(const Place& place) {
  std::uint64_t factor = 1;
  double number = number_in(place.value()).value_or(0);
  if (place.value().is_string() && !place.value().get_string().empty()) {
    std::string_view text = place.value().get_string();
    const auto unit = std::string_view("KMGT").find(text.back());
    if (unit != std::string_view::npos) {
      factor = std::uint64_t(1) << (10 * (unit + 1));
      text.remove_suffix(1);
      number = static_cast<double>(parse_decimal(text).value_or(0));
    }
  }
  const double bytes = number * static_cast<double>(factor);
  if (!(bytes >= least_memory && bytes <= most_memory) || bytes != std::floor(bytes)) return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

// 150, "150%".
std::optional<std::int64_t> percent_in(const Place& place) {
  if (!place.value().is_string()) return whole_number(place, 1, most_cpu);
  std::string_view text = place.value().get_string();
  if (!text.ends_with('%')) return std::nullopt;
  text.remove_suffix(1);
  const auto number = parse_decimal(text);
  return number && *number >= 1 && *number <= most_cpu ? number : std::nullopt;
}

void read_limits(const SpecCheck& check, ServiceSpec& spec) {
  const auto place = given(check.place, "limits");
  if (!place) return;
  if (!place->value().is_object()) check.refuse(place->pointer(), "limits-not-object");
  check_only(check, *place, {"memory_max", "tasks_max", "cpu_quota"});
  const auto refuse = [&](const Place& member, const char* what) {
    check.refuse(member.pointer(),
                 std::string("limits-") + what + "-invalid" + in_parentheses(string_of(member.value())));
  };
  if (const auto memory = given(*place, "memory_max"))
    if (!(spec.limits.memory_max = memory_in(*memory))) refuse(*memory, "memory-max");
  if (const auto tasks = given(*place, "tasks_max")) {
    const auto number = whole_number(*tasks, 1, most_tasks);
    if (!number) refuse(*tasks, "tasks-max");
    spec.limits.tasks_max = static_cast<std::uint64_t>(*number);
  }
  if (const auto cpu = given(*place, "cpu_quota")) {
    const auto percent = percent_in(*cpu);
    if (!percent) refuse(*cpu, "cpu-quota");
    spec.limits.cpu_quota = static_cast<int>(*percent);
  }
}

void read_sandbox(const SpecCheck& check, ServiceSpec& spec) {
  const auto place = given(check.place, "sandbox");
  if (!place) return;
  ServiceSandbox& sandbox = spec.sandbox;
  if (place->value() == "none") return;
  if (place->value() == "basic") {
    sandbox = {.private_tmp = true, .read_only_system = true};
    return;
  }
  if (place->value() == "strict") {
    sandbox = {.private_tmp = true, .protect_home = true, .read_only_system = true};
    return;
  }
  if (!place->value().is_object())
    check.refuse(place->pointer(), "sandbox-invalid" + in_parentheses(string_of(place->value())));
  check_only(check, *place, {"private_tmp", "protect_home", "read_only_system", "no_network"});
  const auto flag = [&](const char* key) {
    const auto member = place->find(key);
    if (!member) return false;
    if (!member->value().is_bool()) check.refuse(member->pointer(), "sandbox-not-boolean (" + std::string(key) + ")");
    return member->value().get_bool();
  };
  sandbox.private_tmp = flag("private_tmp");
  sandbox.protect_home = flag("protect_home");
  sandbox.read_only_system = flag("read_only_system");
  sandbox.no_network = flag("no_network");
}

std::string file_in(const SpecCheck& check, const std::string& key) {
  const auto place = given(check.place, key);
  if (!place) return {};
  if (!place->value().is_string()) check.refuse(place->pointer(), key + "-not-string");
  std::string path = place->string();
  if (utf16_length(path) > longest_path) check.refuse(place->pointer(), key + "-too-long");
  if (has_nul(path)) check.refuse(place->pointer(), key + "-contains-nul");
  if (!path.starts_with('/')) check.refuse(place->pointer(), key + "-not-absolute" + in_parentheses(path));
  return path;
}

void read_unhealthy(const SpecCheck& check, ServiceSpec& spec) {
  const auto place = given(check.place, "unhealthy");
  if (!place) return;
  const auto what = place->value().is_string() ? parse_when_unhealthy(place->value().get_string()) : std::nullopt;
  if (!what) check.refuse(place->pointer(), "unhealthy-invalid" + in_parentheses(string_of(place->value())));
  spec.health.when_unhealthy = *what;
}

}  // namespace

void check_only(const SpecCheck& check, const Place& object, std::initializer_list<std::string_view> keys) {
  for (const auto& [key, member] : object.members())
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      check.refuse(member.pointer(), "unknown-field" + in_parentheses(key));
}

void read_extras(const SpecCheck& check, ServiceSpec& spec) {
  check_only(check, check.place,
             {"name", "cmd", "args", "cwd", "env", "ports", "ttl_minutes", "attrs", "healthcheck", "restart", "limits",
              "sandbox", "needs", "stdout", "stderr", "unhealthy"});
  read_restart(check, spec);
  read_limits(check, spec);
  read_sandbox(check, spec);
  spec.needs = texts_in(check, check.place, "needs", "needs", "need", check.rules.max_specs);
  spec.stdout_file = file_in(check, "stdout");
  spec.stderr_file = file_in(check, "stderr");
  read_unhealthy(check, spec);
}

void check_needs(const std::vector<ServiceSpec>& specs) {
  const auto refuse = [](std::size_t index, const std::string& place, const std::string& reason) {
    const std::string number = std::to_string(index);
    throw ServiceRefusal{"spec[" + number + "]: " + reason, "/specs/" + number + "/needs" + place};
  };
  for (std::size_t i = 0; i < specs.size(); ++i) {
    for (std::size_t n = 0; n < specs[i].needs.size(); ++n) {
      const std::string& need = specs[i].needs[n];
      if (need == specs[i].name) refuse(i, "/" + std::to_string(n), "needs-itself" + in_parentheses(need));
      if (std::none_of(specs.begin(), specs.end(), [&](const ServiceSpec& spec) { return spec.name == need; }))
        refuse(i, "/" + std::to_string(n), "needs-unknown" + in_parentheses(need));
    }
  }
  CircleSearch::Needs needs;
  for (const ServiceSpec& spec : specs) needs[spec.name] = spec.needs;
  CircleSearch search(std::move(needs));
  for (std::size_t i = 0; i < specs.size(); ++i)
    if (const std::string circle = search.from(specs[i].name); !circle.empty())
      refuse(i, "", "needs-circle (" + circle + ")");
}

}  // namespace agentctl
