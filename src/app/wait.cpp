#include "app/wait.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>

#include "app/sessions.hpp"
#include "base/error.hpp"
#include "base/poll_loop.hpp"
#include "domain/end_of_session.hpp"
#include "store/registry_watch.hpp"

namespace agentctl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array<const char*, 4> wanted_words{"not ended", "not ready", "not healthy", "queued"};

bool is_awaited(const Session& session, WaitFor what) {
  if (is_terminal(session.state)) return false;
  if (what == WaitFor::turn) return session.state == State::queued;
  return what == WaitFor::exit || session.state != State::running ||
         (what == WaitFor::healthy && session.healthy == false);
}

[[noreturn]] void give_up(const std::vector<Session>& sessions, WaitFor what, microseconds timeout) {
  std::string names;
  for (const Session& session : sessions)
    if (is_awaited(session, what)) names += (names.empty() ? "" : ", ") + session.record.request.name;
  throw Error(
      {.code = ErrorCode::timed_out,
       .context = "still waiting for",
       .object = names,
       .reason = std::string(wanted_words.at(static_cast<std::size_t>(what))) + " after " + format_time_span(timeout),
       .hint = "agentctl status " + names.substr(0, names.find(','))});
}

// No unit of it could tell: it is queued, or claimed and may be refused, and end or go back in line without one.
bool may_have_no_unit(const Session& session) {
  return session.state == State::queued || (session.state == State::starting && session.invocation_id.empty());
}

/// What tells of a change: systemd of units, and the registry too where sessions have none yet.
class Changes {
 public:
  Changes(Context& context, const std::vector<std::string>& units, bool with_records)
      : units_(context.engine.watch(units)) {
    if (with_records) records_.emplace(context.registry.root());
  }

  struct Change {
    std::string unit{};  ///< empty: something has changed in the registry
    bool is_of(const Session& session) const { return unit.empty() || session.record.unit == unit; }
  };

  /// Nothing at the deadline.
  std::optional<Change> next(std::optional<microseconds> timeout) {
    if (!records_) return of_unit(timeout);
    const auto deadline = Clock::now() + std::min(timeout.value_or(forever), longest);
    for (;;) {
      if (auto change = of_unit(microseconds(0))) return change;
      if (records_->next_change(microseconds(0))) return Change{};
      if (Clock::now() >= deadline) return std::nullopt;
      PollLoop loop;
      for (const int fd : {units_->fd(), records_->fd()}) loop.watch(fd, POLLIN, [](short) {});
      loop.run_once(deadline);
    }
  }

 private:
  static constexpr microseconds longest = std::chrono::hours(24 * 365);

  std::optional<Change> of_unit(std::optional<microseconds> timeout) {
    auto unit = units_->next_change(timeout);
    return unit ? std::optional(Change{std::move(*unit)}) : std::nullopt;
  }

  std::unique_ptr<UnitWatch> units_;
  std::optional<RegistryWatch> records_;
};

std::vector<Session> wait_for_units(Context& context, const std::vector<Session>& sessions, WaitFor what,
                                    std::optional<microseconds> timeout, const Tick& tick) {
  std::vector<Session> current = sessions;
  const auto awaited = [&](const Session& session) { return is_awaited(session, what); };
  std::vector<std::string> units;
  for (const Session& session : current)
    if (awaited(session)) units.push_back(session.record.unit);
  if (units.empty()) return current;

  Changes changes(context, units, std::any_of(current.begin(), current.end(), may_have_no_unit));
  const auto began = Clock::now();
  const microseconds limit = timeout.value_or(forever);
  const auto elapsed = [&] { return std::chrono::duration_cast<microseconds>(Clock::now() - began); };
  // Each unit is looked at once, however short the time; then also a stream of changes ends with it.
  std::size_t looks = 0;
  while (std::any_of(current.begin(), current.end(), awaited)) {
    const microseconds waited = elapsed();
    const bool due = limit != forever && waited >= limit;
    if (due && looks >= units.size()) give_up(current, what, limit);
    std::optional<microseconds> left;
    if (limit != forever) left = std::max(microseconds(0), limit - waited);
    if (tick) left = std::min(left.value_or(forever), microseconds(std::chrono::seconds(1)));
    if (const auto change = changes.next(left)) {
      if (!change->unit.empty()) ++looks;
      for (Session& session : current)
        if (change->is_of(session) && awaited(session)) session = find_by_record(context, session.record);
    } else if (due) {
      give_up(current, what, limit);
    } else if (tick) {
      tick(elapsed(), static_cast<std::size_t>(std::count_if(current.begin(), current.end(), awaited)));
    }
  }
  return current;
}

// What was healthy once and is not now: its unit is active all the time.
void wait_for_health(Context& context, std::vector<Session>& sessions, microseconds limit, const Tick& tick) {
  const auto began = Clock::now();
  for (Session& session : sessions) {
    while (is_awaited(session, WaitFor::healthy)) {
      auto watch = RegistryWatch::of_folder(context.runtime.folder(session.record.id));
      session = find_by_record(context, session.record);
      if (!is_awaited(session, WaitFor::healthy)) break;
      const auto waited = std::chrono::duration_cast<microseconds>(Clock::now() - began);
      if (waited >= limit) give_up(sessions, WaitFor::healthy, limit);
      const microseconds left = limit == forever ? forever : limit - waited;
      if (!watch.next_change(std::min<microseconds>(left, std::chrono::seconds(1))) && tick) tick(waited, 1);
      session = find_by_record(context, session.record);
    }
  }
}

}  // namespace

std::vector<Session> wait_for_sessions(Context& context, const std::vector<Session>& sessions, WaitFor what,
                                       std::optional<microseconds> timeout, const Tick& tick) {
  if (what != WaitFor::healthy) return wait_for_units(context, sessions, what, timeout, tick);
  const auto began = Clock::now();
  std::vector<Session> ready = wait_for_units(context, sessions, WaitFor::ready, timeout, tick);
  const microseconds waited = std::chrono::duration_cast<microseconds>(Clock::now() - began);
  wait_for_health(context, ready, timeout ? std::max(microseconds(0), *timeout - waited) : forever, tick);
  return ready;
}

int exit_status_of(const Session& session) {
  if (session.record.end) return exit_status_of(*session.record.end);
  return is_terminal(session.state) ? 1 : 0;
}

}  // namespace agentctl
