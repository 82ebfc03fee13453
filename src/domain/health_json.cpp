#include "domain/health.hpp"
#include "domain/json_fields.hpp"

namespace agentctl {

json::object health_object(const HealthCheck& check) {
  json::object object;
  object["kind"] = to_string(check.kind);
  put(object, "target", check.target);
  if (check.expect_status != 0) object["expect_status"] = check.expect_status;
  if (!check.shell) object["no_shell"] = true;
  put(object, "args", check.args);
  put(object, "expect_regex", check.expect_regex);
  if (check.interval) object["interval_usec"] = check.interval->count();
  object["timeout_usec"] = check.timeout.count();
  if (check.when_unhealthy != WhenUnhealthy::report) object["when_unhealthy"] = to_string(check.when_unhealthy);
  return object;
}

HealthCheck parse_health(const json::object& object) {
  const Fields fields(object);
  HealthCheck check;
  const auto kind = parse_health_kind(fields.required_text("kind"));
  if (!kind) refuse("kind", "must be a kind of health check");
  check.kind = *kind;
  check.target = fields.text("target");
  check.expect_status = static_cast<int>(fields.number("expect_status", 100, 599).value_or(0));
  check.shell = !fields.flag("no_shell");
  check.args = fields.texts("args");
  check.expect_regex = fields.text("expect_regex");
  if (const auto interval = fields.number("interval_usec", 1, INT64_MAX)) check.interval = microseconds(*interval);
  check.timeout = microseconds(fields.number("timeout_usec", 1, INT64_MAX).value_or(check.timeout.count()));
  if (const std::string what = fields.text("when_unhealthy"); !what.empty()) {
    const auto when = parse_when_unhealthy(what);
    if (!when) refuse("when_unhealthy", "must be report, restart or stop");
    check.when_unhealthy = *when;
  }
  return check;
}

std::string to_json(const HealthNote& note) {
  json::object object;
  if (note.healthy) object["healthy"] = true;
  put(object, "since", note.since);
  put(object, "error", note.error);
  return json::serialize(object) + "\n";
}

HealthNote parse_health_note(std::string_view text) {
  const json::value value = parse_object(text, {});
  const Fields fields(value.get_object());
  HealthNote note;
  note.healthy = fields.flag("healthy");
  note.since = fields.time("since");
  note.error = fields.text("error");
  return note;
}

}  // namespace agentctl
