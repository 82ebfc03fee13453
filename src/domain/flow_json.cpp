#include <algorithm>

#include "domain/flow.hpp"
#include "domain/json_fields.hpp"
#include "domain/naming.hpp"

namespace agentctl {
namespace {

json::object step_object(const Step& step) {
  json::object object;
  put(object, "name", step.name);
  put(object, "session", step.session);
  put(object, "session_id", step.session_id);
  put(object, "needs", step.needs);
  put(object, "gate", step.gate);
  if (step.may_fail) object["may_fail"] = true;
  return object;
}

Step parse_step(const json::value& value) {
  if (!value.is_object()) refuse("steps", "must hold objects");
  const Fields fields(value.get_object());
  Step step{.name = fields.required_text("name"),
            .session = fields.required_text("session"),
            .session_id = fields.required_text("session_id"),
            .needs = fields.texts("needs"),
            .gate = fields.text("gate"),
            .may_fail = fields.flag("may_fail")};
  if (!is_valid_name(step.session) || !is_valid_id(step.session_id)) refuse("steps", "must be sessions");
  return step;
}

json::object standing_object(const StepStanding& standing) {
  json::object object;
  object["state"] = to_string(standing.state);
  put(object, "reason", standing.reason);
  put(object, "started_at", standing.started_at);
  put(object, "ended_at", standing.ended_at);
  return object;
}

StepStanding parse_standing(const json::value& value) {
  if (!value.is_object()) refuse("steps", "must hold objects");
  const Fields fields(value.get_object());
  const auto state = parse_state(fields.required_text("state"));
  if (!state || !is_terminal(*state)) refuse("state", "must be a terminal state");
  return {.state = *state,
          .reason = fields.text("reason"),
          .started_at = fields.time("started_at"),
          .ended_at = fields.time("ended_at")};
}

json::object end_object(const FlowEnd& end) {
  json::object object;
  object["state"] = to_string(end.state);
  put(object, "reason", end.reason);
  object["at"] = usec_of(end.at);
  json::array& steps = object["steps"].emplace_array();
  for (const StepStanding& standing : end.steps) steps.emplace_back(standing_object(standing));
  return object;
}

FlowEnd parse_end(const json::object& object, std::size_t steps) {
  const Fields fields(object);
  const auto state = parse_flow_state(fields.required_text("state"));
  if (!state || !is_terminal(*state)) refuse("state", "must be a terminal state");
  FlowEnd end{
      .state = *state, .reason = fields.text("reason"), .at = fields.time("at").value_or(TimePoint{}), .steps = {}};
  for (const json::value& standing : fields.array("steps")) end.steps.push_back(parse_standing(standing));
  if (end.steps.size() != steps) refuse("end", "must tell of each step");
  return end;
}

void check_needs(const Flow& flow) {
  for (const Step& step : flow.steps)
    for (const std::string& need : step.needs)
      if (std::none_of(flow.steps.begin(), flow.steps.end(), [&](const Step& other) { return other.name == need; }))
        refuse("needs", "must name steps");
}

}  // namespace

std::string to_json(const Flow& flow) {
  json::object object;
  object["schema"] = 1;
  put(object, "id", flow.id);
  put(object, "name", flow.name);
  put(object, "key", flow.key);
  put(object, "project", flow.project);
  object["created_by"] = asker_object(flow.created_by);
  object["created_at"] = usec_of(flow.created_at);
  if (flow.goes_on) object["goes_on"] = true;
  json::array& steps = object["steps"].emplace_array();
  for (const Step& step : flow.steps) steps.emplace_back(step_object(step));
  put(object, "open_gates", std::vector<std::string>(flow.open_gates.begin(), flow.open_gates.end()));
  if (flow.cancel) object["cancel"] = stop_object(*flow.cancel);
  if (flow.end) object["end"] = end_object(*flow.end);
  return json::serialize(object) + "\n";
}

Flow parse_flow(std::string_view text) {
  json::monotonic_resource memory;
  const json::value value = parse_object(text, &memory);
  const Fields fields(value.get_object());
  if (fields.number("schema", 1, INT64_MAX).value_or(0) != 1) refuse("schema", "is of another agentctl version");
  Flow flow;
  flow.id = fields.required_text("id");
  flow.name = fields.required_text("name");
  if (!is_valid_id(flow.id) || !is_valid_name(flow.name)) refuse("name", "must be a flow's name, and id its id");
  flow.key = fields.text("key");
  flow.project = fields.text("project");
  flow.created_by = parse_asker(fields.required_object("created_by"));
  flow.created_at = fields.time("created_at").value_or(TimePoint{});
  flow.goes_on = fields.flag("goes_on");
  for (const json::value& step : fields.array("steps")) flow.steps.push_back(parse_step(step));
  check_needs(flow);
  for (std::string& gate : fields.texts("open_gates")) flow.open_gates.insert(std::move(gate));
  if (const json::object* cancel = fields.object("cancel")) flow.cancel = parse_stop(*cancel);
  if (const json::object* end = fields.object("end")) flow.end = parse_end(*end, flow.steps.size());
  return flow;
}

}  // namespace agentctl
