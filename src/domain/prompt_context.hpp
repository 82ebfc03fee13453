#pragma once

#include <string>
#include <vector>

#include "domain/service_file.hpp"
#include "domain/session_view.hpp"

namespace agentctl {

/// Of these, the services that an agent of the project can use: alive, and healthy at their last check.
std::vector<Session> usable_services(std::vector<Session> sessions, const std::string& project);

/// The block of Markdown that tells an agent what runs already: all there is to know of each service, or, where that
/// takes more than `max_bytes`, a line each, as many as fit. Empty when there is none.
std::string context_markdown(const std::vector<Session>& services, const std::string& project, std::size_t max_bytes);

/// What an agent must know to have services started, with the limits that hold here.
std::string service_hint(const ServiceRules& rules, const std::string& agent, const std::string& work_item);

inline constexpr std::size_t default_context_bytes = 2048;

}  // namespace agentctl
