#include <algorithm>
#include <chrono>

#include "app/command_lookup.hpp"
#include "app/launch.hpp"
#include "app/logs.hpp"
#include "app/name_claim.hpp"
#include "app/ports.hpp"
#include "app/services.hpp"
#include "app/sessions.hpp"
#include "app/stop.hpp"
#include "base/error.hpp"
#include "base/listening_socket.hpp"
#include "base/text.hpp"
#include "domain/end_of_session.hpp"
#include "domain/ports.hpp"
#include "domain/request_rules.hpp"
#include "domain/rivalry.hpp"

namespace agentctl {
namespace {

using Kind = ServiceOutcome::Kind;

constexpr std::size_t tail_lines = 50;
constexpr std::size_t tail_bytes = 2000;
constexpr std::size_t longest_reason = 300;

std::vector<std::uint16_t> without_repeats(const std::vector<std::uint16_t>& ports) {
  std::vector<std::uint16_t> once;
  for (const std::uint16_t port : ports)
    if (port == automatic_port || std::find(once.begin(), once.end(), port) == once.end()) once.push_back(port);
  return once;
}

// Who wrote a file may have any name: in a record it is one that can be shown.
std::string as_label(const std::string& text) {
  std::string label = shorten(to_printable(text), max_text);
  while (label.size() > max_text) label = shorten(label, count_characters(label) - 1);
  return label;
}

// What `run` refuses as a mistake is in a file as good as the least that there is.
void raise_to_the_least(SessionRequest& request) {
  constexpr microseconds least = std::chrono::milliseconds(100);
  if (request.health->interval) request.health->interval = std::max(*request.health->interval, least);
  RestartRules& rules = request.restart;
  rules.delay = std::max(rules.delay, least);
  rules.max_delay = std::max(rules.max_delay, rules.delay);
}

LaunchOptions launch_options(const ServiceSpec& spec, const ServiceFile& file, const ApplyOptions& options) {
  LaunchOptions launch;
  SessionRequest& request = launch.request;
  request.name = spec.name;
  request.command = {spec.cmd};
  request.command.insert(request.command.end(), spec.args.begin(), spec.args.end());
  request.cwd = spec.cwd;
  request.project = options.project;
  request.agent = options.agent.empty() ? as_label(file.written_by) : options.agent;
  request.work_item = options.work_item.empty() ? as_label(file.wi_id) : options.work_item;
  request.ports = without_repeats(spec.ports);
  request.ttl = std::chrono::minutes(spec.ttl_minutes);
  request.attrs = spec.attrs;
  request.bare_env = true;
  for (const auto& [key, value] : spec.env) launch.variables.push_back(key + "=" + value);
  request.restart = spec.restart;
  request.limits = spec.limits;
  request.sandbox = spec.sandbox;
  request.health = spec.health;
  if (spec.health.when_unhealthy == WhenUnhealthy::restart && request.restart.policy == RestartPolicy::no)
    request.restart.policy = RestartPolicy::on_failure;
  raise_to_the_least(request);
  request.stdout_file = spec.stdout_file;
  request.stderr_file = spec.stderr_file;
  request.spec_digest = digest_of(spec);
  return launch;
}

// The last of them, in at most so many bytes; what is cut is the beginning of the first.
void keep_end(std::vector<std::string>& lines, std::size_t bytes) {
  for (auto line = lines.end(); line != lines.begin();) {
    --line;
    const std::size_t size = line->size() + 1;
    if (size <= bytes) {
      bytes -= size;
      continue;
    }
    const bool has_room = bytes > 1;
    if (has_room) line->erase(0, size - bytes);
    while (has_room && !line->empty() && (line->front() & 0xC0) == 0x80) line->erase(0, 1);
    lines.erase(lines.begin(), has_room ? line : line + 1);
    return;
  }
}

// In the words that agents know; the session's own reason is for people.
std::string reason_of(const Session& session, const std::string& name, const std::string& timeout) {
  const std::string late = not_healthy_within(session.record.request.health->timeout);
  if (session.reason.starts_with(late)) {
    const std::string error = session.reason.substr(late.size());
    return "timeout: spec " + name + " did not become healthy within " + timeout +
           (error.empty() ? "" : " (last" + error + ")");
  }
  if (!session.reason.ends_with(before_healthy)) return session.reason;
  const Exit& exit = session.exit;
  return "process exited before first health (code=" + (exit.code ? std::to_string(*exit.code) : "null") +
         ", signal=" + (exit.signal ? signal_name(*exit.signal) : "null") + ")";
}

/// One service of the batch on its way.
struct Member {
  const ServiceSpec* spec = nullptr;
  PreparedLaunch launch{};
  ServiceOutcome outcome{};
  bool is_reused = false;
  bool is_settled = false;

