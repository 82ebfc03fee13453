#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/context.hpp"

namespace agentctl {

/// Ends a record whose unit is gone and whose recorder did not: after a reboot, a kill of the recorder, or of the
/// agentctl that was about to start it. One that never began is started, and one that is to survive a reboot
/// is queued for its next attempt. Returns the record as it ended, or nothing. What follows is the caller's.
std::optional<Record> settle_record(Context& context, const Record& record);

/// The same, and what follows. Returns the end it wrote, or nothing.
std::optional<End> reconcile_record(Context& context, const Record& record);

struct ReconcileReport {
  std::vector<Record> ended;         ///< records that were given an end
  std::vector<std::string> removed;  ///< runtime folders of nobody
  std::vector<Record> restored;      ///< records written again for live units that had lost theirs
  std::vector<Record> started;       ///< what had waited and may start
};

/// Repairs all that only looking can find. Safe to run at any time and by several at once.
ReconcileReport reconcile(Context& context);

/// Writes the records of live units that the registry has lost. Returns which.
std::vector<Record> restore_lost_records(Context& context, const std::vector<UnitState>& units);

/// The record of a live unit that the registry has lost: from its launch, else from the unit itself.
Record rebuild_record(Context& context, const UnitState& unit);

}  // namespace agentctl
