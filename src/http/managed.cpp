#include "http/managed.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "base/text.hpp"

namespace agentctl {
namespace {

namespace json = boost::json;

json::object view_of(const Session& session) { return json::parse(to_json(session)).as_object(); }

const json::value& field(const json::object& view, std::string_view key) {
  static const json::value none;
  const json::value* value = view.if_contains(key);
  return value != nullptr ? *value : none;
}

json::value milliseconds(const std::optional<TimePoint>& time) {
  if (!time) return nullptr;
  return std::chrono::duration_cast<std::chrono::milliseconds>(time->time_since_epoch()).count();
}

// When it was last found healthy, in milliseconds.
json::value last_health_at(const json::object& view) {
  const json::value& health = field(view, "health");
  if (!health.is_object()) return nullptr;
  const json::value& healthy_at = field(health.get_object(), "last_healthy_at");
  const json::value& checked_at = field(health.get_object(), "last_checked_at");
  const json::value& at = healthy_at.is_string() || field(view, "healthy") != true ? healthy_at : checked_at;
  if (!at.is_string()) return nullptr;
  const json::string& text = at.get_string();
  return milliseconds(parse_rfc3339({text.data(), text.size()}));
}

// What was asked for, without what came of it.
json::value health_check(const json::object& view) {
  const json::value& health = field(view, "health");
  if (!health.is_object()) return nullptr;
  json::object check;
  for (const auto& [key, value] : health.get_object())
    if (!key.starts_with("last_")) check[key] = value;
  return check;
}

}  // namespace

bool is_managed(const Session& session) {
  return !is_terminal(session.state) && session.record.request.kind == SessionKind::service &&
         !field(view_of(session), "health").is_null();
}

std::string managed_item(const Session& session) {
  const SessionRequest& request = session.record.request;
  const json::object view = view_of(session);
  const json::value& command = field(view, "command");
  json::array arguments = command.is_array() ? command.get_array() : json::array();
  json::object item;
  item["name"] = request.name;
  item["pid"] = field(view, "pid");
  item["alive"] = session.pid.has_value() && (session.state == State::starting || session.state == State::running ||
                                              session.state == State::stopping);
  item["healthy"] = field(view, "healthy") == true;
  item["owner_agent"] = field(view, "agent");
  item["owner_wi"] = field(view, "work_item");
  item["owner_project"] = field(view, "project");
  item["attrs"] = field(view, "attrs");
  item["ports"] = field(view, "ports");
  item["started_at"] = milliseconds(session.started_at);
  item["ttl_expires_at"] = milliseconds(session.expires_at);
  item["last_health_at"] = last_health_at(view);
  // The output is in the journal; a file there is only where one was asked for.
  item["log_path"] = nullptr;
  if (!request.stdout_file.empty()) item["log_path"] = to_valid_utf8(request.stdout_file);
  item["cmd"] = arguments.empty() ? json::value(nullptr) : arguments.front();
  if (!arguments.empty()) arguments.erase(arguments.begin());
  item["args"] = std::move(arguments);
  item["cwd"] = field(view, "cwd");
  item["healthcheck"] = health_check(view);
  return json::serialize(item);
}

std::string managed_items(std::vector<Session> sessions) {
  std::erase_if(sessions, [](const Session& session) { return !is_managed(session); });
  std::sort(sessions.begin(), sessions.end(),
            [](const Session& a, const Session& b) { return a.record.request.name < b.record.request.name; });
  std::string items = "[";
  for (const Session& session : sessions) items += (items.size() > 1 ? ",\n " : "") + managed_item(session);
  return items + "]";
}

}  // namespace agentctl
