#include "domain/queue.hpp"

#include <algorithm>
#include <set>
#include <tuple>

namespace agentctl {

int slots_for(const PoolRequest& request, const PoolLimits& limits) {
  const auto own = limits.pools.find(request.name);
  const int limit = own != limits.pools.end() ? std::min(own->second, limits.cap) : limits.cap;
  return request.max > 0 ? std::min(request.max, limit) : limit;
}

bool holds_slot(const Record& record) {
  return record.queued == Queued::no && !record.end && !record.request.pool.name.empty();
}

bool goes_before(const Record& a, const Record& b) {
  const int a_priority = a.request.pool.priority;
  const int b_priority = b.request.pool.priority;
  return std::tie(b_priority, a.created_at, a.id) < std::tie(a_priority, b.created_at, b.id);
}

End end_of_abandoned_wait(TimePoint at) {
  End end;
  end.state = State::cancelled;
  end.reason = "the agentctl that waited for its turn is gone";
  end.ended_at = at;
  return end;
}

End end_of_cancelled(const StopRequest& request) {
  End end;
  end.state = State::cancelled;
  end.reason = "cancelled by " + request.by.user;
  if (!request.reason.empty()) end.reason += ": " + request.reason;
  end.ended_at = request.at;
  return end;
}

const Record* next_to_start(const std::vector<Record>& live, const PoolLimits& limits,
                            const std::function<bool(const Record&)>& is_ready) {
  std::map<std::string, int> taken;
  std::vector<const Record*> line;
  for (const Record& record : live) {
    if (holds_slot(record)) ++taken[record.request.pool.name];
    if (record.queued != Queued::no && !record.end) line.push_back(&record);
  }
  std::sort(line.begin(), line.end(), [](const Record* a, const Record* b) { return goes_before(*a, *b); });
  std::set<std::string> full;
  for (const Record* record : line) {
    const PoolRequest& pool = record->request.pool;
    if (full.contains(pool.name) || !is_ready(*record)) continue;
    if (pool.name.empty() || taken[pool.name] < slots_for(pool, limits)) return record;
    full.insert(pool.name);
  }
  return nullptr;
}

}  // namespace agentctl
