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

// When it was last found healthy, as far as that is known.
json::value last_health_at(const Session& session) {
  if (!session.health || !session.health->note.healthy || !session.health->note.error.empty()) return nullptr;
  return milliseconds(session.health->checked_at);
}

double seconds(microseconds span) { return static_cast<double>(span.count()) / 1e6; }

const char* name_of_target(HealthKind kind) {
  switch (kind) {
    case HealthKind::http: return "url";
    case HealthKind::command: return "cmd";
    case HealthKind::unix_socket: return "path";
    case HealthKind::log: return "regex";
    case HealthKind::tcp:
    case HealthKind::notify: break;
  }
  return "target";
}

// In the words of a services file.
json::value health_check(const std::optional<HealthCheck>& check) {
  if (!check) return nullptr;
  json::object object{{"type", to_string(check->kind)}};
  const bool is_command = check->kind == HealthKind::command;
  if (!check->target.empty()) object[name_of_target(check->kind)] = to_valid_utf8(check->target);
  if (check->expect_status != 0) object["expect_status"] = check->expect_status;
  if (is_command) {
    object["shell"] = check->shell;
    json::array& arguments = object["args"].emplace_array();
    for (const std::string& argument : check->args) arguments.emplace_back(to_valid_utf8(argument));
    if (!check->expect_regex.empty()) object["expect_regex"] = to_valid_utf8(check->expect_regex);
  }
  object["timeout_s"] = seconds(check->timeout);
  if (check->interval) object["interval_s"] = seconds(*check->interval);
  return object;
}

json::object item_of(const Session& session) {
  const SessionRequest& request = session.record.request;
  const json::object view = view_of(session);
  const json::value& command = field(view, "command");
  json::array arguments = command.is_array() ? command.get_array() : json::array();
  json::object item;
  item["name"] = request.name;
  item["pid"] = field(view, "pid");
  item["alive"] = session.pid.has_value() && (session.state == State::starting || session.state == State::running ||
                                              session.state == State::stopping);
  item["healthy"] = session.healthy.value_or(false);
  item["owner_agent"] = field(view, "agent");
  item["owner_wi"] = field(view, "work_item");
  item["owner_project"] = field(view, "project");
  item["attrs"] = field(view, "attrs");
  item["ports"] = field(view, "ports");
  item["started_at"] = milliseconds(session.started_at);
  item["ttl_expires_at"] = milliseconds(session.expires_at);
  item["last_health_at"] = last_health_at(session);
  // The output is in the journal; a file there is only where one was asked for.
  item["log_path"] = nullptr;
  if (!request.stdout_file.empty()) item["log_path"] = to_valid_utf8(request.stdout_file);
  item["cmd"] = arguments.empty() ? json::value(nullptr) : arguments.front();
  if (!arguments.empty()) arguments.erase(arguments.begin());
  item["args"] = std::move(arguments);
  item["cwd"] = field(view, "cwd");
  item["healthcheck"] = health_check(request.health);
  return item;
}

}  // namespace

bool is_managed(const Session& session) {
  return !is_terminal(session.state) && session.record.request.kind == SessionKind::service &&
         session.record.request.health.has_value();
}

std::string managed_item(const Session& session) { return json::serialize(item_of(session)); }

ManagedList managed_list(std::vector<Session> sessions) {
  std::erase_if(sessions, [](const Session& session) { return !is_managed(session); });
  std::sort(sessions.begin(), sessions.end(),
            [](const Session& a, const Session& b) { return a.record.request.name < b.record.request.name; });
  ManagedList list{.items = "[", .tagged = {}};
  for (const Session& session : sessions) {
    json::object item = item_of(session);
    list.items += (list.items.size() > 1 ? ",\n " : "") + json::serialize(item);
    item.erase("last_health_at");
    list.tagged += json::serialize(item);
  }
  list.items += "]";
  return list;
}

}  // namespace agentctl
