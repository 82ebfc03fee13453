#include <boost/json.hpp>

#include "domain/json_fields.hpp"
#include "domain/launch.hpp"

namespace agentctl {

std::string to_json(const Launch& launch) {
  json::object object;
  object["record"] = record_object(launch.record);
  put(object, "executable", launch.executable);
  put(object, "environment", launch.environment);
  put(object, "registry", launch.registry);
  object["umask"] = launch.umask;
  return json::serialize(object);
}

Launch parse_launch(std::string_view text) {
  json::monotonic_resource memory;
  const json::value value = parse_object(text, &memory);
  const Fields fields(value.get_object());
  return {.record = parse_record_object(fields.required_object("record")),
          .executable = fields.required_text("executable"),
          .environment = fields.texts("environment"),
          .registry = fields.text("registry"),
          .umask = static_cast<int>(fields.number("umask", 0, 0777).value_or(022))};
}

std::string to_json(const AttemptPlan& plan) {
  json::object object;
  object["not_before"] = usec_of(plan.not_before);
  put(object, "expires_at", plan.expires_at);
  return json::serialize(object);
}

AttemptPlan parse_attempt_plan(std::string_view text) {
  json::monotonic_resource memory;
  const json::value value = parse_object(text, &memory);
  const Fields fields(value.get_object());
  return {.not_before = fields.time("not_before").value_or(TimePoint{}), .expires_at = fields.time("expires_at")};
}

std::string to_json(const HostNote& note) {
  json::object object;
  put(object, "invocation_id", note.invocation_id);
  if (note.pid > 0) object["pid"] = note.pid;
  put(object, "started_at", note.started_at);
  put(object, "ready_at", note.ready_at);
  put(object, "terminated_at", note.terminated_at);
  put_number(object, "exit_code", note.exit_code);
  put_number(object, "exit_signal", note.exit_signal);
  if (note.core_dumped) object["core_dumped"] = true;
  put(object, "exited_at", note.exited_at);
  put(object, "start_error", note.start_error);
  put_number(object, "start_status", note.start_status);
  if (note.log_lost > 0) object["log_lost"] = note.log_lost;
  if (note.expired) object["expired"] = true;
  put(object, "unhealthy", note.unhealthy);
  return json::serialize(object);
}

HostNote parse_host_note(std::string_view text) {
  json::monotonic_resource memory;
  const json::value value = parse_object(text, &memory);
  const Fields fields(value.get_object());
  HostNote note;
  note.invocation_id = fields.text("invocation_id");
  note.pid = static_cast<pid_t>(fields.number("pid", 1, INT32_MAX).value_or(0));
  note.started_at = fields.time("started_at");
  note.ready_at = fields.time("ready_at");
  note.terminated_at = fields.time("terminated_at");
  note.exit_code = narrow<int>(fields.number("exit_code", 0, 255));
  note.exit_signal = narrow<int>(fields.number("exit_signal", 1, 64));
  note.core_dumped = fields.flag("core_dumped");
  note.exited_at = fields.time("exited_at");
  note.start_error = fields.text("start_error");
  note.start_status = narrow<int>(fields.number("start_status", 0, 255));
  note.log_lost = static_cast<std::uint64_t>(fields.number("log_lost", 0, INT64_MAX).value_or(0));
  note.expired = fields.flag("expired");
  note.unhealthy = fields.text("unhealthy");
  return note;
}

}  // namespace agentctl
