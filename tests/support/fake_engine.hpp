#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "domain/engine.hpp"

namespace agentctl {

/// Stands for systemd. The units are what the test says, the calls are written down, and what happens while somebody
/// waits is a script: each wait runs its next step. Where nothing more can happen a wait without a deadline fails the
/// test rather than hang it, and one with a deadline has reached it at once.
class FakeEngine : public Engine {
 public:
  /// By name; one that is not here is not loaded.
  std::map<std::string, UnitDetails> units;
  /// By control group, as control_group() gives it.
  std::map<std::string, Usage> usages;
  /// By slice: how many units are in it.
  std::map<std::string, std::size_t> crowds;
  std::map<std::string, std::vector<pid_t>> process_lists;
  bool shutting_down = false;
  TimePoint started{};

  /// In order: "connect", "start UNIT", "list", "inspect UNIT", "release UNIT", "stop UNIT UNIT", "restart UNIT",
  /// "kill UNIT 15", "kill-host UNIT", "request UNIT", "help UNIT", "attach UNIT 4711", "limit UNIT 90s", "forget
  /// UNIT", "watch UNIT UNIT".
  std::vector<std::string> calls;
  /// What start() and request_start() were given.
  std::vector<UnitSpec> specs;
  std::vector<HelperSpec> helpers;

  /// What a call does beyond being written down. They may throw Error; empty ones do what a working systemd would.
  std::function<void()> on_connect;
  std::function<StartResult(const UnitSpec&)> on_start;
  std::function<StartResult(const std::string& unit)> on_restart;
  std::function<void(const std::string& unit)> on_stop;
  std::function<void(const std::string& unit)> on_release;
  std::function<void(const std::string& unit, int signal)> on_kill;
  std::function<void(const std::vector<pid_t>& processes)> on_attach;
  /// Runs at each inspect() before it looks: for what happens between two looks.
  std::function<void(const std::string& unit)> on_inspect;

  /// Adds a live unit of this session.
  void add_unit(const Record& record, Activity activity = Activity::active);
  /// While somebody waits: this happens, and the unit is told to have changed.
  void meanwhile(std::string unit, std::function<void()> happens);
  /// How many of the calls were this one, or began so when it ends in a space.
  std::size_t count(const std::string& call) const;

  void connect() override;
  StartResult start_while(const UnitSpec& spec, const std::function<void()>& meanwhile) override;
  void request_start(const UnitSpec& spec) override;
  void request_helper(const HelperSpec& spec) override;
  void attach(const std::string& unit, const std::vector<pid_t>& processes) override;
  std::vector<UnitState> list_while(const std::function<void()>& meanwhile) override;
  std::optional<UnitDetails> inspect(const std::string& unit) override;
  void release(const std::string& unit) override;
  bool is_shutting_down() override { return shutting_down; }
  TimePoint started_at() override { return started; }
  void stop(const std::vector<std::string>& names) override;
  StartResult restart(const std::string& unit) override;
  void kill(const std::string& unit, int signal) override;
  void kill_host(const std::string& unit) override;
  void persist_time_limit(const std::string& unit, microseconds since_start) override;
  void forget_time_limit(const std::string& unit) override;
  std::unique_ptr<UnitWatch> watch(const std::vector<std::string>& names) override;
  Usage usage(const std::string& control_group) override;
  std::string control_group(const std::string& slice, const std::string& unit) override;
  std::size_t units_in(const std::string& slice) override;
  std::vector<pid_t> processes(const std::string& control_group) override;

 private:
  friend class FakeUnitWatch;

  struct Step {
    std::string unit;
    std::function<void()> happens;
  };
  std::vector<Step> script_;
  std::size_t next_step_ = 0;
};

}  // namespace agentctl
