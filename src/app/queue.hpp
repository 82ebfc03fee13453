#pragma once

#include <vector>

#include "app/context.hpp"
#include "app/launch.hpp"
#include "app/wait_clock.hpp"
#include "domain/session_view.hpp"

namespace agentctl {

/// Starts all that waits and may start: in the line of its pool, or as the next step of a flow. Whoever makes room
/// calls it; several at once do no harm. It asks systemd for each and does not wait until it runs. Returns what it
/// started; what keeps it from that is told as a trouble, because it is no failure of who made room.
std::vector<Record> start_waiting(Context& context);

/// Goes on with the start of a claimed session whose starter died: asks systemd for its unit once more. Should the dead
/// one's call come through as well, systemd takes only the first, so the session keeps its slot and runs once.
void resume_start(Context& context, const Record& record);

/// What follows when this call has ended a session: its --on-end command, and what waited for its slot or its end.
void follow_end(Context& context, const Record& ended);

/// The same for several.
void follow_ends(Context& context, const std::vector<Record>& ended);

/// The part of it that is for those that wait: these records are, or will never be, in anyone's way.
void use_room(Context& context, const std::vector<Record>& gone);

/// Waits for the turn of a launch whose record is queued by this agentctl. Throws Error{timed_out} that names who holds
/// the slots, {conflict} when it was cancelled meanwhile; then its record is no longer in line.
void wait_for_turn(Context& context, const PreparedLaunch& prepared, microseconds timeout, const Tick& tick = {});

/// Ends those of these sessions that are queued, so that none of them starts for another's end. Returns their records
/// as they ended.
std::vector<Record> cancel_queued(Context& context, const std::vector<Session>& sessions, const StopRequest& request);

/// Looks at those that hold the slots of a pool, so that one that has ended without its recorder frees it.
void refresh_holders(Context& context, const std::string& pool);

/// For people: why a queued session waits: "2 of 2 slots of pool 'build' are held by 'a', 'b'; 2 before it in
/// line".
std::string why_queued(Context& context, const Record& record);

}  // namespace agentctl
