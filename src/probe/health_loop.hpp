#pragma once

#include <optional>
#include <string>

#include "domain/health.hpp"
#include "probe/check.hpp"

namespace agentctl {

/// What a row of checks says: healthy with one success, unhealthy again after failures_to_unhealthy failures. Rules
/// only, no clock.
class HealthJudge {
 public:
  enum class Change { none, healthy, unhealthy, forged };

  HealthJudge() = default;
  /// Goes on where a probe that was killed stopped: else what has been unhealthy since would never be said.
  explicit HealthJudge(const HealthNote& left);

  Change add(const CheckResult& result);
  bool is_healthy() const noexcept { return healthy_; }
  /// From the beginning of this check to that of the next. What has just begun is often ready soon, so that the first
  /// checks follow one another faster.
  microseconds pause(const HealthCheck& check) const;

 private:
  bool healthy_ = false;
  bool was_healthy_ = false;
  int checks_ = 0;    ///< up to the first success
  int failures_ = 0;  ///< in a row
};

/// Makes the check, at once and then at each interval, until nobody hears any more; leaves what it finds in the
/// session's runtime folder (HealthNote), and says each change as a line on standard output, for the host. What a probe
/// before it has left there is said once more: that one may have been killed before it could.
void run_health_loop(const HealthCheck& check, const std::string& runtime_dir, const Check& once);

}  // namespace agentctl
