#pragma once

#include <variant>

#include "app/context.hpp"
#include "app/launch.hpp"
#include "base/error.hpp"

namespace agentctl {

/// A launch that has been claimed: nobody else takes it for abandoned, and it says what was decided with the claim.
struct ClaimedLaunch {
  HeldLaunch held;
  Launch launch;
};

/// Claims what only one session may have, its name first of all, its ports and a slot of its pool, and writes its
/// launch and its record, in the order that lets nobody mistake it for an abandoned one. Waits for the slot when this
/// agentctl is the one to start it. A session: the live one that has what this wants, and then nothing is left behind;
/// or, with this launch's own id, this one, which is queued for anyone to start.
std::variant<ClaimedLaunch, Session> try_claim(Context& context, const PreparedLaunch& prepared, const Tick& tick);

/// The same; ends the other session first if it is to be replaced. Throws Error{conflict} with the evidence.
std::variant<ClaimedLaunch, Session> claim_launch(Context& context, const PreparedLaunch& prepared, const Tick& tick);

/// The refusal that names who has it, since when, and its state.
Error is_taken(const Record& wanted, const Session& holder);

/// Asks the engine for the unit of a claimed launch, and waits for the answer. Takes the claim back when it is refused.
StartResult start_claimed(Context& context, const Record& record, const UnitSpec& spec);
/// The same without waiting.
void request_claimed(Context& context, const Record& record, const UnitSpec& spec);

}  // namespace agentctl
