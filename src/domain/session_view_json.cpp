#include "base/text.hpp"
#include "domain/json_fields.hpp"
#include "domain/session_view.hpp"

namespace agentctl {
namespace {

template <class Number>
json::value number_or_null(const std::optional<Number>& number) {
  if (!number) return nullptr;
  return *number;
}

json::array texts(const std::vector<std::string>& items) {
  json::array array;
  for (const std::string& item : items) array.emplace_back(json::string(to_valid_utf8(item)));
  return array;
}

// Whole seconds as a whole number: a double is always written with an exponent.
json::value seconds_of(microseconds span) {
  if (span.count() % 1'000'000 == 0) return span.count() / 1'000'000;
  return static_cast<double>(span.count()) / 1e6;
}

json::value stopped_by(const Record& record) {
  if (!record.stop) return nullptr;
  const Asker& by = record.stop->by;
  return json::object{{"uid", by.uid},
                      {"user", text_or_null(by.user)},
                      {"pid", by.pid},
                      {"command", text_or_null(by.command)},
                      {"reason", text_or_null(record.stop->reason)}};
}

json::object exit_object(const Exit& exit) {
  return {{"code", number_or_null(exit.code)},
          {"signal", number_or_null(exit.signal)},
          {"result", text_or_null(exit.result)}};
}

json::object attempt_object(const End& end) {
  return {{"state", to_string(end.state)},
          {"reason", text_or_null(end.reason)},
          {"started_at", time_or_null(end.started_at)},
          {"ended_at", time_or_null(end.ended_at)},
          {"exit", exit_object(end.exit)}};
}

json::value health_object(const Session& session) {
  const auto& check = session.record.request.health;
  if (!check) return nullptr;
  const HealthNote note = session.health ? session.health->note : HealthNote{};
  return json::object{{"type", to_string(check->kind)},
                      {"target", text_or_null(check->target)},
                      {"last_checked_at",
                       time_or_null(session.health ? std::optional(session.health->checked_at) : std::nullopt)},
                      {"last_error", text_or_null(note.error)},
                      {"since", time_or_null(note.since)},
                      {"when_unhealthy", to_string(check->when_unhealthy)}};
}

json::value attrs_of(const SessionRequest& request) {
  boost::system::error_code failed;
  json::value attrs = json::parse(request.attrs.empty() ? "{}" : request.attrs, failed);
  return failed || !attrs.is_object() ? json::object() : attrs;
}

json::object session_object(const Session& session) {
  const Record& record = session.record;
  const SessionRequest& request = record.request;
  json::object object;
  object["id"] = record.id;
  object["name"] = request.name;
  object["unit"] = record.unit;
  object["scope"] = to_string(record.scope);
  object["state"] = to_string(session.state);
  object["reason"] = text_or_null(session.reason);
  object["healthy"] = nullptr;
  if (session.healthy) object["healthy"] = *session.healthy;
  object["command"] = texts(request.command);
  object["cwd"] = text_or_null(request.cwd);
  object["project"] = text_or_null(request.project);
  object["group"] = text_or_null(request.group);
  object["agent"] = text_or_null(request.agent);
  object["work_item"] = text_or_null(request.work_item);
  json::object& labels = object["labels"].emplace_object();
  for (const auto& [key, value] : request.labels) labels[key] = to_valid_utf8(value);
  json::array& ports = object["ports"].emplace_array();
  for (const std::uint16_t port : request.ports) ports.emplace_back(port);
  object["attrs"] = attrs_of(request);
  object["pid"] = number_or_null(session.pid);
  object["invocation_id"] = text_or_null(session.invocation_id);
  object["boot_id"] = text_or_null(record.boot_id);
  object["attempt"] = record.attempt;
  object["restarts"] = record.attempt - 1;
  // A record that was rebuilt from its unit does not know.
  object["created_at"] = nullptr;
  if (record.created_at != TimePoint{}) object["created_at"] = format_rfc3339(record.created_at);
  object["started_at"] = time_or_null(session.started_at);
  object["ready_at"] = time_or_null(session.ready_at);
  object["ended_at"] = time_or_null(session.ended_at);
  object["expires_at"] = time_or_null(session.expires_at);
  object["ttl_s"] = nullptr;
  if (request.ttl && *request.ttl != forever) object["ttl_s"] = seconds_of(*request.ttl);
  object["exit"] = exit_object(session.exit);
  object["stopped_by"] = stopped_by(record);
  object["usage"] = json::object{{"cpu_ns", number_or_null(session.usage.cpu_ns)},
                                 {"memory_bytes", number_or_null(session.usage.memory_bytes)},
                                 {"memory_peak_bytes", number_or_null(session.usage.memory_peak_bytes)},
                                 {"processes", number_or_null(session.usage.processes)}};
  object["log_lost"] = session.log_lost;
  object["health"] = health_object(session);
  json::array& attempts = object["attempts"].emplace_array();
  for (const End& end : record.earlier_attempts) attempts.emplace_back(attempt_object(end));
  object["exclusive"] = text_or_null(request.exclusive);
  object["source"] = text_or_null(request.source);
  object["pool"] = text_or_null(request.pool.name);
  object["priority"] = request.pool.priority;
  object["persist"] = request.persist;
  object["on_end"] = text_or_null(request.on_end);
  object["flow"] = text_or_null(record.flow ? record.flow->flow : "");
  object["step"] = text_or_null(record.flow ? record.flow->step : "");
  return object;
}

}  // namespace

std::string to_json(const Session& session) { return json::serialize(session_object(session)); }

std::string to_json(const std::vector<Session>& sessions) {
  std::string text = "[";
  for (const Session& session : sessions) text += (text.size() > 1 ? ",\n " : "") + to_json(session);
  return text + "]";
}

}  // namespace agentctl
