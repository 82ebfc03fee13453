#pragma once

#include <functional>
#include <string>

namespace agentctl {

/// What one check has found.
struct CheckResult {
  std::string error{};     ///< empty: healthy
  bool is_forged = false;  ///< what is there is not what was asked for, and no later check will find otherwise
};

using Check = std::function<CheckResult()>;

}  // namespace agentctl
