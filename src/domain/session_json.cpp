#include "domain/session_json.hpp"

#include <array>
#include <boost/json.hpp>

#include "base/error.hpp"
#include "base/text.hpp"
#include "domain/launch.hpp"
#include "domain/naming.hpp"

namespace agentctl {
namespace {

namespace json = boost::json;

constexpr std::int64_t schema_version = 1;

[[noreturn]] void refuse(std::string_view field, std::string_view rule) {
  throw Error({.code = ErrorCode::failed,
               .context = "invalid JSON",
               .object = std::string(field),
               .reason = std::string(rule),
               .hint = {}});
}

// Bytes that are no UTF-8 (a file name, an argument) cannot be JSON text. They are written as U+0000 followed by two
// hexadecimal digits, which is unambiguous because no argument, path or variable can contain NUL.
json::string encode(std::string_view bytes) {
  if (is_valid_utf8(bytes)) return json::string(bytes);
  json::string text;
  while (!bytes.empty()) {
    std::size_t length = std::min<std::size_t>(4, bytes.size());
    while (length > 0 && (!is_valid_utf8(bytes.substr(0, length)) || count_columns(bytes.substr(0, length)) != 1))
      --length;
    if (length > 0) {
      text.append(bytes.substr(0, length));
      bytes.remove_prefix(length);
    } else {
      constexpr std::string_view digits = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(bytes.front());
      text.push_back('\0');
      text.push_back(digits[byte >> 4]);
      text.push_back(digits[byte & 15]);
      bytes.remove_prefix(1);
    }
  }
  return text;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::string decode(std::string_view field, std::string_view text) {
  if (text.find('\0') == std::string_view::npos) return std::string(text);
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\0') {
      bytes += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0 || high * 16 + low == 0) refuse(field, "must not contain NUL");
    bytes += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return bytes;
}

/// Typed access to one object's fields; every mismatch names the field.
class Fields {
 public:
  explicit Fields(const json::object& object) : object_(object) {}

  const json::value* find(std::string_view key) const {
    const json::value* value = object_.if_contains(key);
    return value != nullptr && !value->is_null() ? value : nullptr;
  }

  std::string text(std::string_view key) const {
    const json::value* value = find(key);
    if (value == nullptr) return {};
    if (!value->is_string()) refuse(key, "must be a string");
    return decode(key, value->get_string());
  }

  std::string required_text(std::string_view key) const {
    std::string value = text(key);
    if (value.empty()) refuse(key, "must be a string and not empty");
    return value;
  }

  std::optional<std::int64_t> number(std::string_view key, std::int64_t low, std::int64_t high) const {
    const json::value* value = find(key);
    if (value == nullptr) return std::nullopt;
    boost::system::error_code failed;
    const auto number = value->to_number<std::int64_t>(failed);
    if (failed || number < low || number > high) refuse(key, "must be a whole number in its range");
    return number;
  }

  bool flag(std::string_view key) const {
    const json::value* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_bool()) refuse(key, "must be true or false");
    return value->get_bool();
  }

  std::optional<TimePoint> time(std::string_view key) const {
    const auto usec = number(key, 0, INT64_MAX);
    if (!usec) return std::nullopt;
    return TimePoint(microseconds(*usec));
  }

  std::vector<std::string> texts(std::string_view key) const {
    std::vector<std::string> items;
    for (const json::value& value : array(key)) {
      if (!value.is_string()) refuse(key, "must hold strings only");
      items.push_back(decode(key, value.get_string()));
    }
    return items;
  }

  const json::array& array(std::string_view key) const {
    static const json::array none;
    const json::value* value = find(key);
    if (value == nullptr) return none;
    if (!value->is_array()) refuse(key, "must be an array");
    return value->get_array();
  }

  const json::object* object(std::string_view key) const {
    const json::value* value = find(key);
    if (value == nullptr) return nullptr;
    if (!value->is_object()) refuse(key, "must be an object");
    return &value->get_object();
  }

  const json::object& required_object(std::string_view key) const {
    const json::object* value = object(key);
    if (value == nullptr) refuse(key, "must be an object");
    return *value;
  }

