#include "app/name_claim.hpp"

#include "app/reconcile.hpp"
#include "app/sessions.hpp"
#include "base/error.hpp"

namespace agentctl {
namespace {

Error already_live(const std::string& name) {
  return Error({.code = ErrorCode::conflict,
                .context = "cannot start session",
                .object = name,
                .reason = "a session of that name lives",
                .hint = "agentctl status " + name});
}

Error cannot_start(const Record& record, const Error& error, const std::string& reason) {
  if (error.code() == ErrorCode::conflict) return already_live(record.request.name);
  return Error({.code = error.code(),
                .context = "cannot start session",
                .object = record.request.name,
                .reason = reason,
                .hint = error.hint()});
}

}  // namespace

HeldLaunch claim_launch(Context& context, const PreparedLaunch& prepared) {
  const Record& record = prepared.launch.record;
  context.engine.connect();
  // The launch is held before the record can be seen: who finds the record knows whether its starter lives.
  HeldLaunch held = context.runtime.create(prepared.launch, prepared.owner);
  try {
    // A holder of the name that turns out to be dead has its end written by observe(), and the name is free.
    while (const auto holder = context.registry.create(record)) {
      const Session session = observe(context, *holder);
      if (!is_terminal(session.state)) throw already_live(record.request.name);
      // If its end could not be written down, this says why.
      if (!session.record.end) reconcile_record(context, *holder);
    }
  } catch (const Error& error) {
    context.runtime.remove(record.id);
    // All of it: it is a file of the registry that is in the way, and "Read-only file system" alone does not say which.
    throw cannot_start(record, error, error.what());
  }
  return held;
}

StartResult start_claimed(Context& context, const Record& record, const UnitSpec& spec) {
  try {
    return context.engine.start(spec);
  } catch (const Error& error) {
    // A refusal has started nothing. A connection that broke in mid-call may have: reconcile will find out.
    if (error.code() != ErrorCode::unreachable) {
      context.registry.discard(record);
      context.runtime.remove(record.id);
    }
    throw cannot_start(record, error, error.reason());
  }
}

}  // namespace agentctl
