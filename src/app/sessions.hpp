#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/context.hpp"
#include "app/wait_clock.hpp"
#include "domain/session_view.hpp"

namespace agentctl {

/// Which sessions are meant; empty fields do not restrict.
struct SessionFilter {
  std::string project{};
  std::string group{};
  std::vector<State> states{};
  bool ended = false;  ///< also those that have ended
};

/// What is read of each session in a list, beside its record.
enum class Detail {
  records,  ///< nothing, but where a time limit counts from: else pid, invocation and exact start of what lives miss
  notes,    ///< its host's note
};

/// All sessions that the filter lets through, oldest first: one or two folders read and one call to systemd. What is
/// found to have ended without a record of it is reconciled on the way. Reads no usage.
std::vector<Session> list_sessions(Context& context, const SessionFilter& filter, Detail detail = Detail::notes);

/// The session that a user's NAME means: the live one of that name, else the latest; else by id, or by a prefix of an
/// id that only one has. Throws Error{not_found}, or {conflict} when a prefix has several.
Session find_session(Context& context, const std::string& name);

/// The same by the name alone, so that no id is taken for it.
std::optional<Session> find_by_name(Context& context, const std::string& name);

/// find_session() for each, before anything is done to any of them.
std::vector<Session> find_sessions(Context& context, const std::vector<std::string>& names);

/// What is true of one record now. Writes down its end when nobody else did.
Session observe(Context& context, const Record& record);

/// What is true of a session that was looked at before: its record may have changed since.
Session find_by_record(Context& context, const Record& record);

/// Reads what its processes use into a live session.
void read_usage(Context& context, Session& session);

/// Waits until the record says how the session ended. For a session whose end is under way.
Session await_end(Context& context, const Record& record);

/// Throws Error{conflict} for a session that has ended, or not begun: "cannot extend session 'web': it has ended
/// (exited)".
void require_live(const Session& session, const std::string& context);

/// The control group of a live session.
std::string control_group_of(Context& context, const Session& session);

/// Waits until the units of sessions that have ended, or are about to, are gone: a record's end is no sign of that, for
/// its recorder still starts what follows, and reads what may be removed. Returns those that are left when the time is
/// over.
std::vector<Record> await_unloaded(Context& context, std::vector<Record> records, const WaitClock& clock);

/// Calls `start`. Refused because the unit of an ended session of that name is still loaded (something refers to it a
/// moment longer, or its recorder is still at work), it waits until that one is gone, a few seconds at most, and calls
/// once more.
void once_unloaded(Context& context, const std::string& unit, const std::function<void()>& start);

/// For who has just had the engine asked for this session's unit: a stop that somebody asked for before that could stop
/// nothing yet. Does not throw.
void stop_if_asked_to(Context& context, const Record& record);

/// The record as it ended.
Record with_end(Record record, const End& end);

/// The unit's details when it is this session's, and not a later one's of the same name.
std::optional<UnitDetails> inspect_unit(Context& context, const Record& record);

}  // namespace agentctl
