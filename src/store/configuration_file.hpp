#pragma once

#include <string>
#include <vector>

#include "domain/configuration.hpp"

namespace agentctl {

/// What these files say; a later one is laid over an earlier one, and one that is missing says nothing. Throws
/// Error{usage} that names the file and the place.
Configuration read_configuration(const std::vector<std::string>& files);

}  // namespace agentctl
