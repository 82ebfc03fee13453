#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "domain/session.hpp"

namespace agentctl {

/// What an engine is asked to start: one session's unit.
struct UnitSpec {
  std::string unit;
  std::string slice;
  std::string description;
  SessionKind kind = SessionKind::service;
  std::vector<std::string> host;      ///< service: command line of the session host, absolute path first
  std::vector<std::string> recorder;  ///< service: run when the unit has ended
  std::vector<pid_t> processes;       ///< scope: what to put into it
  bool can_attach = false;            ///< scope: attach() will put more into it, and nobody waits for its end
  std::optional<microseconds> ttl;
  microseconds stop_timeout{};
  std::string user;
  RestartRules restart{};
  ServiceLimits limits{};
  ServiceSandbox sandbox{};
  std::string runtime_dir{};      ///< service: what its host must be able to write, whatever the sandbox
  std::string when_unrecorded{};  ///< a unit to start when it may have ended without its recorder; empty: none
};

enum class Activity { inactive, activating, active, deactivating, failed, restarting };

/// One that has ended can still be loaded, while something refers to it.
constexpr bool is_alive(Activity activity) noexcept {
  return activity != Activity::inactive && activity != Activity::failed;
}

/// One unit as the engine sees it now.
struct UnitState {
  std::string unit;
  std::string description;
  Activity activity = Activity::inactive;
};

/// A live unit in full.
struct UnitDetails {
  UnitState state;
  std::string invocation_id;
  std::string control_group;
  std::optional<TimePoint> active_since;
  /// Scope: how long it had been active when its manager began to end it. Nothing when it is active, or when it ended
  /// because its processes had.
  std::optional<microseconds> ended_after{};
  std::string result{};  ///< scope: systemd's Result= so far
};

/// A short program beside a session: what --on-end asks for.
struct HelperSpec {
  std::string unit;
  std::string description;
  std::vector<std::string> command;  ///< absolute path first
  std::string user;                  ///< empty: the manager's own
  microseconds limit{};
};

/// How a start or restart ended.
struct StartResult {
  bool started = false;
  std::string job_result;  ///< systemd's words: done, failed, timeout, canceled, dependency …
};

/// Tells, without polling, when units may have changed state. It exists before the caller looks at the units, so no end
/// between the look and the wait is missed.
class UnitWatch {
 public:
  virtual ~UnitWatch() = default;
  /// A unit to look at again, nothing at the deadline. Each watched unit comes once at the start. A change is a hint,
  /// not a verdict: a reload of the manager gives them too.
  virtual std::optional<std::string> next_change(std::optional<microseconds> timeout) = 0;
  /// For callers that wait for more than units: readable when next_change() may have something.
  virtual int fd() const = 0;
};

/// The seam between what agentctl decides and who runs the processes. Handles are opaque strings (unit names).
/// Rejected: one method for each property; an engine sees whole specs, so that one that is no systemd can say no.
class Engine {
 public:
  virtual ~Engine() = default;

  /// Throws Error{unreachable} while nothing has been changed yet; without it, the first call connects.
  virtual void connect() = 0;

  /// Returns when the unit is ready or has failed to start. Throws Error{conflict} when such a unit lives already,
  /// {unreachable}, {not_permitted}. `meanwhile` runs, once, when the engine has taken the request.
  virtual StartResult start_while(const UnitSpec& spec, const std::function<void()>& meanwhile) = 0;
  StartResult start(const UnitSpec& spec) {
    return start_while(spec, [] {});
  }

  /// The same, and returns when the engine has taken the request: how it ends is the session's own affair.
  virtual void request_start(const UnitSpec& spec) = 0;
  virtual void request_helper(const HelperSpec& spec) = 0;

  /// All loaded units of agentctl. `meanwhile` runs, once, while the answer is under way.
  virtual std::vector<UnitState> list_while(const std::function<void()>& meanwhile) = 0;
  std::vector<UnitState> list() {
    return list_while([] {});
  }

  virtual std::optional<UnitDetails> inspect(const std::string& unit) = 0;

  /// Lets go of a scope, which is kept loaded from its start() on so that inspect() can tell how it has ended.
  virtual void release(const std::string& unit) = 0;

  /// Whether the manager itself goes down: reboot, power-off, logout.
  virtual bool is_shutting_down() = 0;

  /// When the manager itself was started; a daemon-reexec is no start.
  virtual TimePoint started_at() = 0;

  /// Asks for the end of all of them and returns; nothing happens to those that are gone.
  virtual void stop(const std::vector<std::string>& units) = 0;

  /// Stops the unit if it lives, starts it again, and returns when that is done.
  virtual StartResult restart(const std::string& unit) = 0;

  /// Sends a signal to every process of the unit.
  virtual void kill(const std::string& unit, int signal) = 0;

  /// SIGKILL to the session host of a service; its recorder ends the rest, and would itself be hit by kill(). Nothing
  /// happens when it has ended.
  virtual void kill_host(const std::string& unit) = 0;

  /// Makes a moved time limit, counted from the unit's start, outlive a reload of the manager.
  virtual void persist_time_limit(const std::string& unit, microseconds since_start) = 0;
  virtual void forget_time_limit(const std::string& unit) = 0;

  /// Without units: all of agentctl's, as their jobs begin and end.
  virtual std::unique_ptr<UnitWatch> watch(const std::vector<std::string>& units) = 0;

  /// Puts more processes into a live scope that can_attach.
  virtual void attach(const std::string& unit, const std::vector<pid_t>& processes) = 0;

  /// What the processes of a unit use now, from its control group.
  virtual Usage usage(const std::string& control_group) = 0;

  /// The control group of a session's unit, computed from its slice without asking anyone.
  virtual std::string control_group(const std::string& slice, const std::string& unit) = 0;

  /// How many units, and slices, are in a slice now.
  virtual std::size_t units_in(const std::string& slice) = 0;

  virtual std::vector<pid_t> processes(const std::string& control_group) = 0;
};

}  // namespace agentctl
