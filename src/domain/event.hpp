#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

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

/// Returns false when no more are wanted.
using EventSink = std::function<bool(const Event&)>;

/// Tells what of a session has not been told yet. A state that came and went between two looks is told from the times
/// in its record; no state is told after one that follows it, and none has an earlier time than the one before it.
class EventTeller {
 public:
  /// The sink must outlive it.
  explicit EventTeller(const EventSink& sink) : sink_(sink) {}

  /// False as soon as the sink has enough.
  bool wants_more() const { return wants_more_; }

  /// Of this session, only what comes after the state it is in.
  void note(const Session& session);
  void tell(const Session& session, TimePoint seen_at);

 private:
  struct Told {
    State state = State::lost;
    int attempt = 1;
    bool ran = false;  ///< that this attempt came to run
    TimePoint at{};
  };

  void say(const Record& record, State state, TimePoint at, const std::string& reason);

  const EventSink& sink_;
  std::map<std::string, Told> told_;  ///< by the session's id
  bool wants_more_ = true;
};

std::string to_json(const Event& event);

}  // namespace agentctl
