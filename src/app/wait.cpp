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

/// What tells of a change: systemd of units, and files, if they are given, of what no unit shows.
class Changes {
 public:
  Changes(Context& context, const std::vector<std::string>& units, std::optional<RegistryWatch> files)
      : units_(context.engine.watch(units)), files_(std::move(files)) {}

  struct Change {
    std::string unit{};  ///< empty: something has changed in the files
    bool is_of(const Session& session) const { return unit.empty() || session.record.unit == unit; }
  };

  /// Nothing at the deadline.
  std::optional<Change> next(std::optional<microseconds> timeout) {
    if (!files_) return of_unit(timeout);
    const auto deadline = Clock::now() + std::min(timeout.value_or(forever), longest);
    for (;;) {
      if (auto change = of_unit(microseconds(0))) return change;
      if (files_->next_change(microseconds(0))) return Change{};
      if (Clock::now() >= deadline) return std::nullopt;
      PollLoop loop;
      for (const int fd : {units_->fd(), files_->fd()}) loop.watch(fd, POLLIN, [](short) {});
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
  std::optional<RegistryWatch> files_;
};

std::vector<Session> wait_for_units(Context& context, const std::vector<Session>& sessions, WaitFor what,
                                    const WaitClock& clock) {
  std::vector<Session> current = sessions;
  const auto awaited = [&](const Session& session) { return is_awaited(session, what); };
  std::vector<std::string> units;
  for (const Session& session : current)
    if (awaited(session)) units.push_back(session.record.unit);
  if (units.empty()) return current;

  std::optional<RegistryWatch> records;
  if (std::any_of(current.begin(), current.end(), may_have_no_unit)) records.emplace(context.registry.root());
  Changes changes(context, units, std::move(records));
  // Each unit is looked at once, however short the time; then also a stream of changes ends with it.
  std::size_t looks = 0;
  while (std::any_of(current.begin(), current.end(), awaited)) {
    const bool is_over = clock.is_over();
    if (is_over && looks >= units.size()) give_up(current, what, clock.limit());
    if (const auto change = changes.next(clock.nap())) {
      if (!change->unit.empty()) ++looks;
      for (Session& session : current)
        if (change->is_of(session) && awaited(session)) session = find_by_record(context, session.record);
    } else if (is_over) {
      give_up(current, what, clock.limit());
    } else {
      clock.tick(static_cast<std::size_t>(std::count_if(current.begin(), current.end(), awaited)));
    }
  }
  return current;
}

// What was healthy once and is not now: its unit is active all the time. A check that says the same as before only
// touches its note, which is no change.
void wait_for_health(Context& context, std::vector<Session>& sessions, const WaitClock& clock) {
  constexpr microseconds longest_blindness = std::chrono::seconds(1);
  for (Session& session : sessions) {
    if (!is_awaited(session, WaitFor::healthy)) continue;
    Changes changes(context, {session.record.unit},
                    RegistryWatch::of_folder(context.runtime.folder(session.record.id)));
    for (;;) {
      session = find_by_record(context, session.record);
      if (!is_awaited(session, WaitFor::healthy)) break;
      if (clock.is_over()) give_up(sessions, WaitFor::healthy, clock.limit());
      if (!changes.next(std::min(clock.nap().value_or(longest_blindness), longest_blindness))) clock.tick(1);
    }
  }
}

}  // namespace

std::vector<Session> wait_for_sessions(Context& context, const std::vector<Session>& sessions, WaitFor what,
                                       std::optional<microseconds> timeout, const Tick& tick) {
  const WaitClock clock(timeout, tick);
  if (what != WaitFor::healthy) return wait_for_units(context, sessions, what, clock);
  std::vector<Session> ready = wait_for_units(context, sessions, WaitFor::ready, clock);
  wait_for_health(context, ready, clock);
  return ready;
}

int exit_status_of(const Session& session) {
  if (session.record.end) return exit_status_of(*session.record.end);
  return is_terminal(session.state) ? 1 : 0;
}

}  // namespace agentctl
