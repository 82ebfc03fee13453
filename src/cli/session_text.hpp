#pragma once

#include <string>
#include <vector>

#include "app/context.hpp"
#include "domain/session_view.hpp"

// What `status` and `why` show alike of one session.

namespace agentctl {

/// Name, id, state and why, and for a live one since when and for how long it has time.
std::string headline(const Session& session, TimePoint at);

/// An indented line with a title; nothing without a value.
std::string field(const char* title, const std::string& value);
/// Under the value of a field.
std::string field_continued(const std::string& value);

std::string resources(const Usage& usage);

/// Who asked for the end, with which command and why.
std::string stopped_by(const Session& session);

/// The last lines that it printed, as they are; none of a --scope session.
std::vector<std::string> last_lines(Context& context, const Session& session);

/// The pool and the flow of a session, and for a queued one what it waits for.
std::string queue_place(Context& context, const Session& session);

/// last_lines() under a title, fit for a terminal.
std::string last_output(Context& context, const Session& session);

}  // namespace agentctl