  const Record& wanted() const { return launch.launch.record; }
  bool is_begun() const { return outcome.session.has_value(); }
  bool is_ours() const { return is_begun() && !is_reused; }
  bool is_awaited() const { return is_begun() && !is_settled; }
  void fail(std::string reason) {
    is_settled = true;
    outcome.kind = Kind::failed;
    outcome.reason = std::move(reason);
  }
};

/// The services of one file, from the first look at what is there to the last that is healthy or has failed.
class Batch {
 public:
  Batch(Context& context, const ServiceFile& file, const ApplyOptions& options) : context_(context), options_(options) {
    for (const ServiceSpec& spec : file.specs) {
      Member& member = members_.emplace_back();
      member.spec = &spec;
      member.outcome.name = spec.name;
      if (!find_same(member)) member.launch = prepare_launch(context_, launch_options(spec, file, options));
    }
    for (const Member& member : members_)
      if (!member.is_reused && !member.wanted().request.ports.empty()) require_ports(member);
  }

  BatchOutcome run() {
    try {
      begin_what_can();
      if (options_.wait) wait();
    } catch (const Error& error) {
      // Nothing has happened yet.
      if (std::none_of(members_.begin(), members_.end(), [](const Member& member) { return member.is_ours(); })) throw;
      undo(error.what());
    }
    return outcome();
  }

 private:
  // Before anything starts: a name that lives is this very service, or in the way.
  bool find_same(Member& member) {
    auto session = find_by_name(context_, member.spec->name);
    if (!session || is_terminal(session->state)) return false;
    const SessionRequest& request = session->record.request;
    // The same description means another service in another folder.
    const bool is_elsewhere = request.cwd != absolute_path(member.spec->cwd, context_.cwd);
    if (request.spec_digest != digest_of(*member.spec) || request.project != options_.project || is_elsewhere)
      throw refusal(member, "another session of that name lives (" + session->record.id + ", " +
                                to_string(session->state) + (is_elsewhere ? ", in " + to_printable(request.cwd) : "") +
                                ")");
    member.is_reused = true;
    member.outcome.kind = Kind::reused;
    member.outcome.session = std::move(session);
    return true;
  }

  static Error refusal(const Member& member, const std::string& reason) {
    return Error({.code = ErrorCode::conflict,
                  .context = "cannot start service",
                  .object = member.spec->name,
                  .reason = reason,
                  .hint = "agentctl status " + member.spec->name});
  }

  // The claim would tell, too, but then others have been started.
  void require_ports(const Member& member) {
    const Record& wanted = member.wanted();
    const auto is_rival = [&](const SessionRequest& other) {
      return rivalry_of(wanted.request, other) == Rivalry::port;
    };
    for (const Member& other : members_) {
      if (&other == &member) break;
      if (!other.is_reused && is_rival(other.wanted().request))
        throw refusal(member, describe(Rivalry::port, wanted.request, other.wanted().request) + " is asked for by '" +
                                  other.spec->name + "' too");
    }
    for (const Record& record : context_.registry.live()) {
      if (!is_rival(record.request)) continue;
      if (const Session holder = observe(context_, record); !is_terminal(holder.state)) throw is_taken(wanted, holder);
    }
    for (const std::uint16_t port : wanted.request.ports)
      if (port != automatic_port && !listeners(port).empty()) throw port_is_taken(context_, wanted, port);
  }

  const Member& member_of(const std::string& name) const {
    return *std::find_if(members_.begin(), members_.end(),
                         [&](const Member& member) { return member.spec->name == name; });
  }

  // What fails for its needs can be what another needs.
  void begin_what_can() {
    for (bool has_changed = true; has_changed;) {
      has_changed = false;
      for (Member& member : members_)
        if (!member.is_begun() && !member.is_settled) has_changed = begin(member) || has_changed;
    }
  }

  // False when it has to wait for another.
  bool begin(Member& member) {
    for (const std::string& name : member.spec->needs) {
      const Member& need = member_of(name);
      if (!need.is_settled) return false;
      if (need.outcome.kind != Kind::failed) continue;
      member.fail("needs '" + name + "', which is not healthy");
      return true;
    }
    try {
      member.outcome.session = begin_session(context_, member.launch);
    } catch (const Error& error) {
      member.fail(error.what());
      throw;
    }
    member.outcome.kind = Kind::started;
    return true;
  }

