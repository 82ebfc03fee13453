#pragma once

#include <optional>

#include "domain/health.hpp"
#include "domain/regex.hpp"
#include "probe/check.hpp"

namespace agentctl {

/// Runs a command in this process's environment and folder: healthy when it exits with 0 and prints what is expected.
/// Whatever it has started, in sessions and groups of its own or not, ends with the check: this process is made the
/// reaper of its orphans (PR_SET_CHILD_SUBREAPER of prctl(2)), so that none can get away.
class CommandCheck {
 public:
  /// Throws Error for an expression that is none.
  explicit CommandCheck(const HealthCheck& check);

  CheckResult operator()() const;

 private:
  HealthCheck check_;
  std::optional<Regex> expected_;
};

}  // namespace agentctl
