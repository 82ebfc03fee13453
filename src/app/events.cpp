#include "app/events.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <vector>

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

// False as soon as the sink has enough.
bool give(const std::vector<Event>& events, const EventSink& sink) {
  return std::all_of(events.begin(), events.end(), sink);
}

}  // namespace

void past_events(Context& context, const EventSink& sink) {
  EventTeller teller;
  for (const Session& session : list_sessions(context, {.ended = true})) teller.tell(session, now());
  give(teller.take(), sink);
}

void follow_events(Context& context, const EventSink& sink) {
  RegistryWatch records(context.registry.root());
  const auto units = context.engine.watch({});
  EventTeller teller;
  std::set<std::pair<std::string, std::string>> ended;
  const std::vector<Session> live = list_sessions(context, {});
  for (auto& name : context.registry.ended_names()) ended.insert(std::move(name));
  for (const Session& session : live) {
    teller.note(session);
    ended.erase({session.record.request.name, session.record.id});
  }
  for (;;) {
    // All that has arrived is answered by one look.
    while (units->next_change(microseconds(0))) {
    }
    records.next_change(microseconds(0));
    for (const Session& session : list_sessions(context, {})) teller.tell(session, now());
    for (const auto& name : context.registry.ended_names())
      if (ended.insert(name).second)
        if (const auto record = context.registry.find_ended(name.first, name.second))
          teller.tell(make_session(*record, {}, std::nullopt), now());
    if (!give(teller.take(), sink)) return;
    wait_for_either(units->fd(), records.fd());
  }
}

}  // namespace agentctl
