#pragma once

#include "domain/session.hpp"

namespace agentctl {

/// What only one live session may have.
enum class Rivalry {
  none,
  name,
  key,     ///< --exclusive
  source,  ///< --source, within a project
  port,    ///< --port; a session that has it is never reused or replaced for that alone
};

/// What these two cannot have both at once.
Rivalry rivalry_of(const SessionRequest& a, const SessionRequest& b);

/// Whether a rival can have another name.
bool has_rivals_of_other_names(const SessionRequest& request);

/// What the first wants and the second has, for people: "exclusive key 'deploy'".
std::string describe(Rivalry rivalry, const SessionRequest& wanted, const SessionRequest& holder);

}  // namespace agentctl
