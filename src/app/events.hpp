#pragma once

#include <functional>

#include "app/context.hpp"
#include "domain/event.hpp"

namespace agentctl {

/// Returns false when no more are wanted.
using EventSink = std::function<bool(const Event&)>;

/// What the records remember of all sessions, the oldest first: when each was asked for, started and ended.
void past_events(Context& context, const EventSink& sink);

/// What happens from now on, until the sink has enough: woken by systemd's signals and changes of the registry.
void follow_events(Context& context, const EventSink& sink);

}  // namespace agentctl
