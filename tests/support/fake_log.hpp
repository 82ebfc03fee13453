#pragma once

#include <map>
#include <string>
#include <vector>

#include "domain/output_log.hpp"

namespace agentctl {

/// Stands for the journal: entries that the test has put there, for one session or several.
class FakeLog : public OutputLog {
 public:
  std::vector<LogEntry> entries;
  /// "SESSION UNIT user|system" of each open().
  std::vector<std::string> opened;
  /// What arrives while somebody waits, one at a time; nothing at the end, and then every wait is in vain.
  std::vector<LogEntry> arriving;

  /// Adds an entry of whole or partial lines of one stream, behind what the session has so far.
  LogEntry& add(const std::string& session, OutputStream stream, const std::string& text, TimePoint time = TimePoint{});
  /// The same, kept back for a wait.
  void add_arriving(const std::string& session, OutputStream stream, const std::string& text);
  /// As if the journal had dropped what the session wrote here.
  void lose(const std::string& session, OutputStream stream, const std::string& text);

  std::unique_ptr<LogSource> open(const std::string& session, const std::string& unit, ManagerScope scope) override;

 private:
  LogEntry make(const std::string& session, OutputStream stream, const std::string& text, TimePoint time);

  std::map<std::string, LogPosition> positions_;
};

}  // namespace agentctl
