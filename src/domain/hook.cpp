#include "domain/hook.hpp"

#include "domain/end_of_session.hpp"
#include "domain/json_fields.hpp"

namespace agentctl {

std::vector<std::string> facts_of(const Session& session) {
  const Record& record = session.record;
  std::vector<std::string> facts{"AGENTCTL_SESSION=" + record.id, "AGENTCTL_NAME=" + record.request.name,
                                 "AGENTCTL_UNIT=" + record.unit,
                                 std::string("AGENTCTL_STATE=") + to_string(session.state),
                                 "AGENTCTL_REASON=" + session.reason};
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) facts.push_back(std::string(name) + "=" + value);
  };
  add("AGENTCTL_PROJECT", record.request.project);
  add("AGENTCTL_EXIT_CODE", session.exit.code ? std::to_string(*session.exit.code) : "");
  add("AGENTCTL_EXIT_SIGNAL", session.exit.signal ? signal_name(*session.exit.signal) : "");
  return facts;
}

std::string to_json(const Hook& hook) {
  json::object object;
  put(object, "command", hook.command);
  put(object, "cwd", hook.cwd);
  put(object, "environment", hook.environment);
  put(object, "session", hook.session);
  return json::serialize(object);
}

Hook parse_hook(std::string_view text) {
  json::monotonic_resource memory;
  const json::value value = parse_object(text, &memory);
  const Fields fields(value.get_object());
  return {.command = fields.required_text("command"),
          .cwd = fields.text("cwd"),
          .environment = fields.texts("environment"),
          .session = fields.text("session")};
}

}  // namespace agentctl
