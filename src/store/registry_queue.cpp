#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/error.hpp"
#include "store/registry.hpp"

// The part of the registry that says who may start next. All of it is one step under the lock: counting the slots that
// are taken, choosing, and writing the choice.

namespace agentctl {
namespace {

End cancelled(const char* reason) {
  End end;
  end.state = State::cancelled;
  end.reason = reason;
  end.ended_at = now();
  return end;
}

}  // namespace

// Between the two halves of finish() a record is in both places, and so it stays when that was cut short.
std::vector<Record> Registry::unended() {
  std::vector<Record> live = taken(live_.all());
  std::erase_if(live, [&](const Record& record) {
    const bool matters = record.queued != Queued::no || !record.request.pool.name.empty() || record.flow;
    return matters && has_ended(record.request.name, record.id);
  });
  return live;
}

bool Registry::can_start_now(const Record& record, const PoolLimits& limits) {
  std::vector<Record> line = unended();
  std::erase_if(line, [&](const Record& other) { return other.request.pool.name != record.request.pool.name; });
  const std::set<std::string> steps = steps_that_may_start(line);
  line.push_back(record);
  const Record* next =
      next_to_start(line, limits, [&](const Record& other) { return !other.flow || steps.contains(other.id); });
  return next != nullptr && next->id == record.id;
}

std::set<std::string> Registry::steps_that_may_start(const std::vector<Record>& live) {
  std::set<std::string> flows;
  std::set<std::string> ready;
  for (const Record& record : live) {
    if (record.queued == Queued::no || !record.flow || !flows.insert(record.flow->flow_id).second) continue;
    const auto flow = load_flow(flow_path(record.flow->flow, record.flow->flow_id));
    if (!flow) continue;
    const std::vector<StepStanding> now_standing = standings(*flow, live);
    for (std::size_t i = 0; i < flow->steps.size(); ++i)
      if (judge_step(*flow, now_standing, i).kind == StepVerdict::Kind::ready) ready.insert(flow->steps[i].session_id);
  }
  return ready;
}

// A power cut came between the records of a flow's steps and the flow itself.
void Registry::cancel_orphans(std::vector<Record>& live) {
  std::erase_if(live, [&](const Record& record) {
    if (record.queued == Queued::no || !record.flow) return false;
    if (::access(flow_path(record.flow->flow, record.flow->flow_id).c_str(), F_OK) == 0 || errno != ENOENT)
      return false;
    make_directories(ended_folder_);
    return finish_locked(record, cancelled("its flow was never begun"));
  });
}

std::optional<Record> Registry::claim_next(const PoolLimits& limits, const std::function<Hold(Record&)>& hold) {
  if (list_directory(live_folder_).empty()) return std::nullopt;
  const FileLock held = lock();
  std::vector<Record> live = unended();
  cancel_orphans(live);
  const std::set<std::string> steps = steps_that_may_start(live);
  std::set<std::string> busy;
  for (;;) {
    const Record* next = next_to_start(live, limits, [&](const Record& record) {
      return !busy.contains(record.id) && (!record.flow || steps.contains(record.id));
    });
    if (next == nullptr) return std::nullopt;
    Record claimed = *next;
    switch (hold(claimed)) {
      case Hold::held: {
        claimed.queued = Queued::no;
        live_.put_durably(claimed);
        return claimed;
      }
      case Hold::busy: busy.insert(claimed.id); break;
      case Hold::gone:
        make_directories(ended_folder_);
        finish_locked(claimed,
                      cancelled(claimed.queued == Queued::by_asker ? "the agentctl that waited for its turn is gone"
                                                                   : "what would start it is gone from the registry"));
        std::erase_if(live, [&](const Record& record) { return record.id == claimed.id; });
        break;
    }
  }
}

bool Registry::cancel(const Record& record, const std::optional<End>& end) {
  if (!live_.find(record.request.name, record.id)) return false;
  make_directories(ended_folder_);
  const FileLock held = lock();
  const auto stored = live_.find(record.request.name, record.id);
  if (!stored || stored->queued == Queued::no) return false;
  if (end) return finish_locked(*stored, *end);
  live_.remove(record.request.name, record.id);
  forget_launch(record.id);
  return true;
}

bool Registry::requeue(const Record& record) {
  return update(record.request.name, record.id, [](Record& stored) { stored.queued = Queued::by_anyone; }).has_value();
}

std::string Registry::launch_path(const std::string& id) const { return launches_folder_ + "/" + id + ".json"; }

void Registry::store_launch(const Launch& launch) {
  make_directories(launches_folder_);
  write_file_durably(launch_path(launch.record.id), to_json(launch));
}

std::optional<Launch> Registry::stored_launch(const std::string& id) {
  const auto content = read_file(launch_path(id), launch_size_limit);
  if (!content) return std::nullopt;
  return parse_launch(*content);
}

void Registry::forget_launch(const std::string& id) { remove_file(launch_path(id)); }

}  // namespace agentctl
