#include "domain/end_of_session.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>

#include "base/text.hpp"

namespace agentctl {
namespace {

std::string asked_by(const StopRequest& stop) {
  std::string text = "stopped by " + (stop.by.user.empty() ? std::to_string(stop.by.uid) : stop.by.user);
  if (!stop.reason.empty()) text += ": " + stop.reason;
  return text;
}

// The command's own status as the host noted it; else what systemd saw of the host, which mirrors it.
Exit exit_of(const EndEvidence& evidence) {
  Exit exit{.code = {}, .signal = {}, .result = evidence.service_result};
  if (evidence.note && (evidence.note->exit_code || evidence.note->exit_signal)) {
    exit.code = evidence.note->exit_code;
    exit.signal = evidence.note->exit_signal;
  } else if (evidence.note && evidence.note->start_status) {
    exit.code = evidence.note->start_status;
  } else if (evidence.exit_code == "exited") {
    if (const auto code = parse_decimal(evidence.exit_status)) exit.code = static_cast<int>(*code & 0xff);
  } else if (!evidence.exit_code.empty()) {
    exit.signal = signal_number(evidence.exit_status);
  }
  return exit;
}

bool host_ended_first(const EndEvidence& evidence) {
  return evidence.note && evidence.note->started_at && !evidence.note->exit_code && !evidence.note->exit_signal;
}

bool has_limit(const Record& record) { return record.request.ttl && *record.request.ttl != forever; }

std::string limit_in_words(const Record& record, const std::optional<HostNote>& note) {
  std::string text = "time limit of " + format_time_span(*record.request.ttl);
  if (record.expires_at && note && note->started_at)
    text += ", extended to " + format_rough_span(*record.expires_at - *note->started_at) + ",";
  return text;
}

// For who has no word of systemd's: nobody else ends a session just when its time is up.
bool reached_limit(const Record& record, const HostNote& note) {
  const auto limit = note.started_at ? expiry(record, note.started_at) : std::nullopt;
  return limit && note.terminated_at && *note.terminated_at >= *limit;
}

struct Verdict {
  State state;
  std::string reason;
};

Verdict how_it_ended(const EndEvidence& evidence, const Exit& exit) {
  if (evidence.service_result == "oom-kill") return {State::failed, "out of memory: killed by the kernel"};
  if (host_ended_first(evidence) && exit.signal)
    return {State::failed, "its session host was killed by " + signal_name(*exit.signal)};
  if (exit.signal) {
    const bool dumped = evidence.exit_code == "dumped" || (evidence.note && evidence.note->core_dumped);
    return {State::failed, "killed by " + signal_name(*exit.signal) + (dumped ? " (core dumped)" : "")};
  }
  // 200 to 249 are systemd's own (systemd.exec(5)), and no command has run without leaving a note.
  if (!evidence.note && exit.code && *exit.code >= 200 && *exit.code < 250)
    return {State::failed, "systemd could not execute its session host (status " + std::to_string(*exit.code) +
                               "); agentctl doctor tells more"};
  if (exit.code == 0) return {State::exited, "exited with status 0"};
  if (exit.code) return {State::failed, "exited with status " + std::to_string(*exit.code)};
  return {State::failed, "systemd result '" + evidence.service_result + "'"};
}

// Whoever waits for a session to become healthy has not got one that ended before.
Verdict ended_by_itself(const Record& record, const EndEvidence& evidence, const Exit& exit) {
  Verdict verdict = how_it_ended(evidence, exit);
  if (record.request.health && evidence.note && evidence.note->started_at && !evidence.note->ready_at)
    verdict = {State::failed, verdict.reason.append(before_healthy)};
  return verdict;
}

Verdict verdict(const Record& record, const EndEvidence& evidence, const Exit& exit) {
  const std::optional<HostNote>& note = evidence.note;
  if (note && note->start_status) return {State::failed, note->start_error};
  if (note && !note->unhealthy.empty()) return {State::failed, note->unhealthy};
  if (note && note->expired) return {State::expired, limit_in_words(record, note) + " reached"};
  const bool terminated = note ? note->terminated_at.has_value() : true;
  const bool timed_out = evidence.service_result == "timeout";
  const bool cut_short = terminated || timed_out || (host_ended_first(evidence) && exit.signal == SIGKILL);
  if (cut_short && evidence.job == ManagerJob::restart)
    return {State::restarting, "restarted " + (record.restart_by ? "by " + record.restart_by->user : "with systemctl")};
  // A request that was written but never reached systemd is no reason for an end by the time limit.
  const bool stop_is_why = !timed_out || !has_limit(record) || evidence.job == ManagerJob::stop;
  if (record.stop && cut_short && stop_is_why) return {State::stopped, asked_by(*record.stop)};
  if (cut_short && evidence.job == ManagerJob::shutdown)
    return {State::lost, "the host or its user manager was shut down"};
  if (cut_short && evidence.job == ManagerJob::stop) return {State::stopped, "stopped with systemctl"};
  const bool was_ready = note && (record.request.health ? note->ready_at.has_value() : note->started_at.has_value());
  if (timed_out && (note ? !was_ready : !has_limit(record))) return {State::failed, "did not start in time"};
  if ((timed_out && has_limit(record)) || (evidence.service_result.empty() && note && reached_limit(record, *note)))
    return {State::expired, limit_in_words(record, note) + " reached"};
  // Only a stop is left that can time out, though its job could not be seen any more.
  if (timed_out) return {State::stopped, "stopped with systemctl"};
  return ended_by_itself(record, evidence, exit);
}

}  // namespace

std::string not_healthy_within(microseconds timeout) { return "not healthy within " + format_time_span(timeout); }

std::string signal_name(int signal) {
  const char* abbreviation = ::sigabbrev_np(signal);
  return abbreviation != nullptr ? std::string("SIG") + abbreviation : "signal " + std::to_string(signal);
}

std::optional<int> signal_number(std::string_view text) {
  for (int number = 1; number < NSIG; ++number) {
    const char* abbreviation = ::sigabbrev_np(number);
    if (abbreviation != nullptr && text == abbreviation) return number;
  }
  if (const auto number = parse_decimal(text); number && *number > 0 && *number < NSIG)
    return static_cast<int>(*number);
  return std::nullopt;
}

bool needs_manager_job(const Record& record, const EndEvidence& evidence) {
  if (evidence.note && evidence.note->start_status) return false;
  if (evidence.service_result == "timeout" || record.restart_by) return true;
  if (record.stop) return false;
  return !evidence.note || evidence.note->terminated_at.has_value();
}

End decide_end(const Record& record, const EndEvidence& evidence) {
  End end;
  end.exit = exit_of(evidence);
  auto [state, reason] = verdict(record, evidence, end.exit);
  end.state = state;
  end.reason = std::move(reason);
  end.ended_at = evidence.at;
  end.invocation_id = evidence.invocation_id;
  if (evidence.note) {
    end.started_at = evidence.note->started_at;
    end.ready_at = evidence.note->ready_at;
    if (evidence.note->pid > 0) end.pid = evidence.note->pid;
    end.log_lost = evidence.note->log_lost;
  }
  return end;
}

End decide_lost(const Record& record, const std::optional<HostNote>& note, const std::string& boot_id, TimePoint at) {
  End end;
  end.state = State::lost;
  if (!record.boot_id.empty() && record.boot_id != boot_id) {
    end.reason =
        "the host went down while it ran (boot " + record.boot_id.substr(0, 8) + ", now " + boot_id.substr(0, 8) + ")";
  } else if (record.stop) {
    // Who asked wrote that down first, and now the unit is gone: nothing else need say so.
    end.state = State::stopped;
    end.reason = asked_by(*record.stop);
  } else if (record.request.adopted) {
    end.reason = "it has ended, and only its parent knows how: it was adopted";
  } else if (note && note->started_at) {
    end.reason = "its unit is gone and no recorder could say how it ended";
  } else if (record.retry_at) {
    end.reason = "its unit was gone before its next attempt began: stopped with systemctl, or its manager ended";
  } else {
    end.reason = "it was never started: the agentctl that asked for it was gone";
  }
  if (note) {
    end.started_at = note->started_at;
    end.ready_at = note->ready_at;
    end.exit.code = note->exit_code;
    end.exit.signal = note->exit_signal;
    if (note->pid > 0) end.pid = note->pid;
    end.invocation_id = note->invocation_id;
    end.log_lost = note->log_lost;
  }
  end.ended_at = note && note->exited_at ? *note->exited_at : at;
  return end;
}

microseconds grace_left(const Record& record, const std::optional<HostNote>& note, TimePoint at) {
  constexpr microseconds none{0};
  const microseconds own = record.request.stop_timeout;
  const microseconds grace = record.stop ? record.stop->timeout.value_or(own) : own;
  // Without the host's word the SIGTERM may have come just now.
  if (!note || !note->terminated_at || grace == forever) return grace;
  return std::max(none, grace - std::max(none, at - *note->terminated_at));
}

std::optional<TimePoint> expiry(const Record& record, const std::optional<TimePoint>& started_at) {
  if (record.expires_at) return record.expires_at;
  if (!has_limit(record)) return std::nullopt;
  if (record.queued != Queued::no && !record.first_started_at) return std::nullopt;
  return record.first_started_at.value_or(started_at.value_or(record.created_at)) + *record.request.ttl;
}

int exit_status_of(const End& end) {
  if (end.state == State::expired) return 124;
  if (end.exit.code) return *end.exit.code;
  if (end.exit.signal) return 128 + *end.exit.signal;
  if (end.state == State::stopped) return 128 + SIGTERM;
  return 1;
}

}  // namespace agentctl
