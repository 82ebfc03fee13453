#include <unistd.h>

#include <algorithm>

#include "base/error.hpp"
#include "domain/rivalry.hpp"
#include "store/file_name.hpp"
#include "store/registry.hpp"

// The part of the registry that keeps flows: flows/NAME.ID.json while a flow lives, ended-flows/NAME.ID.json
// afterwards. Its steps are sessions like all others; a flow's file says which, and what each needs.

namespace agentctl {
namespace {

std::string file_name(const Flow& flow) { return to_string(FileName{flow.name, flow.id}); }

StepStanding standing_of(const Record& record) {
  StepStanding standing;
  if (record.end) {
    standing.state = record.end->state;
    standing.reason = record.end->reason;
    standing.started_at = record.end->started_at;
    standing.ended_at = record.end->ended_at;
  } else {
    standing.state = record.queued == Queued::no ? State::running : State::queued;
  }
  return standing;
}

}  // namespace

std::string Registry::flow_path(const std::string& name, const std::string& id) const {
  return flows_folder_ + "/" + to_string(FileName{name, id});
}

bool Registry::has_flow_ended(const Flow& flow) const {
  return ::access((ended_flows_folder_ + "/" + file_name(flow)).c_str(), F_OK) == 0;
}

std::optional<Flow> Registry::load_flow(const std::string& path) {
  try {
    const auto content = read_file(path, flow_size_limit);
    if (!content) return std::nullopt;
    Flow flow = parse_flow(*content);
    if (path.ends_with("/" + file_name(flow))) return flow;
    tell_trouble(path, "its content is another flow's");
  } catch (const Error& error) {
    tell_trouble(path, error.object() + " " + error.reason());
  }
  return std::nullopt;
}

std::vector<Flow> Registry::load_flows(const std::string& folder) {
  std::vector<Flow> flows;
  for (const std::string& file : list_directory(folder))
    if (!is_temporary_file(file))
      if (auto flow = load_flow(folder + "/" + file)) flows.push_back(std::move(*flow));
  return flows;
}

std::vector<Flow> Registry::live_flows() { return load_flows(flows_folder_); }

std::vector<Flow> Registry::flows() {
  // Live first: one that ends between the two reads is then seen in both, never in neither.
  std::vector<Flow> all = live_flows();
  for (Flow& ended : load_flows(ended_flows_folder_)) {
    std::erase_if(all, [&](const Flow& flow) { return flow.id == ended.id; });
    all.push_back(std::move(ended));
  }
  std::sort(all.begin(), all.end(), [](const Flow& a, const Flow& b) { return a.created_at < b.created_at; });
  return all;
}

std::optional<std::string> Registry::create_flow(const Flow& flow, const std::vector<Record>& records) {
  make_live_folder();
  make_directories(flows_folder_);
  const FileLock held = lock();
  for (const Flow& other : live_flows()) {
    if (other.key == flow.key || other.name == flow.name)
      return (other.name == flow.name ? "a flow of that name" : "flow '" + other.name + "' with that key") +
             std::string(" lives (") + other.id + "), since " + format_local(other.created_at);
  }
  const std::vector<Record> live = taken(live_.all());
  for (const Record& record : records) {
    for (const Record& holder : live) {
      const Rivalry rivalry = rivalry_of(record.request, holder.request);
      if (rivalry == Rivalry::none || has_ended(holder.request.name, holder.id)) continue;
      return describe(rivalry, record.request, holder.request) + " of step '" + record.flow->step +
             "' is held by session '" + holder.request.name + "' (" + holder.id + ")";
    }
  }
  for (const Record& record : records) live_.put(record);
  // Last: the steps of a flow that is not there never start (end_orphans()).
  write_file_durably(flow_path(flow.name, flow.id), to_json(flow));
  return std::nullopt;
}

std::optional<Flow> Registry::update_flow(const Flow& flow, const std::function<void(Flow&)>& change) {
  if (!load_flow(flow_path(flow.name, flow.id))) return std::nullopt;
  const FileLock held = lock();
  auto stored = load_flow(flow_path(flow.name, flow.id));
  if (!stored || has_flow_ended(flow)) return std::nullopt;
  change(*stored);
  write_file_durably(flow_path(flow.name, flow.id), to_json(*stored));
  return stored;
}

std::vector<StepStanding> Registry::standings(const Flow& flow, const std::vector<Record>& live) {
  std::vector<StepStanding> standings;
  for (const Step& step : flow.steps) {
    const auto record =
        std::find_if(live.begin(), live.end(), [&](const Record& r) { return r.id == step.session_id; });
    if (record != live.end()) {
      standings.push_back(standing_of(*record));
    } else if (const auto ended = load_ended_file(ended_path(step.session, step.session_id))) {
      standings.push_back(standing_of(*ended));
    } else {
      standings.push_back({.state = State::lost, .reason = "its record is gone", .started_at = {}, .ended_at = {}});
    }
  }
  return standings;
}

std::vector<StepStanding> Registry::standings(const Flow& flow) {
  if (flow.end) return flow.end->steps;
  return standings(flow, unended());
}

Flow Registry::advance_flow(const Flow& flow, std::vector<Record>& cancelled) {
  make_directories(ended_folder_);
  make_directories(ended_flows_folder_);
  const FileLock held = lock();
  auto stored = load_flow(flow_path(flow.name, flow.id));
  const std::string ended_file = ended_flows_folder_ + "/" + file_name(flow);
  if (auto ended = load_flow(ended_file)) {
    remove_file(flow_path(flow.name, flow.id));
    return std::move(*ended);
  }
  if (!stored) return flow;
  std::vector<Record> live = unended();
  std::vector<StepStanding> now_standing = standings(*stored, live);
  // One that cannot start makes those that need it hopeless, too.
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = 0; i < stored->steps.size(); ++i) {
      if (now_standing[i].state != State::queued) continue;
      const StepVerdict verdict = judge_step(*stored, now_standing, i);
      if (verdict.kind != StepVerdict::Kind::hopeless) continue;
      End end;
      end.state = State::cancelled;
      end.reason = verdict.reason;
      end.ended_at = now();
      for (const Record& record : live) {
        if (record.id != stored->steps[i].session_id || !finish_locked(record, end)) continue;
        cancelled.push_back(record);
        cancelled.back().end = end;
      }
      now_standing[i] = {.state = end.state, .reason = end.reason, .started_at = {}, .ended_at = end.ended_at};
      changed = true;
    }
  }
  if (auto end = end_of(*stored, std::move(now_standing), now())) {
    stored->end = std::move(end);
    write_file_durably(ended_file, to_json(*stored));
    remove_file(flow_path(flow.name, flow.id));
  }
  return std::move(*stored);
}

void Registry::remove_flow(const Flow& flow) { remove_file(ended_flows_folder_ + "/" + file_name(flow)); }

}  // namespace agentctl
