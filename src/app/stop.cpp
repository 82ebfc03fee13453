#include "app/stop.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <set>

#include "app/housekeeping.hpp"
#include "app/launch.hpp"
#include "app/queue.hpp"
#include "app/sessions.hpp"
#include "app/wait.hpp"
#include "base/error.hpp"
#include "domain/restart.hpp"
#include "host/control_client.hpp"

namespace agentctl {
namespace {

// What the manager and the recorder may take beyond the grace period before something is wrong.
constexpr microseconds margin{10'000'000};

// Stands for no limit: what is added to it does not overflow.
constexpr microseconds century = std::chrono::hours(876'000);

// A registry that cannot be written to is no reason to let a session live.
void announce(Context& context, const Session& session, const StopRequest& request) {
  if (!session.recorded) return;
  try {
    context.registry.update(session.record.request.name, session.record.id,
                            [&](Record& record) { record.stop = request; });
  } catch (const Error& error) {
    context.registry.tell_trouble(error.object(), error.reason());
  }
}

// Nor could anybody write its end then, and only we know why it ended.
void explain_end(Session& session, const StopRequest& request) {
  if (session.state != State::lost || session.record.end) return;
  session.state = State::stopped;
  session.reason = "stopped by " + request.by.user + ", and could not be recorded";
}

Error cannot(const std::string& what, const Session& session, ErrorCode code, std::string reason, std::string hint) {
  return Error({.code = code,
                .context = "cannot " + what + " session",
                .object = session.record.request.name,
                .reason = std::move(reason),
                .hint = std::move(hint)});
}

// Longer than the unit's own: the host asks systemd for more time when the SIGTERM comes. Shorter: we kill.
bool is_longer_than_its_own(const StopOptions& options, const Session& session) {
  return options.timeout && *options.timeout > session.record.request.stop_timeout;
}

void set_grace(Context& context, const Session& session, microseconds timeout) {
  if (auto client = ControlClient::connect(context.runtime.folder(session.record.id)))
    client->set_stop_timeout(std::min(timeout, century));
}

// All of them or none: what one session's host cannot be told is refused, and the others forget it again.
void lengthen_graces(Context& context, const std::vector<Session>& sessions, const StopOptions& options) {
  for (const Session& session : sessions)
    if (session.record.request.kind == SessionKind::scope && is_longer_than_its_own(options, session))
      throw cannot("stop", session, ErrorCode::failed,
                   "a --scope session has the stop timeout that it was started with (" +
                       format_time_span(session.record.request.stop_timeout) + ")",
                   "agentctl stop " + session.record.request.name);
  for (auto session = sessions.begin(); session != sessions.end(); ++session) {
    if (!is_longer_than_its_own(options, *session)) continue;
    try {
      set_grace(context, *session, *options.timeout);
    } catch (const Error& error) {
      for (auto told = sessions.begin(); told != session; ++told)
        if (is_longer_than_its_own(options, *told)) set_grace(context, *told, microseconds(0));
      throw cannot("stop", *session, error.code(), error.reason(), "agentctl stop " + session->record.request.name);
    }
  }
}

bool await_gone(Context& context, const std::vector<Session>& live, microseconds timeout, const Tick& tick) {
  std::vector<Record> records;
  for (const Session& session : live) records.push_back(session.record);
  return await_unloaded(context, std::move(records), WaitClock(timeout, tick)).empty();
}

enum class Kill { host, everything };

void kill_what_lives(Context& context, const std::vector<Session>& sessions, Kill what) {
  for (const Session& session : sessions) {
    const Record& record = session.record;
    // With its end written only its recorder and starter are left, who do what follows.
    if (!inspect_unit(context, record) || context.registry.has_ended(record.request.name, record.id)) continue;
    if (what == Kill::everything || record.request.kind == SessionKind::scope) {
      context.engine.kill(record.unit, SIGKILL);
    } else {
      context.engine.kill_host(record.unit);
    }
  }
}

std::vector<Session> await_stops(Context& context, const std::vector<Session>& live, const StopOptions& options) {
  microseconds grace{0};
  for (const Session& session : live) grace = std::max(grace, session.record.request.stop_timeout);
  if (options.timeout && *options.timeout < grace && !await_gone(context, live, *options.timeout, options.tick)) {
    kill_what_lives(context, live, Kill::host);
    // A recorder that came with an earlier stop gives what is left as long as that one did.
    if (!await_gone(context, live, margin, options.tick)) kill_what_lives(context, live, Kill::everything);
  }
  const microseconds longest = std::max(grace, options.timeout.value_or(grace));
  await_gone(context, live, longest < forever - margin ? longest + margin : forever, options.tick);
  return wait_for_sessions(context, live, WaitFor::exit, margin, options.tick);
}

Session restart_live(Context& context, const Session& session) {
  const Record& record = session.record;
  require_live(session, "cannot restart session");
  if (record.request.kind == SessionKind::scope)
    throw cannot("restart", session, ErrorCode::failed, "a --scope session belongs to the terminal that started it",
                 "start it again there");
  const bool is_between_attempts = session.state == State::restarting;
  context.registry.update(record.request.name, record.id, [&](Record& stored) {
    stored.restart_by = context.asker;
    stored.stop.reset();
    if (is_between_attempts) begin_anew(stored);
  });
  // The recorder does both, but none runs when systemd is just about to start the next attempt.
  context.runtime.forget_attempt(record.id);
  const StartResult result = context.engine.restart(record.unit);
  Session current = find_by_record(context, record);
  if (result.started) return current;
  throw cannot("restart", session, ErrorCode::failed,
               current.reason.empty() ? "systemd job result '" + result.job_result + "'" : current.reason,
               "agentctl status " + record.request.name);
}

// The values of -e K=V were not kept. They must be given again, or the new session would silently lack them.
void require_variables(const Session& session, const std::vector<std::string>& variables) {
  for (const std::string& key : session.record.request.env_keys) {
    if (!key.ends_with('=')) continue;
    const bool given = std::any_of(variables.begin(), variables.end(), [&](const std::string& variable) {
      return variable.starts_with(key) || variable == key.substr(0, key.size() - 1);
    });
    if (given) continue;
    throw cannot("restart", session, ErrorCode::failed,
                 "it was started with -e " + key + "..., and values are not kept",
                 "agentctl restart -e " + key + "VALUE " + session.record.request.name);
  }
}

Session start_again(Context& context, const Session& session, const std::vector<std::string>& variables) {
  require_variables(session, variables);
  LaunchOptions options;
  options.request = session.record.request;
  options.variables = variables;
  for (const std::string& key : session.record.request.env_keys)
    if (!key.ends_with('=')) options.variables.push_back(key);
  if (options.request.kind == SessionKind::scope)
    throw cannot("restart", session, ErrorCode::failed, "a --scope session needs a terminal",
                 "agentctl run --scope -- COMMAND");
  return start_session(context, prepare_launch(context, std::move(options)));
}

std::vector<Session> those_that_run(std::vector<Session> sessions) {
  std::erase_if(sessions,
                [](const Session& session) { return session.state == State::queued || is_terminal(session.state); });
  return sessions;
}

std::vector<StopOutcome> end_sessions(Context& context, const std::vector<Session>& sessions,
                                      const StopOptions& options) {
  const StopRequest request{.by = context.asker, .reason = options.reason, .at = now(), .timeout = options.timeout};
  std::vector<StopOutcome> outcomes;
  std::vector<Session> live;
  std::vector<Session> begun_meanwhile;
  std::vector<std::string> units;
  lengthen_graces(context, those_that_run(sessions), options);
  // First what waits: none of it must start in the place of what is stopped.
  const std::vector<Record> cancelled = cancel_queued(context, sessions, request);
  for (const Session& given : sessions) {
    StopOutcome& outcome = outcomes.emplace_back();
    const auto record = std::find_if(cancelled.begin(), cancelled.end(),
                                     [&](const Record& other) { return other.id == given.record.id; });
    if (record != cancelled.end()) {
      outcome.session = make_session(*record, {}, std::nullopt);
      continue;
    }
    const Session session = given.state == State::queued ? find_by_record(context, given.record) : given;
    outcome.session = session;
    outcome.had_ended = is_terminal(session.state);
    if (outcome.had_ended) continue;
    outcome.processes = context.engine.processes(control_group_of(context, session)).size();
    if (given.state == State::queued) begun_meanwhile.push_back(session);
    live.push_back(session);
    units.push_back(session.record.unit);
  }
  if (live.empty()) return outcomes;

  lengthen_graces(context, begun_meanwhile, options);
  for (const Session& session : live) announce(context, session, request);
  context.engine.stop(options.slices.empty() ? units : options.slices);
  const std::vector<Session> ended = await_stops(context, live, options);
  for (StopOutcome& outcome : outcomes) {
    for (const Session& session : ended)
      if (session.record.id == outcome.session.record.id) outcome.session = session;
    if (outcome.session.state == State::cancelled) continue;
    if (!outcome.had_ended) explain_end(outcome.session, request);
    outcome.left = context.engine.processes(control_group_of(context, outcome.session)).size();
  }
  return outcomes;
}

}  // namespace

std::vector<StopOutcome> stop_sessions(Context& context, const std::vector<Session>& sessions,
                                       const StopOptions& options) {
  if (options.remove) require_unneeded(context, sessions);
  std::vector<StopOutcome> outcomes = end_sessions(context, sessions, options);
  if (!options.remove) return outcomes;
  std::vector<Record> records;
  for (const StopOutcome& outcome : outcomes)
    if (outcome.left == 0) records.push_back(outcome.session.record);
  const std::set<std::string> forgotten = forget_ended(context, records);
  for (StopOutcome& outcome : outcomes) outcome.removed = forgotten.contains(outcome.session.record.id);
  return outcomes;
}

Session restart_session(Context& context, const Session& session, const std::vector<std::string>& variables) {
  if (is_terminal(session.state)) return start_again(context, session, variables);
  if (!variables.empty())
    throw cannot("restart", session, ErrorCode::usage, "-e is for sessions that have ended; a live one keeps its own",
                 "agentctl stop " + session.record.request.name);
  return restart_live(context, session);
}

TimePoint extend_session(Context& context, const Session& session, microseconds by) {
  require_live(session, "cannot extend session");
  const Record& record = session.record;
  if (!session.expires_at)
    throw cannot("extend", session, ErrorCode::conflict, "it has no time limit",
                 "agentctl stop " + record.request.name);
  const auto details = inspect_unit(context, record);
  auto client = ControlClient::connect(context.runtime.folder(record.id));
  if (!details || !details->active_since || !client)
    throw cannot("extend", session, ErrorCode::conflict,
                 record.request.kind == SessionKind::scope ? "the time limit of a --scope session is fixed"
                                                           : "its session host does not answer",
                 "agentctl status " + record.request.name);
  // systemd knows no way to take a limit back.
  const TimePoint ends = by >= century ? now() + century : *session.expires_at + by;
  // First what a reload of the manager would read, then the manager itself: in between, the old limit holds.
  context.engine.persist_time_limit(record.unit,
                                    std::chrono::duration_cast<microseconds>(ends - *details->active_since));
  client->extend(std::chrono::duration_cast<microseconds>(ends - now()));
  context.registry.update(record.request.name, record.id, [&](Record& stored) { stored.expires_at = ends; });
  return ends;
}

void kill_sessions(Context& context, const std::vector<Session>& sessions, int signal) {
  for (const Session& session : sessions) require_live(session, "cannot signal session");
  for (const Session& session : sessions) context.engine.kill(session.record.unit, signal);
}

std::vector<Session> kill_those_that_live(Context& context, const std::vector<Session>& sessions, int signal) {
  std::vector<Session> reached;
  for (const Session& session : sessions) {
    if (session.state == State::queued || is_terminal(session.state)) continue;
    try {
      context.engine.kill(session.record.unit, signal);
      reached.push_back(session);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::not_found) throw;  // it has ended meanwhile
    }
  }
  return reached;
}

}  // namespace agentctl
