#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "domain/session.hpp"

namespace agentctl {

/// How many sessions of a pool may live at once, as the configuration says (domain/configuration.hpp).
struct PoolLimits {
  int cap = 10;                        ///< of every pool
  std::map<std::string, int> pools{};  ///< of single ones
};

/// How many may live in the pool of this request, this one included.
int slots_for(const PoolRequest& request, const PoolLimits& limits);

/// Whether a live record takes a slot: from the moment it was claimed until its end.
bool holds_slot(const Record& record);

/// The record that may start now: the first in line whose pool has a free slot. Nobody overtakes within a pool; one
/// that may not start for another reason (`is_ready`) stands in nobody's way. Nothing when there is none.
/// `live` are all records without an end.
const Record* next_to_start(const std::vector<Record>& live, const PoolLimits& limits,
                            const std::function<bool(const Record&)>& is_ready);

/// The end of one whose agentctl waited for its turn, and died.
End end_of_abandoned_wait(TimePoint at);

/// The end of one that somebody took out of the line.
End end_of_cancelled(const StopRequest& request);

/// Whether `a` stands before `b` in the line of their pool.
bool goes_before(const Record& a, const Record& b);

}  // namespace agentctl
