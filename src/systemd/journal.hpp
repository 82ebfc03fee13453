#pragma once

#include <memory>
#include <string>

#include "domain/output_log.hpp"

namespace agentctl {

/// The output of sessions in the journal of this host (sd-journal(3)).
class Journal : public OutputLog {
 public:
  std::unique_ptr<LogSource> open(const std::string& session, const std::string& unit, ManagerScope scope) override;
};

/// Whether the journal has a folder on disk, and whether this user can read it, for doctor.
struct JournalHealth {
  bool persistent = false;
  bool readable = false;
  bool volatile_readable = false;  ///< what of it is in memory only
};
JournalHealth inspect_journal();

}  // namespace agentctl
