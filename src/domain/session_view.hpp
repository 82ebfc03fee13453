#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "domain/engine.hpp"
#include "domain/launch.hpp"
#include "domain/session.hpp"

namespace agentctl {

/// What is known of a session at one moment: the record says what was asked, the unit whether it lives.
struct SessionEvidence {
  std::optional<Activity> unit;  ///< nothing: no such unit is loaded, or it is another session's
  bool starter_alive = false;    ///< the agentctl that starts it still holds the launch
  bool was_started = false;      ///< its command is known to have run
  bool recorded = true;          ///< false: the record was rebuilt from the unit, the registry has none
};

struct DerivedState {
  State state = State::lost;
  std::string reason;
  bool needs_reconcile = false;  ///< no unit, no starter and no end: somebody must write down how it ended
};

/// The state that every surface shows. A record's end is final; else a live unit speaks; else what is under way.
DerivedState derive_state(const Record& record, const SessionEvidence& evidence);

/// A session as it is shown: the record, its derived state, and what was read beside it.
struct Session {
  Session() = default;
  explicit Session(Record of) : record(std::move(of)) {}

  Record record;
  State state = State::lost;
  std::string reason;
  bool recorded = true;
  std::optional<pid_t> pid;
  std::string invocation_id;
  std::optional<TimePoint> started_at;
  std::optional<TimePoint> ready_at;  ///< it was started, and with a health check found healthy for the first time
  std::optional<bool> healthy;        ///< nothing: it has no health check
  std::optional<HealthReport> health;
  std::optional<TimePoint> ended_at;
  std::optional<TimePoint> expires_at;
  Exit exit;
  Usage usage;
  std::uint64_t log_lost = 0;
};

/// Fills in what follows from the session's record, the evidence and the host's note (live sessions). Records are
/// large, so that a list of thousands has each made in its place.
void complete(Session& session, const SessionEvidence& evidence, const std::optional<HostNote>& note);

/// The same for one.
Session make_session(Record record, const SessionEvidence& evidence, const std::optional<HostNote>& note);

/// Says how healthy it is at this time, when it has a health check.
void add_health(Session& session, const std::optional<HealthReport>& report, TimePoint at);

/// The object of docs/man/agentctl.1, "A SESSION IN JSON": every key is always there.
std::string to_json(const Session& session);

/// An array of such objects, one a line.
std::string to_json(const std::vector<Session>& sessions);

}  // namespace agentctl
