#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/control_group.hpp"
#include "base/time.hpp"
#include "domain/health.hpp"

namespace agentctl {

/// Whose systemd runs the session: the caller's own manager, or PID 1.
enum class ManagerScope { user, system };

enum class SessionKind {
  service,  ///< detached: a service unit whose main process is the session host
  scope,    ///< in the caller's terminal: a scope unit around a child of agentctl
};

enum class State {
  queued,
  starting,
  running,
  stopping,
  restarting,
  exited,
  failed,
  stopped,
  expired,
  cancelled,
  parked,
  lost,
};

bool is_terminal(State state) noexcept;
const char* to_string(State state) noexcept;
const char* to_string(ManagerScope scope) noexcept;
const char* to_string(SessionKind kind) noexcept;
std::optional<State> parse_state(std::string_view text);

enum class RestartPolicy { no, on_failure, always };  ///< as Restart= of systemd.service(5)
const char* to_string(RestartPolicy policy) noexcept;
std::optional<RestartPolicy> parse_restart_policy(std::string_view text);

inline constexpr int max_restart_limit = 1000;
inline constexpr int configuration_error = 78;  ///< EX_CONFIG of sysexits.h: another attempt would not help

/// When a session that has ended by itself is started again, and when that is given up.
struct RestartRules {
  RestartPolicy policy = RestartPolicy::no;
  microseconds delay{2'000'000};        ///< before the first restart; doubled for each early end that follows
  microseconds max_delay{120'000'000};  ///< which it never exceeds
  microseconds early{10'000'000};       ///< an end so soon after its start is early; a later one begins anew
  int limit = 5;                        ///< so many early ends in a row park the session
  std::vector<int> never_on{};          ///< exit codes that park it at once, besides configuration_error
  bool operator==(const RestartRules&) const = default;
};

/// The pool that a session takes a slot of while it lives, and its place among those that wait for one.
struct PoolRequest {
  std::string name{};  ///< empty: none
  int max = 0;         ///< start only while fewer than so many of the pool live; 0: the pool's own limit
  int priority = 0;    ///< the higher goes first, then the older
  bool operator==(const PoolRequest&) const = default;
};

inline constexpr int lowest_priority = -100;
inline constexpr int highest_priority = 100;

inline constexpr std::uint64_t default_log_max = 10u << 20;
inline constexpr microseconds default_stop_timeout{5'000'000};

/// Limits of the kernel for all processes of a session together; none is none.
struct ServiceLimits {
  std::optional<std::uint64_t> memory_max{};  ///< bytes
  std::optional<std::uint64_t> tasks_max{};
  std::optional<int> cpu_quota{};  ///< percent of one CPU
  bool operator==(const ServiceLimits&) const = default;
};

struct ServiceSandbox {
  bool private_tmp = false;       ///< a /tmp and /var/tmp of its own
  bool protect_home = false;      ///< home folders can only be read
  bool read_only_system = false;  ///< /usr, /boot and /etc can only be read
  bool no_network = false;        ///< none but its own loopback
  bool operator==(const ServiceSandbox&) const = default;
};

/// What was asked for: everything that `restart` of an ended session needs, but for environment values, which may be
/// secrets and are therefore only in the launch file (domain/launch.hpp).
struct SessionRequest {
  std::string name;
  std::vector<std::string> command;
  std::string cwd;
  SessionKind kind = SessionKind::service;
  std::string project;
  std::string group;
  std::string agent;
  std::string work_item;
  std::map<std::string, std::string> labels;
  std::vector<std::uint16_t> ports;                  ///< held while it lives (domain/ports.hpp)
  std::optional<microseconds> ttl;                   ///< none: no limit
  microseconds stop_timeout = default_stop_timeout;  ///< from SIGTERM to SIGKILL
  std::string stdout_file;                           ///< absolute; appended to, besides the journal; empty: none
  std::string stderr_file;
  std::uint64_t log_max = default_log_max;  ///< bytes of such a file, then it becomes FILE.1; 0: no limit
  bool clean_env = false;
  bool bare_env = false;              ///< of the caller's environment PATH, HOME, TEMP and TMP only
  std::vector<std::string> env_keys;  ///< names given with -e
  std::string env_file;
  std::string user;  ///< run as (system scope only); empty: as the manager's own user
  RestartRules restart;
  ServiceLimits limits{};
  ServiceSandbox sandbox{};
  std::optional<HealthCheck> health{};  ///< none: it is ready as soon as its command runs
  std::string spec_digest{};            ///< of the file of services that it is described in; empty: none
  std::string attrs{};                  ///< what its users want to know of it, a JSON object; empty: none
  std::string exclusive;                ///< a key that one live session may have
  std::string source;                   ///< what it was started by or for: one live session for each source and project
  PoolRequest pool;
  bool persist = false;  ///< a reboot or logout does not end it: it is started again afterwards
  std::string on_end;    ///< a shell command that is run when it has ended; empty: none
  bool adopted = false;  ///< a scope around what was running already
};

/// Who asked for something. All of it is what the asker's own process said of itself.
struct Asker {
  uid_t uid = 0;
  std::string user;
  pid_t pid = 0;
  std::string command;  ///< the name of that process, without arguments
};

struct StopRequest {
  Asker by;
  std::string reason;
  TimePoint at{};
  std::optional<microseconds> timeout{};  ///< from SIGTERM to SIGKILL; none: the session's own
};

struct Exit {
  std::optional<int> code;
  std::optional<int> signal;
  std::string result;  ///< systemd's Result= of the unit: success, exit-code, signal, timeout, oom-kill …
};

using Usage = ControlGroupUsage;

/// How a session, or one attempt of it, ended.
struct End {
  State state = State::failed;
  std::string reason;
  Exit exit;
  std::optional<TimePoint> started_at;
  std::optional<TimePoint> ready_at{};  ///< with a health check: its first success
  std::optional<TimePoint> ended_at;
  std::optional<pid_t> pid;
  std::string invocation_id;
  Usage usage;
  std::uint64_t log_lost = 0;
};

/// Who starts a session that waits, for a slot of its pool or for other sessions.
enum class Queued {
  no,         ///< it does not wait
  by_asker,   ///< the agentctl that was asked for it waits, and starts it
  by_anyone,  ///< whoever makes room for it, from its stored launch
};

/// The step of a flow that a session is.
struct FlowStep {
  std::string flow;  ///< name
  std::string flow_id;
  std::string step;  ///< name within the flow
  bool operator==(const FlowStep&) const = default;
};

/// What the registry keeps of one session. It says what was asked and how it ended; whether it lives is systemd's to
/// say (derive_state() in domain/session_view.hpp).
struct Record {
  std::string id;
  std::string unit;
  std::string slice;  ///< empty: that of slice_name() (domain/naming.hpp)
  ManagerScope scope = ManagerScope::user;
  SessionRequest request;
  Asker created_by;
  TimePoint created_at{};
  std::string boot_id;
  Queued queued = Queued::no;
  std::optional<FlowStep> flow;
  int attempt = 1;
  std::vector<End> earlier_attempts;
  int early_ends = 0;                         ///< in a row, up to now
  std::optional<TimePoint> retry_at;          ///< when this attempt starts, if it was not asked for by hand
  std::optional<TimePoint> first_started_at;  ///< of the attempts that share one time limit, when it is not this one
  std::optional<TimePoint> expires_at;        ///< set by `extend`; else start + ttl
  std::optional<StopRequest> stop;            ///< who asked for the stop that is under way, or was
  std::optional<Asker> restart_by;            ///< who asked for the restart that is under way
  std::optional<End> end;                     ///< set once, never changed
};

/// Whether others than the agentctl that was asked for it may start it, now or after a reboot.
bool can_be_queued(const Record& record) noexcept;

/// Whether something is to be started after a reboot because of what is written of it: a power cut must undo none of
/// that.
bool must_survive(const Record& record) noexcept;

}  // namespace agentctl
