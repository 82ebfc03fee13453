#include "domain/event.hpp"
#include "domain/json_fields.hpp"

namespace agentctl {

std::string to_json(const Event& event) {
  const Record& record = event.record;
  return json::serialize(
      json::object{{"time", format_rfc3339(event.at)},
                   {"session", record.id},
                   {"name", record.request.name},
                   {"state", to_string(event.state)},
                   {"before", event.before ? json::value(to_string(*event.before)) : json::value(nullptr)},
                   {"reason", text_or_null(event.reason)},
                   {"attempt", event.attempt},
                   {"project", text_or_null(record.request.project)},
                   {"group", text_or_null(record.request.group)},
                   {"flow", text_or_null(record.flow ? record.flow->flow : "")},
                   {"step", text_or_null(record.flow ? record.flow->step : "")}});
}

}  // namespace agentctl
