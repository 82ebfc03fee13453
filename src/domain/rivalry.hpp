#pragma once

#include "domain/session.hpp"

namespace agentctl {

/// What only one live session may have.
enum class Rivalry {
  none,
  name,
  key,     ///< --exclusive
  source,  ///< --source, within a project
};

/// What these two cannot have both at once.
Rivalry rivalry_of(const SessionRequest& a, const SessionRequest& b);

/// Whether a rival can have another name.
bool has_rivals_of_other_names(const SessionRequest& request);

/// "exclusive key 'deploy'", for people.
std::string describe(Rivalry rivalry, const SessionRequest& request);

}  // namespace agentctl
