#include "app/name_claim.hpp"

#include "app/reconcile.hpp"
#include "app/sessions.hpp"
#include "app/stop.hpp"
#include "domain/rivalry.hpp"

namespace agentctl {
namespace {

Error cannot_start(const Record& record, const Error& error, const std::string& reason) {
  const bool exists = error.code() == ErrorCode::conflict;
  const std::string& name = record.request.name;
  return Error({.code = error.code(),
                .context = "cannot start session",
                .object = name,
                .reason = exists ? "a session of that name lives" : reason,
                .hint = exists ? "agentctl status " + name : error.hint()});
}

// A unit whose record was lost can have it too; what it was asked for is in its launch.
std::optional<Session> unrecorded_rival(Context& context, const Record& record) {
  if (!has_rivals_of_other_names(record.request)) return std::nullopt;
  for (Session& session : list_sessions(context, {}, Detail::records))
    if (!session.recorded && rivalry_of(record.request, session.record.request) != Rivalry::none)
      return std::move(session);
  return std::nullopt;
}

void replace(Context& context, const Record& record, const Session& holder) {
  const auto own = context.environment.find("AGENTCTL_SESSION");
  if (own != context.environment.end() && own->second == holder.record.id)
    throw Error({.code = ErrorCode::conflict,
                 .context = "cannot replace session",
                 .object = holder.record.request.name,
                 .reason = "this command runs in it, and would end with it",
                 .hint = "agentctl restart " + holder.record.request.name});
  stop_sessions(context, {holder}, {.reason = "replaced by " + record.request.name + " (" + record.id + ")"});
}

}  // namespace

Error is_taken(const Record& wanted, const Session& holder) {
  const std::string& name = holder.record.request.name;
  const Rivalry rivalry = rivalry_of(wanted.request, holder.record.request);
  std::string reason = "a session of that name lives";
  if (rivalry != Rivalry::name) {
    reason = describe(rivalry, wanted.request) + " is held by session '" + name + "' (" + holder.record.id + "), " +
             to_string(holder.state);
    if (const auto since = holder.started_at) reason += " since " + format_local(*since);
  }
  return Error({.code = ErrorCode::conflict,
                .context = "cannot start session",
                .object = wanted.request.name,
                .reason = std::move(reason),
                .hint = "agentctl status " + name});
}

std::variant<HeldLaunch, Session> try_claim(Context& context, const PreparedLaunch& prepared) {
  const Record& record = prepared.launch.record;
  context.engine.connect();
  // The launch is held before the record can be seen: who finds the record knows whether its starter lives.
  HeldLaunch held = context.runtime.create(prepared.launch, prepared.owner);
  try {
    // A holder that turns out to be dead has its end written by observe(), and what it had is free.
    while (const auto holder = context.registry.create(record)) {
      Session session = observe(context, *holder);
      if (!is_terminal(session.state)) {
        context.runtime.remove(record.id);
        return session;
      }
      // If its end could not be written down, this says why.
      if (!session.record.end) reconcile_record(context, *holder);
    }
    if (auto rival = unrecorded_rival(context, record)) {
      context.registry.discard(record);
      context.runtime.remove(record.id);
      return std::move(*rival);
    }
  } catch (const Error& error) {
    context.runtime.remove(record.id);
    // All of it: it is a file of the registry that is in the way, and "Read-only file system" alone does not say which.
    throw cannot_start(record, error, error.what());
  }
  return held;
}

HeldLaunch claim_launch(Context& context, const PreparedLaunch& prepared) {
  for (;;) {
    auto claim = try_claim(context, prepared);
    if (auto* held = std::get_if<HeldLaunch>(&claim)) return std::move(*held);
    const Session& holder = std::get<Session>(claim);
    if (prepared.existing != Existing::replace) throw is_taken(prepared.launch.record, holder);
    replace(context, prepared.launch.record, holder);
  }
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
