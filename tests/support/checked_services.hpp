#pragma once

#include <string>

#include "domain/service_file.hpp"

namespace agentctl {

/// What check_service_file() says of a file when nothing has to be a git checkout.
CheckedServices check(const std::string& text);

/// "REASON @POINTER", or "ok".
std::string refusal_of(const std::string& text);

/// A failure of the test if the file is refused.
ServiceFile taken(const std::string& text);

/// The member that says how health is checked, within 60 seconds.
std::string health(const std::string& members);

}  // namespace agentctl
