#pragma once

#include <string>

#include "base/control_group.hpp"
#include "domain/naming.hpp"
#include "domain/session.hpp"

namespace agentctl {

/// 12 letters: "aaaaaaaaaaab" for 'b'.
inline std::string sample_id(char last) { return std::string(id_length - 1, 'a') + last; }

inline TimePoint sample_time(std::int64_t seconds) { return TimePoint(std::chrono::seconds(1'800'000'000 + seconds)); }

/// A valid record of a service session that runs `sleep 60`.
inline Record sample_record(const std::string& name = "web", const std::string& id = sample_id('b')) {
  Record record;
  record.id = id;
  record.unit = unit_name(name, SessionKind::service);
  record.request.name = name;
  record.request.command = {"sleep", "60"};
  record.request.cwd = "/";
  record.created_by = {.uid = 1000, .user = "ann", .pid = 77, .command = "bash"};
  record.created_at = sample_time(0);
  record.boot_id = "0123456789abcdef0123456789abcdef";
  return record;
}

inline End sample_end(State state = State::exited, std::int64_t at_seconds = 60) {
  End end;
  end.state = state;
  end.reason = "exited with status 0";
  end.exit = {.code = 0, .signal = {}, .result = "success"};
  end.started_at = sample_time(1);
  end.ended_at = sample_time(at_seconds);
  end.pid = 4711;
  end.invocation_id = "fedcba9876543210fedcba9876543210";
  return end;
}

}  // namespace agentctl
