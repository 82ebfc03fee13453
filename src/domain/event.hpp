#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "domain/session_view.hpp"

namespace agentctl {

/// A session came into a state.
struct Event {
  TimePoint at{};
  State state = State::lost;
  std::optional<State> before;  ///< nothing for its first
  std::string reason;
  int attempt = 1;
  Record record;
};

/// Tells what of a session has not been told yet. Its record, its unit and its host's note are read one after the other
/// and may be of different moments: so what is told follows from times that somebody wrote down, also for states that
/// came and went between two looks, and the unit's state alone is no reason to say that it runs. No state is told after
/// one that follows it, and none has an earlier time than the one before.
class EventTeller {
 public:
  /// Of this session, only what comes after the state it is in.
  void note(const Session& session);
  void tell(const Session& session, TimePoint seen_at);

  /// What has been told since the last time, in the order of time.
  std::vector<Event> take();

 private:
  struct Told {
    State state = State::lost;
    int attempt = 1;
    TimePoint at{};
  };

  void begin(const Session& session, TimePoint seen_at);
  void tell_earlier_attempts(const Session& session, TimePoint seen_at);
  void say(const Record& record, int attempt, State state, TimePoint at, const std::string& reason = {});

  std::map<std::string, Told> told_;  ///< by the session's id
  std::vector<Event> events_;
};

std::string to_json(const Event& event);

}  // namespace agentctl
