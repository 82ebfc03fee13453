#include "domain/session_json.hpp"

#include <array>
#include <boost/json.hpp>

#include "domain/json_fields.hpp"
#include "domain/naming.hpp"

namespace agentctl {
namespace {

constexpr std::int64_t schema_version = 1;
constexpr std::array<const char*, 3> queued_names{"no", "by-asker", "by-anyone"};

json::object restart_object(const RestartRules& rules) {
  json::object object;
  object["policy"] = to_string(rules.policy);
  object["delay_usec"] = rules.delay.count();
  object["max_delay_usec"] = rules.max_delay.count();
  object["early_usec"] = rules.early.count();
  object["limit"] = rules.limit;
  json::array& never_on = object["never_on"].emplace_array();
  for (const int code : rules.never_on) never_on.emplace_back(code);
  return object;
}

RestartRules parse_restart(const json::object& object) {
  const Fields fields(object);
  RestartRules rules;
  const auto policy = parse_restart_policy(fields.required_text("policy"));
  if (!policy) refuse("policy", "must be no, on-failure or always");
  rules.policy = *policy;
  const auto span = [&](std::string_view key, microseconds& value) {
    if (const auto usec = fields.number(key, 1, INT64_MAX)) value = microseconds(*usec);
  };
  span("delay_usec", rules.delay);
  span("max_delay_usec", rules.max_delay);
  span("early_usec", rules.early);
  if (const auto limit = fields.number("limit", 1, max_restart_limit)) rules.limit = static_cast<int>(*limit);
  rules.never_on.clear();
  for (const json::value& code : fields.array("never_on")) {
    boost::system::error_code failed;
    const auto number = code.to_number<std::uint8_t>(failed);
    if (failed) refuse("never_on", "must hold exit codes");
    rules.never_on.push_back(number);
  }
  return rules;
}

json::object pool_object(const PoolRequest& pool) {
  json::object object;
  put(object, "name", pool.name);
  if (pool.max > 0) object["max"] = pool.max;
  if (pool.priority != 0) object["priority"] = pool.priority;
  return object;
}

PoolRequest parse_pool(const json::object& object) {
  const Fields fields(object);
  return {.name = fields.required_text("name"),
          .max = static_cast<int>(fields.number("max", 1, INT32_MAX).value_or(0)),
          .priority = static_cast<int>(fields.number("priority", lowest_priority, highest_priority).value_or(0))};
}

json::object limits_object(const ServiceLimits& limits) {
  json::object object;
  put_number(object, "memory_max", limits.memory_max);
  put_number(object, "tasks_max", limits.tasks_max);
  put_number(object, "cpu_quota", limits.cpu_quota);
  return object;
}

ServiceLimits parse_limits(const json::object& object) {
  const Fields fields(object);
  return {.memory_max = narrow<std::uint64_t>(fields.number("memory_max", 1, INT64_MAX)),
          .tasks_max = narrow<std::uint64_t>(fields.number("tasks_max", 1, INT64_MAX)),
          .cpu_quota = narrow<int>(fields.number("cpu_quota", 1, INT32_MAX))};
}

json::object sandbox_object(const ServiceSandbox& sandbox) {
  return {{"private_tmp", sandbox.private_tmp},
          {"protect_home", sandbox.protect_home},
          {"read_only_system", sandbox.read_only_system},
          {"no_network", sandbox.no_network}};
}

ServiceSandbox parse_sandbox(const json::object& object) {
  const Fields fields(object);
  return {.private_tmp = fields.flag("private_tmp"),
          .protect_home = fields.flag("protect_home"),
          .read_only_system = fields.flag("read_only_system"),
          .no_network = fields.flag("no_network")};
}

json::object request_object(const SessionRequest& request) {
  json::object object;
  put(object, "name", request.name);
  put(object, "command", request.command);
  put(object, "cwd", request.cwd);
  object["kind"] = to_string(request.kind);
  put(object, "project", request.project);
  put(object, "group", request.group);
  put(object, "agent", request.agent);
  put(object, "work_item", request.work_item);
  for (const auto& [key, value] : request.labels) {
    if (!object.contains("labels")) object["labels"].emplace_object();
    object["labels"].get_object()[key] = encode(value);
  }
  for (const std::uint16_t port : request.ports) {
    if (!object.contains("ports")) object["ports"].emplace_array();
    object["ports"].get_array().emplace_back(port);
  }
  if (request.ttl) object["ttl_usec"] = request.ttl->count();
  if (request.stop_timeout != default_stop_timeout) object["stop_timeout_usec"] = request.stop_timeout.count();
  put(object, "stdout_file", request.stdout_file);
  put(object, "stderr_file", request.stderr_file);
  if (request.log_max != default_log_max) object["log_max"] = request.log_max;
  if (request.clean_env) object["clean_env"] = true;
  if (request.bare_env) object["bare_env"] = true;
  put(object, "env_keys", request.env_keys);
  put(object, "env_file", request.env_file);
  put(object, "user", request.user);
  if (!request.exclusive.empty() || !request.source.empty()) {
    json::object& only_one = object["only_one"].emplace_object();
    put(only_one, "key", request.exclusive);
    put(only_one, "source", request.source);
  }
  if (request.restart.policy != RestartPolicy::no) object["restart"] = restart_object(request.restart);
  if (request.health) object["health"] = health_object(*request.health);
  put(object, "spec_digest", request.spec_digest);
  put(object, "attrs", request.attrs);
  if (request.limits != ServiceLimits{}) object["limits"] = limits_object(request.limits);
  if (request.sandbox != ServiceSandbox{}) object["sandbox"] = sandbox_object(request.sandbox);
  if (!request.pool.name.empty()) object["pool"] = pool_object(request.pool);
  if (request.persist) object["persist"] = true;
  put(object, "on_end", request.on_end);
  if (request.adopted) object["adopted"] = true;
  return object;
}

SessionRequest parse_request(const json::object& object) {
  const Fields fields(object);
  SessionRequest request;
  request.name = fields.required_text("name");
  if (!is_valid_name(request.name)) refuse("name", "must be a session's name");
  request.command = fields.texts("command");
  if (request.command.empty()) refuse("command", "must not be empty");
  request.cwd = fields.text("cwd");
  const std::string kind = fields.required_text("kind");
  if (kind != "service" && kind != "scope") refuse("kind", "must be service or scope");
  request.kind = kind == "scope" ? SessionKind::scope : SessionKind::service;
  request.project = fields.text("project");
  request.group = fields.text("group");
  request.agent = fields.text("agent");
  request.work_item = fields.text("work_item");
  if (const json::object* labels = fields.object("labels"))
    for (const auto& label : *labels) request.labels[std::string(label.key())] = Fields(*labels).text(label.key());
  for (const json::value& port : fields.array("ports")) {
    boost::system::error_code failed;
    const auto number = port.to_number<std::uint16_t>(failed);
    if (failed) refuse("ports", "must hold port numbers");
    request.ports.push_back(number);
  }
  if (const auto ttl = fields.number("ttl_usec", 1, INT64_MAX)) request.ttl = microseconds(*ttl);
  if (const auto timeout = fields.number("stop_timeout_usec", 0, INT64_MAX))
    request.stop_timeout = microseconds(*timeout);
  request.stdout_file = fields.text("stdout_file");
  request.stderr_file = fields.text("stderr_file");
  request.log_max = static_cast<std::uint64_t>(fields.number("log_max", 0, INT64_MAX).value_or(default_log_max));
  request.clean_env = fields.flag("clean_env");
  request.bare_env = fields.flag("bare_env");
  request.env_keys = fields.texts("env_keys");
  request.env_file = fields.text("env_file");
  request.user = fields.text("user");
  if (const json::object* only_one = fields.object("only_one")) {
    request.exclusive = Fields(*only_one).text("key");
    request.source = Fields(*only_one).text("source");
  }
  if (const json::object* restart = fields.object("restart")) request.restart = parse_restart(*restart);
  if (const json::object* health = fields.object("health")) request.health = parse_health(*health);
  request.spec_digest = fields.text("spec_digest");
  request.attrs = fields.text("attrs");
  if (const json::object* limits = fields.object("limits")) request.limits = parse_limits(*limits);
  if (const json::object* sandbox = fields.object("sandbox")) request.sandbox = parse_sandbox(*sandbox);
  if (const json::object* pool = fields.object("pool")) request.pool = parse_pool(*pool);
  request.persist = fields.flag("persist");
  request.on_end = fields.text("on_end");
  request.adopted = fields.flag("adopted");
  return request;
}

json::object end_object(const End& end) {
  json::object object;
  object["state"] = to_string(end.state);
  put(object, "reason", end.reason);
  put_number(object, "exit_code", end.exit.code);
  put_number(object, "exit_signal", end.exit.signal);
  put(object, "result", end.exit.result);
  put(object, "started_at", end.started_at);
  put(object, "ready_at", end.ready_at);
  put(object, "ended_at", end.ended_at);
  put_number(object, "pid", end.pid);
  put(object, "invocation_id", end.invocation_id);
  put_number(object, "cpu_ns", end.usage.cpu_ns);
  put_number(object, "memory_peak_bytes", end.usage.memory_peak_bytes);
  if (end.log_lost > 0) object["log_lost"] = end.log_lost;
  return object;
}

End parse_end(const json::object& object) {
  const Fields fields(object);
  const auto state = parse_state(fields.required_text("state"));
  if (!state || (!is_terminal(*state) && *state != State::restarting)) refuse("state", "must be a terminal state");
  End end;
  end.state = *state;
  end.reason = fields.text("reason");
  end.exit.code = narrow<int>(fields.number("exit_code", 0, 255));
  end.exit.signal = narrow<int>(fields.number("exit_signal", 1, 64));
  end.exit.result = fields.text("result");
  end.started_at = fields.time("started_at");
  end.ready_at = fields.time("ready_at");
  end.ended_at = fields.time("ended_at");
  end.pid = narrow<pid_t>(fields.number("pid", 1, INT32_MAX));
  end.invocation_id = fields.text("invocation_id");
  end.usage.cpu_ns = narrow<std::uint64_t>(fields.number("cpu_ns", 0, INT64_MAX));
  end.usage.memory_peak_bytes = narrow<std::uint64_t>(fields.number("memory_peak_bytes", 0, INT64_MAX));
  end.log_lost = static_cast<std::uint64_t>(fields.number("log_lost", 0, INT64_MAX).value_or(0));
  return end;
}

json::object flow_object(const FlowStep& step) {
  json::object object;
  put(object, "name", step.flow);
  put(object, "id", step.flow_id);
  put(object, "step", step.step);
  return object;
}

FlowStep parse_flow_step(const json::object& object) {
  const Fields fields(object);
  FlowStep step;
  step.flow = fields.required_text("name");
  step.flow_id = fields.required_text("id");
  step.step = fields.required_text("step");
  if (!is_valid_id(step.flow_id)) refuse("flow", "must have a flow's id");
  return step;
}

Queued parse_queued(std::string_view text) {
  for (std::size_t i = 0; i < queued_names.size(); ++i)
    if (text == queued_names[i]) return static_cast<Queued>(i);
  refuse("queued", "must be by-asker or by-anyone");
}

json::object retry_object(const Record& record) {
  json::object object;
  object["early_ends"] = record.early_ends;
  put(object, "at", record.retry_at);
  put(object, "first_started_at", record.first_started_at);
  return object;
}

void parse_retry(Record& record, const json::object& object) {
  const Fields fields(object);
  record.early_ends = static_cast<int>(fields.number("early_ends", 0, max_restart_limit).value_or(0));
  record.retry_at = fields.time("at");
  record.first_started_at = fields.time("first_started_at");
}

}  // namespace

json::object asker_object(const Asker& asker) {
  json::object object;
  object["uid"] = asker.uid;
  put(object, "user", asker.user);
  object["pid"] = asker.pid;
  put(object, "command", asker.command);
  return object;
}

Asker parse_asker(const json::object& object) {
  const Fields fields(object);
  return {.uid = static_cast<uid_t>(fields.number("uid", 0, 0xffffffff).value_or(0)),
          .user = fields.text("user"),
          .pid = static_cast<pid_t>(fields.number("pid", 0, INT32_MAX).value_or(0)),
          .command = fields.text("command")};
}

json::object stop_object(const StopRequest& stop) {
  json::object object;
  object["by"] = asker_object(stop.by);
  put(object, "reason", stop.reason);
  object["at"] = usec_of(stop.at);
  if (stop.timeout) object["timeout_usec"] = stop.timeout->count();
  return object;
}

StopRequest parse_stop(const json::object& object) {
  const Fields fields(object);
  StopRequest stop{.by = parse_asker(fields.required_object("by")),
                   .reason = fields.text("reason"),
                   .at = fields.time("at").value_or(TimePoint{})};
  if (const auto timeout = fields.number("timeout_usec", 0, INT64_MAX)) stop.timeout = microseconds(*timeout);
  return stop;
}

json::object record_object(const Record& record) {
  json::object object;
  object["schema"] = schema_version;
  put(object, "id", record.id);
  put(object, "unit", record.unit);
  put(object, "slice", record.slice);
  object["scope"] = to_string(record.scope);
  object["request"] = request_object(record.request);
  object["created_by"] = asker_object(record.created_by);
  object["created_at"] = usec_of(record.created_at);
  put(object, "boot_id", record.boot_id);
  if (record.queued != Queued::no) object["queued"] = queued_names[static_cast<std::size_t>(record.queued)];
  if (record.flow) object["flow"] = flow_object(*record.flow);
  if (record.attempt > 1) object["attempt"] = record.attempt;
  for (const End& earlier : record.earlier_attempts) {
    if (!object.contains("earlier_attempts")) object["earlier_attempts"].emplace_array();
    object["earlier_attempts"].get_array().emplace_back(end_object(earlier));
  }
  if (record.retry_at || record.first_started_at) object["retry"] = retry_object(record);
  put(object, "expires_at", record.expires_at);
  if (record.stop) object["stop"] = stop_object(*record.stop);
  if (record.restart_by) object["restart_by"] = asker_object(*record.restart_by);
  if (record.end) object["end"] = end_object(*record.end);
  return object;
}

Record parse_record_object(const json::object& object) {
  const Fields fields(object);
  if (fields.number("schema", 1, INT64_MAX).value_or(0) != schema_version)
    refuse("schema", "is of another agentctl version");
  Record record;
  record.id = fields.required_text("id");
  if (!is_valid_id(record.id)) refuse("id", "must be a session's id");
  record.unit = fields.required_text("unit");
  record.slice = fields.text("slice");
  if (!record.slice.empty() && !is_slice_name(record.slice)) refuse("slice", "must be a slice of agentctl's");
  const std::string scope = fields.required_text("scope");
  if (scope != "user" && scope != "system") refuse("scope", "must be user or system");
  record.scope = scope == "system" ? ManagerScope::system : ManagerScope::user;
  record.request = parse_request(fields.required_object("request"));
  if (record.unit != unit_name(record.request.name, record.request.kind)) refuse("unit", "must be the session's unit");
  record.created_by = parse_asker(fields.required_object("created_by"));
  record.created_at = fields.time("created_at").value_or(TimePoint{});
  record.boot_id = fields.text("boot_id");
  if (const std::string queued = fields.text("queued"); !queued.empty()) record.queued = parse_queued(queued);
  if (const json::object* flow = fields.object("flow")) record.flow = parse_flow_step(*flow);
  record.attempt = static_cast<int>(fields.number("attempt", 1, INT32_MAX).value_or(1));
  for (const json::value& earlier : fields.array("earlier_attempts")) {
    if (!earlier.is_object()) refuse("earlier_attempts", "must hold objects");
    record.earlier_attempts.push_back(parse_end(earlier.get_object()));
  }
  if (const json::object* retry = fields.object("retry")) parse_retry(record, *retry);
  record.expires_at = fields.time("expires_at");
  if (const json::object* stop = fields.object("stop")) record.stop = parse_stop(*stop);
  if (const json::object* by = fields.object("restart_by")) record.restart_by = parse_asker(*by);
  if (const json::object* end = fields.object("end")) record.end = parse_end(*end);
  if (record.end && !is_terminal(record.end->state)) refuse("state", "must be a terminal state");
  return record;
}

std::string to_json(const Record& record) { return json::serialize(record_object(record)) + "\n"; }

Record parse_record(std::string_view text) {
  // Enough for most: a list parses thousands.
  std::array<unsigned char, 4096> buffer;
  json::monotonic_resource memory(buffer.data(), buffer.size());
  return parse_record_object(parse_object(text, &memory).get_object());
}

}  // namespace agentctl
