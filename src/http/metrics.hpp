#pragma once

#include <string>
#include <vector>

#include "domain/session_view.hpp"

namespace agentctl {

/// Live sessions, with their usage, in Prometheus' text format 0.0.4.
std::string metrics_text(const std::vector<Session>& sessions);

}  // namespace agentctl
