#include "app/launch.hpp"

#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "app/command_lookup.hpp"
#include "app/name_claim.hpp"
#include "app/queue.hpp"
#include "app/sessions.hpp"
#include "app/wait.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "base/user.hpp"
#include "domain/end_of_session.hpp"
#include "domain/naming.hpp"
#include "domain/ports.hpp"
#include "domain/request_rules.hpp"
#include "domain/rivalry.hpp"
#include "store/configuration_file.hpp"

namespace agentctl {
namespace {

constexpr std::size_t environment_file_limit = 1u << 20;

std::optional<User> session_user(const Context& context, const std::string& wanted) {
  if (wanted.empty()) return std::nullopt;
  const auto refuse = [&](ErrorCode code, const char* reason, const char* hint) {
    return Error({.code = code, .context = "cannot run as", .object = wanted, .reason = reason, .hint = hint});
  };
  if (context.scope != ManagerScope::system)
    throw refuse(ErrorCode::usage, "a user manager runs sessions as its own user only", "sudo agentctl --system run");
  auto user = find_user(wanted);
  if (!user) throw refuse(ErrorCode::usage, "there is no such user", "getent passwd");
  return user;
}

void set(Environment& environment, const char* name, const std::string& value) {
  if (!value.empty()) environment[name] = value;
}

// Another user's session starts from that user's own basics: root's variables are root's.
Environment basics_of(const Context& context, const User& user) {
  Environment environment = minimal_environment(context.environment);
  environment.erase("XDG_RUNTIME_DIR");
  set(environment, "HOME", user.home);
  set(environment, "USER", user.name);
  set(environment, "LOGNAME", user.name);
  set(environment, "SHELL", user.shell);
  return environment;
}

std::string read_environment_file(const std::string& path) {
  try {
    constexpr const char* remedy = "write it to a file, which restart reads again, or use -e K=V";
    if (auto content = read_named_file(path, environment_file_limit, remedy)) return std::move(*content);
    throw system_error("cannot read", path, ENOENT);
  } catch (const Error& error) {
    throw error.with_hint("name another file with --env-file");
  }
}

Environment session_environment(const Context& context, const LaunchOptions& options, const std::optional<User>& user) {
  const SessionRequest& request = options.request;
  Environment environment = user                ? basics_of(context, *user)
                            : request.bare_env  ? bare_environment(context.environment)
                            : request.clean_env ? minimal_environment(context.environment)
                                                : clean_environment(context.environment);
  // The caller's own is another program's port.
  if (!request.ports.empty()) environment.erase("PORT");
  if (!request.env_file.empty())
    add_environment_file(environment, read_environment_file(request.env_file), request.env_file, context.environment);
  for (const std::string& variable : options.variables) add_variable(environment, variable, context.environment);
  return environment;
}

void identify_session(Environment& environment, const Record& record) {
  environment["AGENTCTL_SESSION"] = record.id;
  environment["AGENTCTL_NAME"] = record.request.name;
  environment["AGENTCTL_UNIT"] = record.unit;
  set(environment, "AGENTCTL_PROJECT", record.request.project);
  environment["PWD"] = record.request.cwd;
}

// Thousands of units in one slice make each start several times slower.
bool is_crowded(const Context& context, const SessionRequest& request) {
  constexpr std::size_t crowd = 200;
  try {
    const bool is_spread = request.project.empty() && request.group.empty();
    return !is_spread && context.engine.units_in(slice_name(request)) >= crowd;
  } catch (const Error&) {
    return false;  // without a systemd to ask, only --dry-run goes on
  }
}

// What -e was given, without the values: they may be secrets.
std::vector<std::string> variable_names(const std::vector<std::string>& variables) {
  std::vector<std::string> names;
  for (const std::string& variable : variables) {
    const auto equals = variable.find('=');
    names.push_back(equals == std::string::npos ? variable : variable.substr(0, equals + 1));
  }
  return names;
}

// A limit that somebody set is no wish: asking for more is refused, not cut.
void check_slots(const Context& context, const PoolRequest& pool) {
  const PoolLimits limits = read_configuration(context.configuration_files).pools;
  const int most = slots_for({.name = pool.name, .max = 0, .priority = 0}, limits);
  if (pool.max <= most) return;
  throw Error({.code = ErrorCode::usage,
               .context = "invalid",
               .object = "--max",
               .reason = "pool '" + pool.name + "' has at most " + std::to_string(most) + " slots",
               .hint = "\"pool_cap\" and \"pools\" in " + context.configuration_files.back()});
}

}  // namespace

std::optional<uid_t> owner_of(const Record& record) {
  const std::string& name = record.request.user;
  if (name.empty()) return std::nullopt;
  const auto user = find_user(name);
  if (user) return user->uid;
  throw Error({.code = ErrorCode::failed,
               .context = "cannot run as",
               .object = name,
               .reason = "there is no such user any more",
               .hint = "getent passwd"});
}

UnitSpec unit_spec(const Context& context, const Record& record) {
  const std::string folder = context.runtime.folder(record.id);
  const SessionRequest& request = record.request;
  UnitSpec spec{.unit = record.unit,
                .slice = slice_of(record),
                .description = unit_description(record),
                .kind = request.kind,
                .host = {context.libexec_dir + "/session-host", folder},
                .recorder = {context.libexec_dir + "/recorder", folder},
                .processes = {},
                .can_attach = request.adopted,
                .ttl = request.ttl,
                .stop_timeout = request.stop_timeout,
                .user = request.user,
                .restart = request.restart,
                .limits = request.limits,
                .sandbox = request.sandbox,
                .runtime_dir = folder};
  // Where others wait for its end, a recorder that fails or was killed must not be the last word.
  const bool is_waited_for = !request.pool.name.empty() || record.flow || !request.on_end.empty() || request.adopted;
  if (is_waited_for) spec.when_unrecorded = "agentctl-reconcile@" + record.id + ".service";
  return spec;
}

PreparedLaunch prepare_launch(const Context& context, LaunchOptions options) {
  PreparedLaunch prepared;
  SessionRequest& request = options.request;
  Record& record = prepared.launch.record;
  record.id = random_id(id_length);
  if (request.name.empty() && !request.command.empty()) request.name = default_name(request.command.front(), record.id);
  if (!request.stdout_file.empty()) request.stdout_file = absolute_path(request.stdout_file, context.cwd);
  if (!request.stderr_file.empty()) request.stderr_file = absolute_path(request.stderr_file, context.cwd);
  if (!request.env_file.empty()) request.env_file = absolute_path(request.env_file, context.cwd);
  request.env_keys = variable_names(options.variables);
  check_request(request);
  const auto user = session_user(context, request.user);
  if (user) {
    request.user = user->name;
    prepared.owner = user->uid;
  }
  request.cwd = absolute_path(request.cwd.empty() && user ? user->home : request.cwd, context.cwd);
  check_working_directory(request.cwd);
  // Another user's rights are not root's.
  if (!user && !request.stdout_file.empty()) check_output_file("--stdout", request.stdout_file);
  if (!user && !request.stderr_file.empty()) check_output_file("--stderr", request.stderr_file);
  Environment environment = session_environment(context, options, user);
  const auto path = environment.find("PATH");
  prepared.launch.executable =
      find_command(request.command.front(), request.cwd, path != environment.end() ? path->second : "/usr/bin:/bin");

  record.unit = unit_name(request.name, request.kind);
  if (is_crowded(context, request)) record.slice = crowded_slice(slice_name(request), request.name);
  record.scope = context.scope;
  record.request = std::move(request);
  record.created_by = context.asker;
  record.created_at = now();
  record.boot_id = context.boot_id;
  identify_session(environment, record);
  prepared.launch.environment = to_assignments(environment);
  tell_ports(prepared.launch);
  prepared.launch.registry = context.registry.root();
  prepared.launch.umask = context.umask;
  prepared.existing = options.existing;
  prepared.queue_timeout = options.queue_timeout;
  if (!record.request.pool.name.empty()) {
    check_slots(context, record.request.pool);
    record.queued = options.queue ? Queued::by_anyone : Queued::by_asker;
  }
  prepared.spec = unit_spec(context, record);
  return prepared;
}

namespace {

// Nothing of it is left and no recorder wrote down why: systemd could not execute the helpers, or dropped the job.
void end_failed_start(Context& context, const PreparedLaunch& prepared, const StartResult& result) {
  const std::string& host = prepared.spec.host.front();
  const Record& asked = prepared.launch.record;
  const Record record = context.registry.find(asked.request.name, asked.id).value_or(asked);
  End end = decide_lost(record, context.runtime.note(record.id), context.boot_id, now());
  if (end.state == State::lost && !end.started_at) {
    end.state = State::failed;
    end.reason = result.job_result == "failed" && ::access(host.c_str(), X_OK) < 0
                     ? "'" + host + "' cannot be executed: " + std::generic_category().message(errno)
                     : "systemd ended its start with '" + result.job_result + "'";
  }
  const bool ended = context.registry.finish(record, end);
  context.runtime.remove(record.id);
  if (ended) follow_end(context, with_end(record, end));
}

bool is_same_work(const SessionRequest& a, const SessionRequest& b) {
  return a.command == b.command && a.cwd == b.cwd && a.user == b.user;
}

std::variant<ClaimedLaunch, Session> claim_or_reuse(Context& context, const PreparedLaunch& prepared,
                                                    const Tick& tick) {
  if (prepared.existing != Existing::reuse) return claim_launch(context, prepared, tick);
  for (;;) {
    auto claim = try_claim(context, prepared, tick);
    const auto* holder = std::get_if<Session>(&claim);
    if (holder == nullptr || holder->record.id == prepared.launch.record.id) return claim;
    const SessionRequest& wanted = prepared.launch.record.request;
    if (rivalry_of(wanted, holder->record.request) == Rivalry::port) throw is_taken(prepared.launch.record, *holder);
    if (!is_same_work(wanted, holder->record.request))
      throw Error({.code = ErrorCode::conflict,
                   .context = "cannot reuse session",
                   .object = holder->record.request.name,
                   .reason = "it is not the same: " + quote_for_shell(holder->record.request.command) + " in " +
                             to_printable(holder->record.request.cwd),
                   .hint = "agentctl run --replace, or another name"});
    if (holder->state == State::queued) {
      if (prepared.launch.record.queued == Queued::by_anyone) return *holder;
      wait_for_sessions(context, {*holder}, WaitFor::turn, prepared.queue_timeout, tick);
    }
    // One that is just starting may still fail, and then this is the one to start.
    Session ready = wait_for_sessions(context, {*holder}, WaitFor::ready, std::nullopt).front();
    if (!is_terminal(ready.state)) return ready;
  }
}

}  // namespace

Session start_session(Context& context, const PreparedLaunch& prepared, const Tick& tick) {
  auto claim = claim_or_reuse(context, prepared, tick);
  if (auto* reused_or_queued = std::get_if<Session>(&claim)) return std::move(*reused_or_queued);
  const Record& record = std::get<ClaimedLaunch>(claim).launch.record;
  std::optional<HeldLaunch> held = std::move(std::get<ClaimedLaunch>(claim).held);
  const StartResult result = start_claimed(context, record, prepared.spec);
  if (result.started) {
    // The host's note says all that is to be said of a session that has just started. It is gone when that was short.
    const auto note = context.runtime.note(record.id);
    return note && !record.request.health ? make_session(record, {.unit = Activity::active}, note)
                                          : observe(context, record);
  }
  // While the launch is held nobody else ends it.
  if (!context.registry.has_ended(record.request.name, record.id) && !inspect_unit(context, record))
    end_failed_start(context, prepared, result);
  held.reset();
  const Session session = await_end(context, record);
  const int status = session.exit.code.value_or(1);
  const bool not_executed = !session.started_at && (status == 126 || status == 127);
  throw Error({.code = not_executed ? static_cast<ErrorCode>(status) : ErrorCode::failed,
               .context = "cannot start session",
               .object = record.request.name,
               .reason = session.reason,
               .hint = "agentctl status " + record.request.name});
}

Session begin_session(Context& context, const PreparedLaunch& prepared) {
  auto claim = claim_or_reuse(context, prepared, {});
  if (auto* reused = std::get_if<Session>(&claim)) return std::move(*reused);
  const ClaimedLaunch& claimed = std::get<ClaimedLaunch>(claim);
  request_claimed(context, claimed.launch.record, prepared.spec);
  return find_by_record(context, claimed.launch.record);
}

}  // namespace agentctl
