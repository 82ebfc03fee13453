#include "base/text.hpp"
#include "domain/javascript.hpp"
#include "domain/ports.hpp"
#include "domain/service_file.hpp"

namespace agentctl {
namespace {

constexpr microseconds default_interval = std::chrono::seconds(1);

std::string array_of(const std::vector<std::string>& texts) {
  std::string text = "[";
  for (const std::string& item : texts) text += (text.size() > 1 ? "," : "") + quoted_json(item);
  return text + "]";
}

std::string env_of(const ServiceSpec& spec) {
  std::string text = "{";
  for (const auto& [key, value] : spec.env)
    text += (text.size() > 1 ? "," : "") + quoted_json(key) + ":" + quoted_json(value);
  return text + "}";
}

std::string ports_of(const ServiceSpec& spec) {
  std::string text = "[";
  for (const std::uint16_t port : spec.ports)
    text += (text.size() > 1 ? "," : "") + (port == automatic_port ? "\"auto\"" : std::to_string(port));
  return text + "]";
}

std::string health_of(const ServiceSpec& spec) {
  const HealthCheck& health = spec.health;
  const auto field = [](const char* key, const std::string& value) { return ",\"" + std::string(key) + "\":" + value; };
  std::string type;
  std::string fields;
  switch (health.kind) {
    case HealthKind::http:
      type = "http";
      fields = field("url", quoted_json(health.target)) + field("expect_status", std::to_string(health.expect_status));
      break;
    case HealthKind::command:
      type = "command";
      fields = field("cmd", quoted_json(spec.health_cmd)) + field("shell", health.shell ? "true" : "false") +
               field("expect_regex", quoted_json(health.expect_regex));
      if (!spec.health_args.empty()) fields += field("args", array_of(spec.health_args));
      break;
    case HealthKind::tcp:
      type = "tcp";
      fields = field("target", quoted_json(health.target));
      break;
    case HealthKind::unix_socket:
      type = "unix";
      fields = field("path", quoted_json(health.target));
      break;
    case HealthKind::log:
      type = "log";
      fields = field("regex", quoted_json(health.target));
      break;
    case HealthKind::notify: type = "notify"; break;
  }
  return "{\"type\":\"" + type + "\"" + fields +
         field("interval_s", seconds_text(health.interval.value_or(default_interval))) +
         field("timeout_s", seconds_text(health.timeout)) + "}";
}

// Those that are not as by default: a file of the plain format has none of them.
std::string extras_of(const ServiceSpec& spec) {
  std::string text;
  if (const RestartRules& rules = spec.restart; rules != RestartRules{})
    text += ",\"restart\":{\"policy\":\"" + std::string(to_string(rules.policy)) +
            "\",\"delay_s\":" + seconds_text(rules.delay) + ",\"max_delay_s\":" + seconds_text(rules.max_delay) +
            ",\"limit\":" + std::to_string(rules.limit) + "}";
  if (spec.limits != ServiceLimits{}) {
    std::string limits;
    const auto add = [&](const char* key, const std::string& number) {
      limits += (limits.empty() ? "\"" : ",\"") + std::string(key) + "\":" + number;
    };
    if (spec.limits.memory_max) add("memory_max", std::to_string(*spec.limits.memory_max));
    if (spec.limits.tasks_max) add("tasks_max", std::to_string(*spec.limits.tasks_max));
    if (spec.limits.cpu_quota) add("cpu_quota", std::to_string(*spec.limits.cpu_quota));
    text += ",\"limits\":{" + limits + "}";
  }
  if (const ServiceSandbox& sandbox = spec.sandbox; sandbox != ServiceSandbox{}) {
    const auto word = [](bool flag) { return flag ? "true" : "false"; };
    text += std::string(",\"sandbox\":{\"private_tmp\":") + word(sandbox.private_tmp) +
            ",\"protect_home\":" + word(sandbox.protect_home) +
            ",\"read_only_system\":" + word(sandbox.read_only_system) + ",\"no_network\":" + word(sandbox.no_network) +
            "}";
  }
  if (!spec.needs.empty()) text += ",\"needs\":" + array_of(spec.needs);
  if (!spec.stdout_file.empty()) text += ",\"stdout\":" + quoted_json(spec.stdout_file);
  if (!spec.stderr_file.empty()) text += ",\"stderr\":" + quoted_json(spec.stderr_file);
  if (spec.health.when_unhealthy != WhenUnhealthy::report)
    text +=
        std::string(",\"unhealthy\":\"") + (spec.health.when_unhealthy == WhenUnhealthy::stop ? "stop\"" : "restart\"");
  return text;
}

}  // namespace

std::string seconds_text(microseconds span) { return number_text(static_cast<double>(span.count()) / 1e6); }

std::string to_json(const ServiceSpec& spec) {
  return "{\"name\":" + quoted_json(spec.name) + ",\"cmd\":" + quoted_json(spec.cmd) +
         ",\"args\":" + array_of(spec.args) + ",\"cwd\":" + quoted_json(spec.cwd) + ",\"env\":" + env_of(spec) +
         ",\"ports\":" + ports_of(spec) + ",\"ttl_minutes\":" + std::to_string(spec.ttl_minutes) +
         ",\"attrs\":" + spec.attrs + ",\"healthcheck\":" + health_of(spec) + extras_of(spec) + "}";
}

// Whoever can write the file can start the service, so that a collision on purpose would gain nothing.
std::string digest_of(const ServiceSpec& spec) { return fnv1a_hex(to_json(spec)); }

std::string to_json(const ServiceFile& file) {
  std::string text = file.extended ? "{\"agentctl\":1,\"specs\":[" : "{\"specs\":[";
  for (std::size_t i = 0; i < file.specs.size(); ++i) text += (i > 0 ? "," : "") + to_json(file.specs[i]);
  return text + "],\"written_by\":" + quoted_json(file.written_by) + ",\"wi_id\":" + quoted_json(file.wi_id) + "}";
}

}  // namespace agentctl
