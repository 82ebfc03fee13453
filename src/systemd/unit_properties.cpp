#include "systemd/unit_properties.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "domain/launch.hpp"

namespace agentctl {
namespace {

// systemd's own infinity is all ones.
std::uint64_t to_usec(microseconds span) {
  return span == forever ? UINT64_MAX : static_cast<std::uint64_t>(span.count());
}

// Nothing in the path of a home folder may be taken for a variable.
ExecLine exec_line(const std::vector<std::string>& words) {
  ExecLine line;
  for (const std::string& word : words) {
    std::string& escaped = line.argv.emplace_back();
    for (const char c : word) escaped += c == '$' ? "$$" : std::string(1, c);
  }
  return line;
}

void add_service(std::vector<UnitProperty>& properties, const UnitSpec& spec, ManagerScope scope) {
  properties.push_back({"ExecStart", exec_line(spec.host)});
  properties.push_back({"ExecStopPost", exec_line(spec.recorder)});
  // The recorder writes the registry, whatever sandbox and user the session has. The same as "+" before its line, which
  // only ExecStopPostEx= can carry over the bus.
  properties.push_back({"PermissionsStartOnly", true});
  // Gives the recorder a control group of its own (.control): systemd 254 and later end a unit by cgroup.kill, and
  // Linux (seen: 6.18) then also kills what systemd starts in that group afterwards. No controllers: nothing else
  // changes.
  properties.push_back({"DelegateControllers", std::vector<std::string>{}});
  properties.push_back({"Type", std::string("notify")});
  // The main process, and the recorder, which asks for the time that it needs.
  properties.push_back({"NotifyAccess", std::string("exec")});
  // The session host speaks to journald itself: its streams would only cost journald one of its 4,096.
  properties.push_back({"StandardInput", std::string("null")});
  properties.push_back({"StandardOutput", std::string("null")});
  properties.push_back({"StandardError", std::string("null")});
  // One child that ran out of memory is not the end of an agent.
  properties.push_back({"OOMPolicy", std::string("continue")});
  if (!spec.user.empty()) properties.push_back({"User", spec.user});
  if (scope == ManagerScope::system) {
    // Switches journald's rate limit off for this unit; an interval of 0 does not (252). A user manager cannot.
    properties.push_back({"LogRateLimitIntervalUSec", std::uint64_t{1}});
    properties.push_back({"LogRateLimitBurst", std::uint32_t{1'000'000'000}});
  }
}

// No recorder runs after a scope. A service has failed also when its recorder has.
void add_reaction(std::vector<UnitProperty>& properties, const UnitSpec& spec) {
  const std::vector<std::string> unit{spec.when_unrecorded};
  properties.push_back({"OnFailure", unit});
  if (spec.kind == SessionKind::scope) properties.push_back({"OnSuccess", unit});
}

void add_restart(std::vector<UnitProperty>& properties, const RestartRules& rules) {
  if (rules.policy == RestartPolicy::no) {
    // Nobody but a person starts it again, and that as often as they like.
    properties.push_back({"StartLimitIntervalUSec", std::uint64_t{0}});
    return;
  }
  properties.push_back({"Restart", std::string(to_string(rules.policy))});
  // systemd starts the host at once, and the host waits: systemd's own delay is the same each time (252), or is not
  // reset by a long run (257). And no recorder runs for what is stopped during that, nor can
  // OnSuccess= tell: systemd starts that at each restart.
  properties.push_back({"RestartUSec", std::uint64_t{0}});
  ExitCodes never_on{{configuration_error}};
  never_on.codes.insert(never_on.codes.end(), rules.never_on.begin(), rules.never_on.end());
  properties.push_back({"RestartPreventExitStatus", never_on});
  // The limit is ours, too. systemd's only stops a loop of a host that cannot even wait.
  properties.push_back({"StartLimitIntervalUSec", std::uint64_t{10'000'000}});
  properties.push_back({"StartLimitBurst", static_cast<std::uint32_t>(rules.limit) + 20});
}

void add_limits(std::vector<UnitProperty>& properties, const ServiceLimits& limits) {
  constexpr std::uint64_t usec_per_percent = 10'000;
  if (limits.memory_max) properties.push_back({"MemoryMax", *limits.memory_max});
  if (limits.tasks_max) properties.push_back({"TasksMax", *limits.tasks_max});
  if (limits.cpu_quota)
    properties.push_back({"CPUQuotaPerSecUSec", static_cast<std::uint64_t>(*limits.cpu_quota) * usec_per_percent});
}

void add_sandbox(std::vector<UnitProperty>& properties, const UnitSpec& spec, ManagerScope scope) {
  const ServiceSandbox& sandbox = spec.sandbox;
  if (sandbox == ServiceSandbox{}) return;
  // Without it a user manager ignores the rest (systemd 252).
  if (scope == ManagerScope::user) properties.push_back({"PrivateUsers", true});
  if (sandbox.private_tmp) properties.push_back({"PrivateTmp", true});
  if (sandbox.protect_home) properties.push_back({"ProtectHome", std::string("read-only")});
  if (sandbox.read_only_system) properties.push_back({"ProtectSystem", std::string("full")});
  if (sandbox.no_network) properties.push_back({"PrivateNetwork", true});
  // "read-only" of homes is that of /run/user, too.
  properties.push_back({"ReadWritePaths", std::vector<std::string>{spec.runtime_dir}});
}

struct ToText {
  std::string operator()(bool value) const { return value ? "yes" : "no"; }
  std::string operator()(std::int32_t value) const { return std::to_string(value); }
  std::string operator()(std::uint32_t value) const { return std::to_string(value); }
  std::string operator()(std::uint64_t value) const { return std::to_string(value); }
  std::string operator()(const std::string& value) const { return to_printable(value); }
  template <class Value>
  std::string operator()(const std::vector<Value>& values) const {
    std::string text;
    for (const Value& value : values) text += (text.empty() ? "" : " ") + (*this)(value);
    return text;
  }
  std::string operator()(const ExitCodes& exit) const { return (*this)(exit.codes); }
  std::string operator()(const ExecLine& line) const { return quote_for_shell(line.argv); }
};

// A unit's file takes 0 for infinity, when the manager reads it again.
microseconds unit_stop_timeout(const UnitSpec& spec) {
  const microseconds least =
      spec.kind == SessionKind::service ? least_unit_stop_timeout : microseconds(std::chrono::milliseconds(1));
  return std::max(spec.stop_timeout, least);
}

}  // namespace

std::vector<UnitProperty> unit_properties(const UnitSpec& spec, ManagerScope scope) {
  std::vector<UnitProperty> properties{
      {"Description", spec.description},
      {"Slice", spec.slice},
      // Ended units are unloaded at once: what is worth keeping is in the record, and the name is free again.
      {"CollectMode", std::string("inactive-or-failed")},
      {"TimeoutStopUSec", to_usec(unit_stop_timeout(spec))},
  };
  if (spec.ttl && *spec.ttl != forever) properties.push_back({"RuntimeMaxUSec", to_usec(*spec.ttl)});
  if (spec.kind == SessionKind::service) {
    add_service(properties, spec, scope);
    add_restart(properties, spec.restart);
    add_limits(properties, spec.limits);
    add_sandbox(properties, spec, scope);
  } else {
    // AttachProcessesToUnit() refuses units without it.
    if (spec.can_attach) properties.push_back({"Delegate", true});
    // No recorder runs after a scope, and when systemd has unloaded it nobody knows any more who ended it.
    if (!spec.can_attach) properties.push_back({"AddRef", true});
    properties.push_back({"PIDs", std::vector<std::uint32_t>(spec.processes.begin(), spec.processes.end())});
  }
  if (!spec.when_unrecorded.empty()) add_reaction(properties, spec);
  return properties;
}

std::vector<UnitProperty> helper_properties(const HelperSpec& spec) {
  std::vector<UnitProperty> properties{
      {"Description", spec.description},
      {"Slice", std::string("agentctl.slice")},
      {"CollectMode", std::string("inactive-or-failed")},
      {"Type", std::string("exec")},
      {"ExecStart", exec_line(spec.command)},
      {"RuntimeMaxUSec", to_usec(spec.limit)},
  };
  if (!spec.user.empty()) properties.push_back({"User", spec.user});
  return properties;
}

std::string to_text(const UnitProperty& property) { return property.name + "=" + std::visit(ToText{}, property.value); }

}  // namespace agentctl
