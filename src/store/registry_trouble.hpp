#pragma once

#include <string>
#include <utility>

#include "base/error.hpp"

namespace agentctl {

/// Something in the registry that could not be used, for doctor and for a warning: it is never silently dropped.
struct RegistryTrouble {
  std::string path;
  std::string reason;
};

inline RegistryTrouble trouble_with(std::string path, const Error& error) {
  return {std::move(path), error.reason().empty() ? error.what() : error.reason()};
}

}  // namespace agentctl
