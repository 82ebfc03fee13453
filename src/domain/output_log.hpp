#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "base/time.hpp"
#include "domain/log_entry.hpp"
#include "domain/session.hpp"

namespace agentctl {

/// The stored output of one session, oldest first from where it was put.
class LogSource {
 public:
  virtual ~LogSource() = default;

  /// To some entries before the first that was written at this time or later: a line of it may have begun in them.
  virtual void seek(TimePoint since) = 0;
  /// To the entry from where on at least so many lines (of one stream, if given) follow; to the first when there are
  /// fewer.
  virtual void seek_last(std::size_t lines, std::optional<OutputStream> stream) = 0;
  /// To the entry from where on at least so many bytes follow; to the first when there are fewer.
  virtual void seek_last_bytes(std::size_t bytes) = 0;
  /// The next entry; nothing when there is none yet.
  virtual std::optional<LogEntry> next() = 0;
  /// Waits until there may be more. False at the deadline.
  virtual bool wait(microseconds timeout) = 0;
};

/// Where the output of sessions is kept.
class OutputLog {
 public:
  virtual ~OutputLog() = default;
  virtual std::unique_ptr<LogSource> open(const std::string& session, const std::string& unit, ManagerScope scope) = 0;
};

}  // namespace agentctl
