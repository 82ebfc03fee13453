#pragma once

#include <string>
#include <vector>

#include "app/context.hpp"
#include "app/wait_clock.hpp"
#include "domain/session_view.hpp"

namespace agentctl {

/// What to do when a live session has what only one may have.
enum class Existing {
  refuse,
  reuse,    ///< give that session, if it runs the same command in the same folder
  replace,  ///< end it, and when that has been observed start this one
};

/// What `run` was asked for. The request's name may be empty: then one is made from the command.
struct LaunchOptions {
  SessionRequest request;
  std::vector<std::string> variables;  ///< -e, as given: "K=V" or "K"
  Existing existing = Existing::refuse;
  bool queue = false;  ///< where there is no slot for it: leave it queued rather than wait
  microseconds queue_timeout{60'000'000};
};

/// A launch that has been checked: everything that can be known before a unit exists is known, and nothing exists.
struct PreparedLaunch {
  Launch launch;
  UnitSpec spec;
  std::optional<uid_t> owner;  ///< of the runtime folder, when the session runs as another user
  Existing existing = Existing::refuse;
  microseconds queue_timeout{};
};

/// Whose the runtime folder of a session is, when it runs as another user. Throws Error when that one is gone.
std::optional<uid_t> owner_of(const Record& record);

/// What the engine is asked for, for this record.
UnitSpec unit_spec(const Context& context, const Record& record);

/// Checks the options and decides all of the session. Changes nothing. Throws Error.
PreparedLaunch prepare_launch(const Context& context, LaunchOptions options);

/// Starts a prepared service session: the record, then the unit, then the manager's answer. Throws Error with 126 or
/// 127 when the command could not be executed, {conflict} when its name is taken; both leave nothing behind but, for a
/// command that was tried, the record of how it failed. The session has another id when one that lives is reused.
/// It is `queued` when it waits for a slot and was asked to; else this waits, at most the queue timeout.
Session start_session(Context& context, const PreparedLaunch& prepared, const Tick& tick = {});

/// The same for a session of no pool, and returns when systemd has taken the request: how the start ends is seen in the
/// session.
Session begin_session(Context& context, const PreparedLaunch& prepared);

/// Runs a prepared scope session around a child of this process, with this process's own streams and terminal, and
/// returns how it ended.
Session run_scope_session(Context& context, const PreparedLaunch& prepared, const Tick& tick = {});

}  // namespace agentctl
