#pragma once

#include <vector>

#include "app/context.hpp"
#include "domain/session_view.hpp"

namespace agentctl {

/// Throws Error{conflict} when a flow that lives still needs to know how one of them ended.
void require_unneeded(Context& context, const std::vector<Session>& sessions);

/// Forgets ended sessions. Throws Error{conflict} before anything is removed when one of them lives.
void remove_sessions(Context& context, const std::vector<Session>& sessions);

/// Forgets all that ended longer ago than this. Returns what was forgotten.
std::vector<Record> prune(Context& context, microseconds older_than);

}  // namespace agentctl
