#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/error.hpp"
#include "store/registry.hpp"

// The part of the registry that says who may start next. All of it is one step under the lock: counting the slots that
// are taken, choosing, and writing the choice.

namespace agentctl {
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
  // First: a step can need one that is in another pool.
  const std::set<std::string> steps = steps_that_may_start(line);
  std::erase_if(line, [&](const Record& other) { return other.request.pool.name != record.request.pool.name; });
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

// A kill or a power cut came between the records of a flow's steps and the flow itself.
void Registry::end_orphans(std::vector<Record>& live, std::vector<Record>& ended) {
  std::erase_if(live, [&](Record& record) {
    if (record.queued == Queued::no || !record.flow) return false;
    if (::access(flow_path(record.flow->flow, record.flow->flow_id).c_str(), F_OK) == 0 || errno != ENOENT)
      return false;
    End end;
    end.state = State::cancelled;
    end.reason = "its flow was never begun";
    end.ended_at = now();
    if (!finish_locked(record, end)) return true;
    ended.push_back(std::move(record));
    ended.back().end = std::move(end);
    return true;
  });
}

std::optional<Record> Registry::claim_next(const PoolLimits& limits, const std::function<Hold(Record&)>& hold,
                                           std::vector<Record>& ended) {
  if (list_directory(live_folder_).empty()) return std::nullopt;
  make_directories(ended_folder_);
  const FileLock held = lock();
  std::vector<Record> live = unended();
  end_orphans(live, ended);
  const std::set<std::string> steps = steps_that_may_start(live);
  std::set<std::string> busy;
  for (;;) {
    const Record* next = next_to_start(live, limits, [&](const Record& record) {
      return !busy.contains(record.id) && (!record.flow || steps.contains(record.id));
    });
    if (next == nullptr) return std::nullopt;
    Record claimed = *next;
    switch (hold(claimed)) {
      case Hold::held:
        claimed.queued = Queued::no;
        live_.put_durably(claimed);
        return claimed;
      case Hold::busy: busy.insert(claimed.id); break;
      case Hold::gone:
        std::erase_if(live, [&](const Record& record) { return record.id == claimed.id; });
        if (finish_locked(claimed, *claimed.end)) ended.push_back(std::move(claimed));
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
  try {
    return parse_launch(*content);
  } catch (const Error& error) {
    throw Error({.code = error.code(),
                 .context = "cannot read",
                 .object = launch_path(id),
                 .reason = error.object().empty() ? error.reason() : error.object() + " " + error.reason(),
                 .hint = {}});
  }
}

void Registry::forget_launch(const std::string& id) { remove_file(launch_path(id)); }

void Registry::remove_strays() const {
  for (const std::string& folder :
       {live_folder_, ended_folder_, launches_folder_, flows_folder_, ended_flows_folder_, hooks_folder_})
    remove_old_temporary_files(folder);
}

std::vector<std::string> Registry::forget_abandoned_launches() {
  std::set<std::string> wanted;
  std::vector<std::string> forgotten;
  const std::vector<std::string> files = list_directory(launches_folder_);
  if (files.empty()) return forgotten;
  for (const Record& record : live()) wanted.insert(record.id);
  for (const std::string& file : files) {
    const std::string path = launches_folder_ + "/" + file;
    const std::string id = file.substr(0, file.find('.'));
    if (wanted.contains(id) || !is_older_than_a_minute(path)) continue;
    if (remove_file(path)) forgotten.push_back(id);
  }
  return forgotten;
}

}  // namespace agentctl
