#pragma once

#include <string>

#include "domain/end_of_session.hpp"
#include "domain/session.hpp"

namespace agentctl {

/// What follows when a session, or one attempt of it, has ended.
struct AfterEnd {
  enum class Step {
    stay_ended,
    retry,  ///< the same record goes on with another attempt
    park,   ///< it would be restarted, but that has been given up until somebody says `agentctl restart`
  };
  Step step = Step::stay_ended;
  int early_ends = 0;    ///< in a row, this one included
  TimePoint retry_at{};  ///< of a retry
  std::string reason;    ///< for parking
};

/// Retries what systemd restarts (Restart= and RestartPreventExitStatus= of systemd.service(5)) and no more. systemd
/// knows neither a doubled delay that a long run resets (252: no doubled delay at all) nor parking: these are ours.
AfterEnd after_end(const Record& record, const EndEvidence& evidence, const End& end);

/// Makes the record that of the attempt after this end. `next` is nothing for a restart that was asked for by hand,
/// which begins everything anew.
void begin_attempt(Record& record, const End& end, const AfterEnd* next);

/// Gives the record's attempt all of its time, and forgets how often it has ended early.
void begin_anew(Record& record);

/// begin_attempt() for a session that a reboot or logout has ended, and that is to go on afterwards (--persist):
/// queued, with what is left of its time.
void queue_next_attempt(Record& record, const End& end);

/// The delay before the restart that follows so many early ends in a row; 0 or 1: the first.
microseconds restart_delay(const RestartRules& rules, int early_ends);

}  // namespace agentctl
