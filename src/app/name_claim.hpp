#pragma once

#include "app/context.hpp"
#include "app/launch.hpp"

namespace agentctl {

/// Claims the session's name and writes its launch and its record, in the order that lets nobody mistake it for an
/// abandoned one. Throws Error{conflict} when a live session has the name; then nothing is left behind.
HeldLaunch claim_launch(Context& context, const PreparedLaunch& prepared);

/// Asks the engine for the unit of a claimed launch. Takes the claim back when it is refused.
StartResult start_claimed(Context& context, const Record& record, const UnitSpec& spec);

}  // namespace agentctl
