#pragma once

#include <string>
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

enum class WhenUnhealthy { report, restart, stop };

/// How to find out whether a session is healthy: before that it is not ready, and its unit is `activating`.
struct HealthCheck {
  HealthKind kind = HealthKind::notify;
  std::string target{};
  int expect_status = 200;           ///< http: 100..599
  bool shell = true;                 ///< command: `target` is for /bin/sh; else it is a program, with `args`
  std::vector<std::string> args{};   ///< command
  std::string expect_regex{};        ///< command; empty: any output will do
  microseconds interval{1'000'000};  ///< between two checks until the first success, and after it
  microseconds timeout{60'000'000};  ///< until the first success
  WhenUnhealthy when_unhealthy = WhenUnhealthy::report;

  bool operator==(const HealthCheck&) const = default;
};

}  // namespace agentctl
