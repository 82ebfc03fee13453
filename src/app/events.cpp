#include "app/events.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <set>

#include "app/sessions.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "store/registry_watch.hpp"

namespace agentctl {
namespace {

/// What has been told of a session.
struct Told {
  State state = State::lost;
  int attempt = 1;
  bool ran = false;  ///< that this attempt came to run
};

/// Tells what of a session has not been told yet. A state that came and went between two looks is told from the times
/// in its record.
class Teller {
 public:
  explicit Teller(const EventSink& sink) : sink_(sink) {}

  bool wants_more() const { return wants_more_; }

  void note(const Session& session) {
    told_[session.record.id] = {session.state, session.record.attempt, session.started_at.has_value()};
  }

  void tell(const Session& session) {
    const Record& record = session.record;
    const auto known = told_.find(record.id);
    const bool is_new = known == told_.end();
    std::optional<Told> before;
    if (!is_new) before = known->second;
    if (before && before->state == session.state && before->attempt == record.attempt) return;
    if (is_new && session.state != State::queued && session.state != State::starting)
      say(record, State::starting, record.created_at, {});
    const bool ran_before = before && before->attempt == record.attempt && before->ran;
    // Its host's note has gone already: the record will say when it started.
    if (session.state == State::stopping && !session.started_at && !ran_before) return;
    if (session.started_at && !ran_before && session.state != State::running)
      say(record, State::running, *session.started_at, {});
    TimePoint at = now();
    if (session.ended_at) at = *session.ended_at;
    if (session.state == State::running && session.started_at) at = *session.started_at;
    if (is_new && (session.state == State::queued || session.state == State::starting)) at = record.created_at;
    say(record, session.state, at, session.reason);
  }

 private:
  void say(const Record& record, State state, TimePoint at, const std::string& reason) {
    const auto known = told_.find(record.id);
    Event event{.at = at, .state = state, .before = {}, .reason = reason, .attempt = record.attempt, .record = record};
    if (known != told_.end()) event.before = known->second.state;
    const bool ran = known != told_.end() && known->second.attempt == record.attempt && known->second.ran;
    told_[record.id] = {state, record.attempt, ran || state == State::running};
    if (wants_more_) wants_more_ = sink_(event);
  }

  const EventSink& sink_;
  std::map<std::string, Told> told_;
  bool wants_more_ = true;
};

void wait_for_either(int a, int b) {
  std::array<pollfd, 2> waited{{{.fd = a, .events = POLLIN, .revents = 0}, {.fd = b, .events = POLLIN, .revents = 0}}};
  while (::poll(waited.data(), waited.size(), -1) < 0)
    if (errno != EINTR) throw system_error("cannot wait", {}, errno);
}

}  // namespace

void past_events(Context& context, const EventSink& sink) {
  std::vector<Event> events;
  const EventSink collect = [&](const Event& event) {
    events.push_back(event);
    return true;
  };
  for (const Session& session : list_sessions(context, {.ended = true})) {
    for (const End& end : session.record.earlier_attempts)
      if (end.ended_at)
        events.push_back({.at = *end.ended_at,
                          .state = State::restarting,
                          .before = State::running,
                          .reason = end.reason,
                          .attempt = session.record.attempt,
                          .record = session.record});
    Teller(collect).tell(session);
  }
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.at < b.at; });
  for (const Event& event : events)
    if (!sink(event)) return;
}

void follow_events(Context& context, const EventSink& sink) {
  RegistryWatch records(context.registry.root());
  const auto units = context.engine.watch({});
  Teller teller(sink);
  std::set<std::pair<std::string, std::string>> ended;
  for (auto& name : context.registry.ended_names()) ended.insert(std::move(name));
  for (const Session& session : list_sessions(context, {})) teller.note(session);
  while (teller.wants_more()) {
    // All that has arrived is answered by one look.
    while (units->next_change(microseconds(0))) {
    }
    records.next_change(microseconds(0));
    for (const Session& session : list_sessions(context, {})) teller.tell(session);
    for (const auto& name : context.registry.ended_names())
      if (ended.insert(name).second)
        if (const auto record = context.registry.find_ended(name.first, name.second))
          teller.tell(make_session(*record, {}, std::nullopt));
    wait_for_either(units->fd(), records.fd());
  }
}

}  // namespace agentctl
