#pragma once

#include <memory>
#include <string>
#include <vector>

#include "domain/engine.hpp"

namespace agentctl {

/// A watch with a connection of its own, so that its descriptor is readable for what concerns it alone.
std::unique_ptr<UnitWatch> make_unit_watch(ManagerScope scope, const std::string& runtime_dir,
                                           const std::vector<std::string>& units);

}  // namespace agentctl