  // One that was never started takes the others along; one that ended before it was healthy does not.
  void settle(Member& member) {
    const Session& session = *member.outcome.session;
    if (session.state == State::running) {
      if (member.is_reused && session.healthy == false) return member.fail(session.reason);
      member.is_settled = true;
      if (member.outcome.kind == Kind::started) member.outcome.kind = Kind::healthy;
    } else if (is_terminal(session.state)) {
      member.fail(reason_of(session, member.outcome.name, seconds_text(member.spec->health.timeout) + "s"));
      if (!session.started_at)
        throw Error({.code = ErrorCode::failed,
                     .context = "cannot start service",
                     .object = member.spec->name,
                     .reason = session.reason,
                     .hint = "agentctl status " + member.spec->name});
      member.outcome.tail = last_lines_of(session);
    }
  }

  // Without them it has failed all the same.
  std::vector<std::string> last_lines_of(const Session& session) {
    std::vector<std::string> lines;
    try {
      read_log(context_, session, {.lines = tail_lines, .since = {}, .stream = {}}, [&](const LogItem& item) {
        if (const auto* line = std::get_if<LogLine>(&item)) lines.emplace_back(line->text);
      });
    } catch (const Error& error) {
      context_.registry.tell_trouble(error.object(), error.reason());
    }
    keep_end(lines, tail_bytes);
    return lines;
  }

  void look(const std::string& unit) {
    for (Member& member : members_) {
      if (!member.is_awaited() || member.outcome.session->record.unit != unit) continue;
      member.outcome.session = find_by_record(context_, member.outcome.session->record);
      settle(member);
    }
  }

  std::vector<std::string> awaited() const {
    std::vector<std::string> units;
    for (const Member& member : members_)
      if (member.is_awaited()) units.push_back(member.outcome.session->record.unit);
    return units;
  }

  void wait() {
    const WaitClock clock({}, options_.tick);
    for (std::vector<std::string> units = awaited(); !units.empty(); units = awaited()) {
      // Watched first, then looked at: nothing between the two is missed.
      const auto watch = context_.engine.watch(units);
      for (const std::string& unit : units) look(unit);
      while (awaited().size() == units.size()) {
        if (const auto changed = watch->next_change(clock.nap())) {
          look(*changed);
        } else {
          clock.tick(units.size());
        }
      }
      begin_what_can();
    }
  }

  void undo(const std::string& reason) {
    undone_because_ = reason;
    std::vector<Session> begun;
    for (Member& member : members_) {
      if (member.is_reused || (member.outcome.kind == Kind::failed && member.is_settled)) continue;
      if (member.is_begun()) begun.push_back(*member.outcome.session);
      member.outcome.kind = Kind::undone;
      member.outcome.reason = reason;
    }
    stop_sessions(context_, begun, {.reason = "its batch was undone: " + reason});
    for (Member& member : members_)
      if (member.is_begun()) member.outcome.session = find_by_record(context_, member.outcome.session->record);
  }

  BatchOutcome outcome() {
    BatchOutcome batch;
    std::string failed;
    std::size_t count = 0;
    for (Member& member : members_) {
      const bool is_bad = member.outcome.kind == Kind::failed || member.outcome.kind == Kind::undone;
      if (is_bad) {
        failed += (failed.empty() ? "" : ",") + member.outcome.name;
        ++count;
      }
      batch.services.push_back(std::move(member.outcome));
    }
    if (count == 0) return batch;
    batch.state = count == members_.size() || !undone_because_.empty() ? BatchState::failed : BatchState::partial;
    batch.reason = !undone_because_.empty() ? undone_because_
                                            : "managed_spawn_healthcheck_failed: " + failed + " (" +
                                                  std::to_string(count) + "/" + std::to_string(members_.size()) + ")";
    batch.reason = shorten(batch.reason, longest_reason);
    return batch;
  }

  Context& context_;
  const ApplyOptions& options_;
  std::vector<Member> members_;
  std::string undone_because_;
};

}  // namespace

const char* to_string(BatchState state) noexcept {
  switch (state) {
    case BatchState::ok: return "ok";
    case BatchState::partial: return "partial";
    case BatchState::failed: break;
  }
  return "failed";
}

const char* to_string(ServiceOutcome::Kind kind) noexcept {
  switch (kind) {
    case Kind::healthy: return "healthy";
    case Kind::started: return "started";
    case Kind::reused: return "reused";
    case Kind::undone: return "undone";
    case Kind::failed: break;
  }
  return "failed";
}

BatchOutcome apply_services(Context& context, const ServiceFile& file, const ApplyOptions& options) {
  const bool in_order =
      std::any_of(file.specs.begin(), file.specs.end(), [](const ServiceSpec& spec) { return !spec.needs.empty(); });
  if (in_order && !options.wait)
    throw Error({.code = ErrorCode::usage,
                 .context = "invalid",
                 .object = "--no-wait",
                 .reason = "a service that needs another starts when that one is healthy, so somebody has to wait",
                 .hint = "leave out --no-wait"});
  return Batch(context, file, options).run();
}

}  // namespace agentctl
