#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "domain/session_view.hpp"

namespace agentctl {

/// What the program `on-end` is handed, in the file hook.json of a runtime folder of its own.
struct Hook {
  std::string command;  ///< for sh -c
  std::string cwd;
  std::vector<std::string> environment;  ///< "KEY=value", added to that of the unit
  std::string session;                   ///< as JSON, for its standard input
};

inline constexpr const char* hook_file = "hook.json";

/// AGENTCTL_NAME, AGENTCTL_STATE, AGENTCTL_REASON, AGENTCTL_EXIT_CODE …
std::vector<std::string> facts_of(const Session& session);

std::string to_json(const Hook& hook);
/// Throws Error for anything that to_json() could not have written.
Hook parse_hook(std::string_view text);

}  // namespace agentctl