 private:
  const json::object& object_;
};

std::int64_t usec_of(TimePoint time) { return time.time_since_epoch().count(); }

void put(json::object& object, std::string_view key, std::string_view text) {
  if (!text.empty()) object[key] = encode(text);
}

void put(json::object& object, std::string_view key, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  json::array& array = object[key].emplace_array();
  for (const std::string& text : texts) array.emplace_back(encode(text));
}

void put(json::object& object, std::string_view key, const std::optional<TimePoint>& time) {
  if (time) object[key] = usec_of(*time);
}

template <class Integer>
void put_number(json::object& object, std::string_view key, const std::optional<Integer>& number) {
  if (number) object[key] = *number;
}

template <class Integer>
std::optional<Integer> narrow(std::optional<std::int64_t> number) {
  if (!number) return std::nullopt;
  return static_cast<Integer>(*number);
}

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
  object["stop_timeout_usec"] = request.stop_timeout.count();
  put(object, "stdout_file", request.stdout_file);
  put(object, "stderr_file", request.stderr_file);
  if (request.clean_env) object["clean_env"] = true;
  put(object, "env_keys", request.env_keys);
  put(object, "env_file", request.env_file);
  put(object, "user", request.user);
  put(object, "exclusive", request.exclusive);
  put(object, "source", request.source);
  if (request.restart.policy != RestartPolicy::no) object["restart"] = restart_object(request.restart);
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
  request.stop_timeout = microseconds(fields.number("stop_timeout_usec", 0, INT64_MAX).value_or(5'000'000));
  request.stdout_file = fields.text("stdout_file");
  request.stderr_file = fields.text("stderr_file");
  request.clean_env = fields.flag("clean_env");
  request.env_keys = fields.texts("env_keys");
  request.env_file = fields.text("env_file");
  request.user = fields.text("user");
  request.exclusive = fields.text("exclusive");
  request.source = fields.text("source");
  if (const json::object* restart = fields.object("restart")) request.restart = parse_restart(*restart);
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
  end.ended_at = fields.time("ended_at");
  end.pid = narrow<pid_t>(fields.number("pid", 1, INT32_MAX));
  end.invocation_id = fields.text("invocation_id");
  end.usage.cpu_ns = narrow<std::uint64_t>(fields.number("cpu_ns", 0, INT64_MAX));
  end.usage.memory_peak_bytes = narrow<std::uint64_t>(fields.number("memory_peak_bytes", 0, INT64_MAX));
  end.log_lost = static_cast<std::uint64_t>(fields.number("log_lost", 0, INT64_MAX).value_or(0));
  return end;
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
  object["attempt"] = record.attempt;
  for (const End& earlier : record.earlier_attempts) {
    if (!object.contains("earlier_attempts")) object["earlier_attempts"].emplace_array();
    object["earlier_attempts"].get_array().emplace_back(end_object(earlier));
  }
  if (record.early_ends > 0) object["early_ends"] = record.early_ends;
  put(object, "retry_at", record.retry_at);
  put(object, "first_started_at", record.first_started_at);
  put(object, "expires_at", record.expires_at);
  if (record.stop) {
    json::object stop;
    stop["by"] = asker_object(record.stop->by);
    put(stop, "reason", record.stop->reason);
    stop["at"] = usec_of(record.stop->at);
    object["stop"] = std::move(stop);
  }
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
  const std::string scope = fields.required_text("scope");
  if (scope != "user" && scope != "system") refuse("scope", "must be user or system");
  record.scope = scope == "system" ? ManagerScope::system : ManagerScope::user;
  record.request = parse_request(fields.required_object("request"));
  record.unit = fields.required_text("unit");
  if (record.unit != unit_name(record.request.name, record.request.kind)) refuse("unit", "must be the session's unit");
  record.slice = fields.text("slice");
  if (!record.slice.empty() && !is_slice_name(record.slice)) refuse("slice", "must be a slice of agentctl's");
  record.created_by = parse_asker(fields.required_object("created_by"));
  record.created_at = fields.time("created_at").value_or(TimePoint{});
  record.boot_id = fields.text("boot_id");
  record.attempt = static_cast<int>(fields.number("attempt", 1, INT32_MAX).value_or(1));
  for (const json::value& earlier : fields.array("earlier_attempts")) {
    if (!earlier.is_object()) refuse("earlier_attempts", "must hold objects");
    record.earlier_attempts.push_back(parse_end(earlier.get_object()));
  }
  record.early_ends = static_cast<int>(fields.number("early_ends", 0, max_restart_limit).value_or(0));
  record.retry_at = fields.time("retry_at");
  record.first_started_at = fields.time("first_started_at");
  record.expires_at = fields.time("expires_at");
  if (const json::object* stop = fields.object("stop")) {
    const Fields stop_fields(*stop);
    record.stop = StopRequest{.by = parse_asker(stop_fields.required_object("by")),
                              .reason = stop_fields.text("reason"),
                              .at = stop_fields.time("at").value_or(TimePoint{})};
  }
  if (const json::object* by = fields.object("restart_by")) record.restart_by = parse_asker(*by);
  if (const json::object* end = fields.object("end")) record.end = parse_end(*end);
  if (record.end && !is_terminal(record.end->state)) refuse("state", "must be a terminal state");
  return record;
}

json::value parse_object(std::string_view text, json::storage_ptr storage) {
  boost::system::error_code failed;
  json::parse_options options;
  options.max_depth = 16;
  json::value value = json::parse(text, failed, std::move(storage), options);
  if (failed) refuse({}, failed.message());
  if (!value.is_object()) refuse({}, "must be an object");
  return value;
}

}  // namespace

std::string to_json(const Record& record) { return json::serialize(record_object(record)) + "\n"; }

Record parse_record(std::string_view text) {
  // Enough for most: a list parses thousands.
  std::array<unsigned char, 4096> buffer;
  json::monotonic_resource memory(buffer.data(), buffer.size());
  return parse_record_object(parse_object(text, &memory).get_object());
}

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
  put(object, "terminated_at", note.terminated_at);
  put_number(object, "exit_code", note.exit_code);
  put_number(object, "exit_signal", note.exit_signal);
  if (note.core_dumped) object["core_dumped"] = true;
  put(object, "exited_at", note.exited_at);
  put(object, "start_error", note.start_error);
  put_number(object, "start_status", note.start_status);
  if (note.log_lost > 0) object["log_lost"] = note.log_lost;
  if (note.expired) object["expired"] = true;
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
  note.terminated_at = fields.time("terminated_at");
  note.exit_code = narrow<int>(fields.number("exit_code", 0, 255));
  note.exit_signal = narrow<int>(fields.number("exit_signal", 1, 64));
  note.core_dumped = fields.flag("core_dumped");
  note.exited_at = fields.time("exited_at");
  note.start_error = fields.text("start_error");
  note.start_status = narrow<int>(fields.number("start_status", 0, 255));
  note.log_lost = static_cast<std::uint64_t>(fields.number("log_lost", 0, INT64_MAX).value_or(0));
  note.expired = fields.flag("expired");
  return note;
}

}  // namespace agentctl
