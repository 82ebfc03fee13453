#pragma once

#include <memory>
#include <string>

#include "domain/engine.hpp"
#include "systemd/unit_properties.hpp"

namespace agentctl {

/// Runs sessions as transient units of one systemd manager, over its D-Bus API (org.freedesktop.systemd1(5)). It
/// connects at the first call, so that commands which need no manager work without one.
class SystemdEngine : public Engine {
 public:
  /// `runtime_dir` is the user's XDG_RUNTIME_DIR: its bus for the user scope, and unused for the system scope.
  SystemdEngine(ManagerScope scope, std::string runtime_dir);
  ~SystemdEngine() override;

  void connect() override { connection(); }
  StartResult start_while(const UnitSpec& spec, const std::function<void()>& meanwhile) override;
  void request_start(const UnitSpec& spec) override;
  void request_helper(const HelperSpec& spec) override;
  std::vector<UnitState> list_while(const std::function<void()>& meanwhile) override;
  std::optional<UnitDetails> inspect(const std::string& unit) override;
  void release(const std::string& unit) override;
  bool is_shutting_down() override { return manager_property("SystemState") == "stopping"; }
  TimePoint started_at() override;
  void stop(const std::vector<std::string>& units) override;
  StartResult restart(const std::string& unit) override;
  void kill(const std::string& unit, int signal) override;
  void kill_host(const std::string& unit) override;

  /// EXTEND_TIMEOUT_USEC= moves the limit at once but is forgotten by daemon-reload, which computes it anew from
  /// RuntimeMaxSec= (found in 252: service_coldplug_timeout()). So the new limit is also written as a drop-in beside
  /// the transient unit, which a reload reads. It goes with the unit's end.
  void persist_time_limit(const std::string& unit, microseconds since_start) override;
  void forget_time_limit(const std::string& unit) override;

  std::unique_ptr<UnitWatch> watch(const std::vector<std::string>& units) override;
  void attach(const std::string& unit, const std::vector<pid_t>& processes) override;
  Usage usage(const std::string& control_group) override;
  std::string control_group(const std::string& slice, const std::string& unit) override;
  std::size_t units_in(const std::string& slice) override;
  std::vector<pid_t> processes(const std::string& control_group) override;

  /// A property of the manager that is a text: SystemState, Version, ControlGroup (org.freedesktop.systemd1(5)).
  std::string manager_property(const std::string& name);

 private:
  class Connection;
  Connection& connection();
  template <class Value>
  Value read_manager_property(const std::string& name);
  void forget_old_time_limit(const std::string& unit);
  void request(const std::string& unit, const std::vector<UnitProperty>& properties);
  void kill_unit(const std::string& unit, const std::string& who, int signal);

  ManagerScope scope_;
  std::string runtime_dir_;
  std::string manager_group_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace agentctl
