#include "app/events.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include "app/sessions.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "store/registry_watch.hpp"

namespace agentctl {
namespace {

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
    EventTeller(collect).tell(session, now());
  }
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.at < b.at; });
  for (const Event& event : events)
    if (!sink(event)) return;
}

void follow_events(Context& context, const EventSink& sink) {
  RegistryWatch records(context.registry.root());
  const auto units = context.engine.watch({});
  EventTeller teller(sink);
  std::set<std::pair<std::string, std::string>> ended;
  for (auto& name : context.registry.ended_names()) ended.insert(std::move(name));
  for (const Session& session : list_sessions(context, {})) teller.note(session);
  while (teller.wants_more()) {
    // All that has arrived is answered by one look.
    while (units->next_change(microseconds(0))) {
    }
    records.next_change(microseconds(0));
    for (const Session& session : list_sessions(context, {})) teller.tell(session, now());
    for (const auto& name : context.registry.ended_names())
      if (ended.insert(name).second)
        if (const auto record = context.registry.find_ended(name.first, name.second))
          teller.tell(make_session(*record, {}, std::nullopt), now());
    wait_for_either(units->fd(), records.fd());
  }
}

}  // namespace agentctl
