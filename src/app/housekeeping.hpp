#pragma once

#include <set>
#include <string>
#include <vector>

#include "app/context.hpp"
#include "domain/session_view.hpp"

namespace agentctl {

/// Throws Error{conflict} when a flow that lives still needs to know how one of them ended.
void require_unneeded(Context& context, const std::vector<Session>& sessions);

/// Forgets ended sessions, when their units are gone: one that still goes down would be shown as a session whose record
/// was lost. Returns the ids of those that are forgotten, without what is still there after some seconds.
std::set<std::string> forget_ended(Context& context, const std::vector<Record>& ended);

/// The same of what a user names. Throws Error{conflict} before anything is removed when one of them lives, or after it
/// when one still goes down.
void remove_sessions(Context& context, const std::vector<Session>& sessions);

/// Forgets all that ended longer ago than this. Returns what was forgotten.
std::vector<Record> prune(Context& context, microseconds older_than);

}  // namespace agentctl
