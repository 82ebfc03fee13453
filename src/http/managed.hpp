#pragma once

#include <string>
#include <vector>

#include "domain/session_view.hpp"

namespace agentctl {

/// Whether it is what /api/managed-processes is about: a live service with a health check.
bool is_managed(const Session& session);

/// It as an item there, an object in JSON. Never its environment.
std::string managed_item(const Session& session);

/// The items as a JSON array, sorted by name, so that the order in which sessions were started changes no entity tag.
struct ManagedList {
  std::string items;
  std::string tagged;  ///< what the entity tag is made of: without the time of the last check, which changes nothing
};
ManagedList managed_list(std::vector<Session> sessions);

}  // namespace agentctl
