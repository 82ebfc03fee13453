#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <csignal>
#include <cstdio>

#include "app/launch.hpp"
#include "app/logs.hpp"
#include "app/sessions.hpp"
#include "app/wait.hpp"
#include "base/system.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/log_printer.hpp"
#include "cli/print.hpp"
#include "cli/session_text.hpp"
#include "cli/verb.hpp"
#include "cli/waiting.hpp"
#include "domain/configuration.hpp"
#include "domain/ports.hpp"
#include "domain/request_rules.hpp"
#include "systemd/unit_properties.hpp"

namespace agentctl {
namespace {

struct RunOptions {
  LaunchOptions launch;
  std::optional<std::string> name;
  std::vector<std::string> labels;
  std::vector<std::string> ports;
  std::string restart;
  std::string restart_limit;
  std::vector<std::string> no_restart_on;
  std::string pool_max;
  std::string priority;
  std::string log_max;
  std::optional<microseconds> queue_timeout;
  std::string ready;
  std::optional<microseconds> ready_timeout;
  std::optional<microseconds> ready_interval;
  std::string unhealthy;
  std::optional<microseconds> restart_delay;
  std::optional<microseconds> restart_max_delay;
  std::optional<microseconds> restart_early;
  bool wait = false;
  bool follow = false;
  bool scope = false;
  bool dry_run = false;
  bool reuse = false;
  bool replace = false;
};

void add_options(CommandLine& line, RunOptions& options, bool& detach, std::optional<microseconds>& stop_timeout) {
  SessionRequest& request = options.launch.request;
  line.add_option("-n,--name", options.name, "NAME", "name, unique among live sessions");
  line.add_option("-C,--cwd", request.cwd, "DIR", "folder to run in (default: this one)");
  line.add_option("-e,--env", options.launch.variables, "K=V|K", "set a variable, or pass your own on");
  line.add_option("--env-file", request.env_file, "FILE", "variables, one K=V a line");
  line.add_flag("--clean-env", request.clean_env, "start from HOME USER SHELL PATH LANG TERM XDG_RUNTIME_DIR only");
  line.add_span("--ttl", request.ttl, "time limit: 90s, 15min, 2h 30min (default: none)");
  line.add_span("--stop-timeout", stop_timeout, "from SIGTERM to SIGKILL on stop (default: 5s)");
  line.add_option("-p,--project", request.project, "PROJECT", "project that it belongs to");
  line.add_option("--group", request.group, "GROUP", "group that it belongs to");
  line.add_option("--agent", request.agent, "AGENT", "agent that it belongs to");
  line.add_option("--work-item", request.work_item, "ITEM", "what it works on");
  line.add_option("--label", options.labels, "K=V", "a label, as often as needed");
  line.add_option("--port", options.ports, "N|auto", "port to hold for it, or a free one; its PORT");
  line.add_option("--restart", options.restart, "POLICY",
                  "start again when it has ended: no (default), on-failure or always");
  line.add_span("--restart-delay", options.restart_delay, "before the first restart; doubled each time (default: 2s)");
  line.add_span("--restart-max-delay", options.restart_max_delay, "at most (default: 2min)");
  line.add_span("--restart-early", options.restart_early, "a longer run resets the delay (default: 10s)");
  line.add_option("--restart-limit", options.restart_limit, "N", "so many early ends in a row park it (default: 5)");
  line.add_option("--no-restart-on", options.no_restart_on, "CODE", "an exit code that parks it at once, besides 78");
  line.add_option("--ready", options.ready, "CHECK",
                  "ready when http://…, tcp:PORT, unix:PATH, cmd:CMD, log:RE or notify is");
  line.add_span("--ready-timeout", options.ready_timeout, "it has failed when it is not ready by then (default: 1min)");
  line.add_span("--ready-interval", options.ready_interval, "between checks (default: 1s, and 30s once it is ready)");
  line.add_option("--unhealthy", options.unhealthy, "WHAT",
                  "what follows 3 failed checks: report (default), restart or stop");
  line.add_option("--pool", request.pool.name, "POOL", "take a slot of this pool; wait for one when all are taken");
  line.add_option("--max", options.pool_max, "N", "slots of the pool (default: as configured, else 10)");
  line.add_option("--priority", options.priority, "N",
                  "place in line: -100 to 100, the higher goes first (default: 0)");
  line.add_flag("--queue", options.launch.queue,
                "do not wait for a slot: return, and let it start when one comes free");
  line.add_span("--queue-timeout", options.queue_timeout, "wait no longer for a slot (default: 1min)");
  line.add_flag("--persist", request.persist, "start it again after a reboot or logout");
  line.add_option("--on-end", request.on_end, "COMMAND", "run this with sh when it has ended");
  line.add_option("--exclusive", request.exclusive, "KEY", "a key that only one live session may have");
  line.add_option("--source", request.source, "LABEL", "one live session for each source and project");
  line.add_flag("--reuse", options.reuse, "give the one that has the name or key, if it is the same command");
  line.add_flag("--replace", options.replace, "end the one that has the name or key first");
  line.add_option("--uid", request.user, "USER", "run as this user (system scope, root only)");
  line.add_flag("-d,--detach", detach, "return when it has started (default)");
  line.add_flag("--wait", options.wait, "return when it has ended, with its status");
  line.add_flag("-f,--follow", options.follow, "show its output, return with its status");
  line.add_flag("--scope", options.scope, "run it here, on this terminal and these streams");
  line.add_option("--stdout", request.stdout_file, "FILE", "append its output to this file too");
  line.add_option("--stderr", request.stderr_file, "FILE", "append its errors to this file too");
  line.add_option("--log-max", options.log_max, "SIZE", "then FILE becomes FILE.1; 0: never (default: 10M)");
  line.add_flag("--dry-run", options.dry_run, "print the unit that would be made, make nothing");
}

RestartRules restart_rules(const RunOptions& options) {
  RestartRules rules;
  if (!options.restart.empty()) {
    const auto policy = parse_restart_policy(options.restart);
    if (!policy)
      throw usage_error("run", "--restart takes no, on-failure or always, not '" + to_printable(options.restart) + "'");
    rules.policy = *policy;
  }
  rules.delay = options.restart_delay.value_or(rules.delay);
  rules.max_delay = options.restart_max_delay.value_or(std::max(rules.max_delay, rules.delay));
  rules.early = options.restart_early.value_or(rules.early);
  if (!options.restart_limit.empty())
    rules.limit = static_cast<int>(parse_number("run", "--restart-limit", options.restart_limit, max_restart_limit));
  for (const std::string& code : options.no_restart_on)
    rules.never_on.push_back(static_cast<int>(parse_number("run", "--no-restart-on", code, 255)));
  return rules;
}

void take_health_options(RunOptions& options) {
  if (options.ready.empty()) {
    if (options.ready_timeout || options.ready_interval || !options.unhealthy.empty())
      throw usage_error("run", "--ready-timeout, --ready-interval and --unhealthy need --ready");
    return;
  }
  SessionRequest& request = options.launch.request;
  HealthCheck check = parse_ready(options.ready);
  check.timeout = options.ready_timeout.value_or(check.timeout);
  check.interval = options.ready_interval;
  if (!options.unhealthy.empty()) {
    const auto what = parse_when_unhealthy(options.unhealthy);
    if (!what)
      throw usage_error("run",
                        "--unhealthy takes report, restart or stop, not '" + to_printable(options.unhealthy) + "'");
    check.when_unhealthy = *what;
  }
  if (check.when_unhealthy == WhenUnhealthy::restart && options.restart.empty())
    request.restart.policy = RestartPolicy::on_failure;
  request.health = check;
}

void take_pool_options(RunOptions& options) {
  PoolRequest& pool = options.launch.request.pool;
  if (!options.pool_max.empty()) {
    pool.max = static_cast<int>(parse_number("run", "--max", options.pool_max, max_pool_slots));
    if (pool.max == 0) throw usage_error("run", "--max takes a number from 1 on");
  }
  if (!options.priority.empty()) {
    const bool below = options.priority.starts_with('-');
    const auto number =
        static_cast<int>(parse_number("run", "--priority", options.priority.substr(below ? 1 : 0), highest_priority));
    pool.priority = below ? -number : number;
  }
  if (pool.name.empty() && (options.launch.queue || options.queue_timeout))
    throw usage_error("run", "--queue and --queue-timeout need --pool");
  if (options.launch.queue && options.queue_timeout)
    throw usage_error("run", "--queue and --queue-timeout exclude each other");
  if (options.launch.queue && options.scope)
    throw usage_error("run", "--queue and --scope exclude each other: nobody else could start it in this terminal");
  options.launch.queue_timeout = options.queue_timeout.value_or(options.launch.queue_timeout);
}

std::uint64_t parse_log_max(const std::string& text) {
  if (text.empty()) return default_log_max;
  if (text == "infinity") return 0;
  if (const auto size = parse_size(text)) return *size;
  throw usage_error("run",
                    "--log-max takes bytes, also with K, M, G or T, or infinity, not '" + to_printable(text) + "'");
}

std::uint16_t parse_port(const std::string& text) {
  if (text == "auto") return automatic_port;
  const auto number = parse_decimal(text);
  if (!number || *number < 1 || *number > 65535)
    throw usage_error("run", "--port takes auto or a number from 1 to 65535, not '" + to_printable(text) + "'");
  return static_cast<std::uint16_t>(*number);
}

RunOptions parse(Invocation& invocation) {
  CommandLine line(invocation, "run", "[OPTIONS] [--] COMMAND [ARG...]",
                   "Starts COMMAND as a session: one transient systemd unit, which goes on without you.",
                   {"agentctl run -n web -- sleep 60", "agentctl run --ttl 15min -- sh -c 'echo done'",
                    "agentctl run --follow -- echo hello", "agentctl run --scope -- cat /etc/hostname",
                    "agentctl run --dry-run -- sleep 60"});
  RunOptions options;
  bool detach = false;
  std::optional<microseconds> stop_timeout;
  add_options(line, options, detach, stop_timeout);
  line.parse(true);
  if (detach + options.wait + options.follow + options.scope > 1)
    throw usage_error("run", "--detach, --wait, --follow and --scope exclude each other");
  if (options.follow && invocation.globals().json)
    throw usage_error("run",
                      "--follow shows what the command prints, which is no JSON; --wait --json says how it ended");
  SessionRequest& request = options.launch.request;
  request.command = line.rest();
  if (options.name && !request.command.empty()) check_name(*options.name);
  request.name = options.name.value_or("");
  if (options.reuse && (options.replace || options.scope))
    throw usage_error("run",
                      std::string("--reuse and ") + (options.scope ? "--scope" : "--replace") + " exclude each other");
  const bool is_one_of_a_kind = !request.name.empty() || !request.exclusive.empty() || !request.source.empty();
  if ((options.reuse || options.replace) && !is_one_of_a_kind)
    throw usage_error(
        "run", "--reuse and --replace need -n, --exclusive or --source: each other session has a name of its own");
  options.launch.existing = options.reuse ? Existing::reuse : options.replace ? Existing::replace : Existing::refuse;
  request.kind = options.scope ? SessionKind::scope : SessionKind::service;
  if (stop_timeout) request.stop_timeout = *stop_timeout;
  request.restart = restart_rules(options);
  request.log_max = parse_log_max(options.log_max);
  take_health_options(options);
  take_pool_options(options);
  for (const std::string& label : options.labels) {
    const auto equals = label.find('=');
    if (equals == std::string::npos) throw usage_error("run", "--label takes K=V, not '" + to_printable(label) + "'");
    request.labels[label.substr(0, equals)] = label.substr(equals + 1);
  }
  for (const std::string& text : options.ports) request.ports.push_back(parse_port(text));
  return options;
}

void print_unit(const PreparedLaunch& prepared, ManagerScope scope, bool json) {
  const UnitSpec& spec = prepared.spec;
  std::string text = spec.unit + "\n";
  boost::json::object properties;
  for (const UnitProperty& property : unit_properties(spec, scope)) {
    const std::string line = to_text(property);
    text += "  " + line + "\n";
    properties[property.name] = line.substr(property.name.size() + 1);
  }
  if (json)
    text = boost::json::serialize(
               boost::json::object{{"unit", spec.unit}, {"type", to_string(spec.kind)}, {"properties", properties}}) +
           "\n";
  print(text);
}

// Once for each user: whoever has read it knows.
void warn_of_logout(const Context& context) {
  if (context.scope != ManagerScope::user || !stderr_is_terminal() || lingers(context.asker.user)) return;
  const Fd marker(
      ::open((context.registry.root() + "/told-of-lingering").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!marker) return;
  print_warning("your sessions end when you log out; to let them go on: sudo loginctl enable-linger " +
                context.asker.user);
}

void announce(Context& context, Session session, bool reused, bool json) {
  const std::string name = session.record.request.name;
  if (json) {
    read_usage(context, session);
    print(to_json(session) + "\n");
  } else if (!stdout_is_terminal()) {
    print(name + "\n");
  } else {
    const bool queued = session.state == State::queued;
    print(paint(name, Color::bold) +
          (queued   ? " is queued\n"
           : reused ? " lives already\n"
                    : " started\n") +
          paint((queued ? "agentctl why " + name + "   agentctl cancel " + name
                        : "agentctl logs -f " + name + "   agentctl status " + name + "   agentctl stop " + name),
                Color::dim) +
          "\n");
  }
}

// What did not become healthy has often said why.
void show_last_words(Context& context, const Record& record) {
  if (!record.request.health) return;
  try {
    for (const std::string& line : last_lines(context, find_by_record(context, record)))
      std::fprintf(stderr, "%s\n", to_printable(line).c_str());
  } catch (const Error&) {
    // That it has failed is what is to be told.
  }
}

int run_foreground(Invocation& invocation, const RunOptions& options, const Session& session) {
  Context& context = invocation.context();
  const std::string& name = session.record.request.name;
  // Ctrl-C leaves: the session is systemd's, and says how to end it.
  const InterruptNotice notice("agentctl: session '" + name + "' goes on; to end it: agentctl stop " + name + "\n");
  if (options.follow) {
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    const LogPrinter printer({.json = false, .times = false, .split_streams = true});
    follow_log(context, session, {}, printer.sink());
  }
  Waiting waiting("waiting for " + name);
  const Session ended = wait_for_sessions(context, {session}, WaitFor::exit, std::nullopt, waiting.tick()).front();
  waiting.done();
  if (invocation.globals().json) print(to_json(ended) + "\n");
  if (ended.state != State::exited && stderr_is_terminal())
    print_warning(name + ": " + to_string(ended.state) + ", " + ended.reason);
  return exit_status_of(ended);
}

Session start(Context& context, const PreparedLaunch& prepared, bool json) {
  Waiting waiting("waiting for a slot of pool " + prepared.launch.record.request.pool.name);
  try {
    return start_session(context, prepared, waiting.tick());
  } catch (const Error&) {
    waiting.done();
    if (!json) show_last_words(context, prepared.launch.record);
    throw;
  }
}

int run(Invocation& invocation, const RunOptions& options) {
  Context& context = invocation.context();
  const bool json = invocation.globals().json;
  const PreparedLaunch prepared = prepare_launch(context, options.launch);
  if (options.dry_run) {
    print_unit(prepared, context.scope, json);
    return 0;
  }
  if (options.scope) {
    Waiting waiting("waiting for a slot of pool " + prepared.launch.record.request.pool.name);
    return exit_status_of(run_scope_session(context, prepared, waiting.tick()));
  }
  const Session session = start(context, prepared, json);
  warn_of_logout(context);
  if (options.wait || options.follow) return run_foreground(invocation, options, session);
  announce(context, session, session.record.id != prepared.launch.record.id, json);
  return 0;
}

}  // namespace

int cmd_run(Invocation& invocation) {
  const RunOptions options = parse(invocation);
  const bool foreground = (options.wait || options.follow || options.scope) && !options.dry_run;
  if (!foreground) return run(invocation, options);
  return with_status_of_session(invocation, {ErrorCode::command_not_found, ErrorCode::command_not_executable},
                                [&] { return run(invocation, options); });
}

}  // namespace agentctl
