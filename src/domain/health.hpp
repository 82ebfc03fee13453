#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"

namespace agentctl {

enum class HealthKind {
  http,         ///< a GET of `target`, an http or https URL, is answered with `expect_status`
  command,      ///< `target` exits with 0, and `expect_regex` is found in its standard output
  tcp,          ///< HOST:PORT accepts a connection
  unix_socket,  ///< the socket at this absolute path accepts a connection
  log,          ///< the regular expression `target` is found in a line of the session's output
  notify,       ///< the program says READY=1 (sd_notify(3))
};

const char* to_string(HealthKind kind) noexcept;
std::optional<HealthKind> parse_health_kind(std::string_view text);

/// Whether it begins as the URL of a web server does, in any case.
bool is_http_url(std::string_view text);

/// What follows when a session that was healthy is not any more.
enum class WhenUnhealthy {
  report,   ///< nothing: `healthy` is false, with the reason
  restart,  ///< it is ended as a failure, which its restart rules answer
  stop,     ///< it is ended
};

const char* to_string(WhenUnhealthy what) noexcept;
std::optional<WhenUnhealthy> parse_when_unhealthy(std::string_view text);

/// How to find out whether a session is healthy: before that it is not ready, and its unit is `activating`.
struct HealthCheck {
  HealthKind kind = HealthKind::notify;
  std::string target{};
  int expect_status = 0;                   ///< http: 100..599; 0: any from 200 to 299
  bool shell = true;                       ///< command: `target` is for /bin/sh; else it is a program, with `args`
  std::vector<std::string> args{};         ///< command
  std::string expect_regex{};              ///< command; empty: any output will do
  std::optional<microseconds> interval{};  ///< between two checks; none: 1 s before the first success, 30 s after it
  microseconds timeout{60'000'000};        ///< until the first success
  WhenUnhealthy when_unhealthy = WhenUnhealthy::report;

  bool operator==(const HealthCheck&) const = default;
};

/// Reads what `run --ready` takes: http://…, https://…, tcp:PORT, tcp:HOST:PORT, unix:PATH, cmd:COMMAND, log:RE or
/// notify. Throws Error{usage}.
HealthCheck parse_ready(const std::string& text);

/// The same back: "tcp:3000".
std::string to_text(const HealthCheck& check);

/// Throws Error{usage} that names the option for what no check can be made of.
void check_health(const HealthCheck& check);

/// An address of a tcp check. Names other than localhost are not looked up: a check must not depend on a resolver.
struct TcpTarget {
  std::vector<std::string> addresses;  ///< numeric, to be tried in this order
  std::uint16_t port = 0;
};
std::optional<TcpTarget> parse_tcp_target(std::string_view text);

/// From one check to the next, when it has been healthy.
microseconds later_interval(const HealthCheck& check);

/// How long one check may take.
microseconds check_limit(const HealthCheck& check);

/// What was healthy longer ago than this counts as healthy no more. For ever for what is said once (log and notify).
microseconds longest_silence(const HealthCheck& check);

/// After so many failed checks in a row a session that was healthy is not any more.
inline constexpr int failures_to_unhealthy = 3;

/// How healthy a session is, as its probe (or, for notify, its host) leaves it in the runtime folder. The time of the
/// last check is the file's own, so that a check that changes nothing need not write.
struct HealthNote {
  bool healthy = false;
  std::optional<TimePoint> since{};
  std::string error{};  ///< of the last check; empty: it succeeded
};

/// What is known of the health of a live session.
struct HealthReport {
  HealthNote note;
  TimePoint checked_at{};
};

std::string to_json(const HealthNote& note);
/// Throws Error; it may come from a session that runs as another user than the reader.
HealthNote parse_health_note(std::string_view text);

inline constexpr const char* health_note_file = "health.json";

}  // namespace agentctl
