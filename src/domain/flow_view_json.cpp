#include "domain/flow.hpp"
#include "domain/json_fields.hpp"

namespace agentctl {

std::string to_json(const FlowView& view) {
  const Flow& flow = view.flow;
  json::array steps;
  for (std::size_t i = 0; i < flow.steps.size(); ++i) {
    const Step& step = flow.steps[i];
    json::array needs;
    for (const std::string& need : step.needs) needs.emplace_back(need);
    steps.push_back(json::object{{"name", step.name},
                                 {"session", step.session},
                                 {"session_id", step.session_id},
                                 {"state", to_string(view.steps[i].state)},
                                 {"reason", text_or_null(view.steps[i].reason)},
                                 {"needs", std::move(needs)},
                                 {"wait_for", text_or_null(step.gate)},
                                 {"may_fail", step.may_fail},
                                 {"started_at", time_or_null(view.steps[i].started_at)},
                                 {"ended_at", time_or_null(view.steps[i].ended_at)}});
  }
  json::array gates;
  for (const std::string& gate : flow.open_gates) gates.emplace_back(gate);
  return json::serialize(json::object{{"id", flow.id},
                                      {"name", flow.name},
                                      {"key", text_or_null(flow.key)},
                                      {"project", text_or_null(flow.project)},
                                      {"state", to_string(view.state)},
                                      {"reason", text_or_null(reason_of(view))},
                                      {"created_at", format_rfc3339(flow.created_at)},
                                      {"ended_at", time_or_null(flow.end ? std::optional(flow.end->at) : std::nullopt)},
                                      {"on_failure", flow.goes_on ? "continue" : "stop"},
                                      {"open_gates", std::move(gates)},
                                      {"steps", std::move(steps)}});
}

}  // namespace agentctl
