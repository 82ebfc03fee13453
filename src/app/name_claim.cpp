#include "app/name_claim.hpp"

#include "app/ports.hpp"
#include "app/queue.hpp"
#include "app/reconcile.hpp"
#include "app/sessions.hpp"
#include "app/stop.hpp"
#include "domain/naming.hpp"
#include "domain/ports.hpp"
#include "domain/rivalry.hpp"
#include "store/configuration_file.hpp"

namespace agentctl {
namespace {

Error cannot_start(const Record& record, const Error& error, const std::string& reason) {
  return Error({.code = error.code(),
                .context = "cannot start session",
                .object = record.request.name,
                .reason = reason,
                .hint = error.code() == ErrorCode::conflict ? unit_status_command(record)
                        : error.hint().empty()              ? "agentctl doctor"
                                                            : error.hint()});
}

bool wants_more_than_a_name(const SessionRequest& request) {
  return has_rivals_of_other_names(request) || !request.pool.name.empty();
}

// Whoever reads a launch does so when its turn has come.
Launch as_started(Launch launch) {
  launch.record.queued = Queued::no;
  return launch;
}

bool is_own(const Session& session, const PreparedLaunch& prepared) {
  return session.record.id == prepared.launch.record.id;
}

bool holds_a_port(const Session& holder, const PreparedLaunch& prepared) {
  return rivalry_of(prepared.launch.record.request, holder.record.request) == Rivalry::port;
}

// What anyone can start is stored before it can be found.
void store_launch(Context& context, const PreparedLaunch& prepared) {
  const Record& record = prepared.launch.record;
  if (record.queued != Queued::by_anyone && !record.request.persist) return;
  context.registry.store_launch(as_started(prepared.launch));
}

// The registry has chosen them, together with the claim.
void write_ports(Context& context, const PreparedLaunch& prepared, Launch& launch,
                 const std::vector<std::uint16_t>& ports) {
  launch.record.request.ports = ports;
  tell_ports(launch);
  context.runtime.rewrite(launch, prepared.owner);
}

// A holder that turns out to be dead has its end written by observe(), and what it had is free.
std::variant<Creation, Session> create(Context& context, const Record& record) {
  const PoolLimits limits =
      record.request.pool.name.empty() ? PoolLimits{} : read_configuration(context.configuration_files).pools;
  const HostPorts ports = host_ports(record.request);
  for (;;) {
    const Creation creation = context.registry.create(record, limits, &ports);
    if (!creation.rival) return creation;
    Session session = observe(context, *creation.rival);
    if (!is_terminal(session.state)) return session;
    // If its end could not be written down, this says why.
    if (!session.record.end) reconcile_record(context, *creation.rival);
  }
}

void replace(Context& context, const Record& record, const Session& holder) {
  const auto own = context.environment.find("AGENTCTL_SESSION");
  if (own != context.environment.end() && own->second == holder.record.id)
    throw Error({.code = ErrorCode::conflict,
                 .context = "cannot replace session",
                 .object = holder.record.request.name,
                 .reason = "this command runs in it, and would end with it",
                 .hint = "agentctl restart " + holder.record.request.name});
  refuse_other_listeners(context, record, holder);
  stop_sessions(context, {holder}, {.reason = "replaced by " + record.request.name + " (" + record.id + ")"});
}

void ask_for(Context& context, const Record& record, const UnitSpec& spec, const std::function<void()>& start) {
  try {
    once_unloaded(context, spec.unit, start);
  } catch (const Error& error) {
    // A refusal has started nothing. A connection that broke in mid-call may have: reconcile will find out.
    if (error.code() != ErrorCode::unreachable) {
      context.registry.discard(record);
      context.runtime.remove(record.id);
      use_room(context, {record});
    }
    throw cannot_start(record, error, error.reason());
  }
}

}  // namespace

Error is_taken(const Record& wanted, const Session& holder) {
  const std::string& name = holder.record.request.name;
  const Rivalry rivalry = rivalry_of(wanted.request, holder.record.request);
  std::string reason = rivalry == Rivalry::name ? "a session of that name lives"
                                                : describe(rivalry, wanted.request, holder.record.request) +
                                                      " is held by session '" + name + "'";
  reason += " (" + holder.record.id + "), " + to_string(holder.state) + " since " +
            format_local(holder.started_at.value_or(holder.record.created_at));
  return Error({.code = ErrorCode::conflict,
                .context = "cannot start session",
                .object = wanted.request.name,
                .reason = std::move(reason),
                .hint = rivalry == Rivalry::port
                            ? "agentctl " + describe(rivalry, wanted.request, holder.record.request)
                            : "agentctl status " + name});
}

std::variant<ClaimedLaunch, Session> try_claim(Context& context, const PreparedLaunch& prepared, const Tick& tick) {
  const Record& record = prepared.launch.record;
  context.engine.connect();
  // The launch is held before the record can be seen: who finds the record knows whether its starter lives.
  Launch launch = as_started(prepared.launch);
  HeldLaunch held = context.runtime.create(launch, prepared.owner);
  const auto take_back = [&] {
    context.runtime.remove(record.id);
    context.registry.forget_launch(record.id);
  };
  Creation creation;
  try {
    // A unit whose record was lost can have it too; what it was asked for is in its launch.
    if (wants_more_than_a_name(record.request)) restore_lost_records(context, context.engine.list());
    store_launch(context, prepared);
    auto created = create(context, record);
    if (auto* holder = std::get_if<Session>(&created)) {
      take_back();
      return std::move(*holder);
    }
    creation = std::get<Creation>(std::move(created));
  } catch (const Error& error) {
    take_back();
    // All of it: it is a file of the registry that is in the way, and "Read-only file system" alone does not say which.
    throw cannot_start(record, error, error.what());
  }
  if (creation.occupied) {
    take_back();
    throw port_is_taken(context, record, *creation.occupied);
  }
  if (!creation.queued || record.queued == Queued::by_asker) {
    try {
      if (creation.ports != record.request.ports) write_ports(context, prepared, launch, creation.ports);
      if (creation.queued) {
        wait_for_turn(context, prepared, prepared.queue_timeout, tick);
        if (const auto port = occupied_port(launch.record.request)) throw port_is_taken(context, record, *port);
      }
    } catch (...) {
      context.registry.discard(record);
      take_back();
      use_room(context, {record});
      throw;
    }
    if (record.queued == Queued::by_anyone && !record.request.persist) context.registry.forget_launch(record.id);
    return ClaimedLaunch{.held = std::move(held), .launch = std::move(launch)};
  }
  context.runtime.remove(record.id);
  // Those that hold the slots may be dead, and whoever made room meanwhile found this launch held.
  refresh_holders(context, record.request.pool.name);
  start_waiting(context);
  return find_by_record(context, record);
}

std::variant<ClaimedLaunch, Session> claim_launch(Context& context, const PreparedLaunch& prepared, const Tick& tick) {
  for (;;) {
    auto claim = try_claim(context, prepared, tick);
    const auto* holder = std::get_if<Session>(&claim);
    if (holder == nullptr || is_own(*holder, prepared)) return claim;
    if (prepared.existing != Existing::replace || holds_a_port(*holder, prepared))
      throw is_taken(prepared.launch.record, *holder);
    replace(context, prepared.launch.record, *holder);
  }
}

StartResult start_claimed(Context& context, const Record& record, const UnitSpec& spec) {
  StartResult result;
  const auto stop_early = [&] { stop_if_asked_to(context, record); };
  ask_for(context, record, spec, [&] { result = context.engine.start_while(spec, stop_early); });
  return result;
}

void request_claimed(Context& context, const Record& record, const UnitSpec& spec) {
  ask_for(context, record, spec, [&] { context.engine.request_start(spec); });
  stop_if_asked_to(context, record);
}

}  // namespace agentctl
