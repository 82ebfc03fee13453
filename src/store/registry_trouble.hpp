#pragma once

#include <string>

namespace agentctl {

/// Something in the registry that could not be used, for doctor and for a warning: it is never silently dropped.
struct RegistryTrouble {
  std::string path;
  std::string reason;
};

}  // namespace agentctl
