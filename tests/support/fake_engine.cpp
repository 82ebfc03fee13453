#include "support/fake_engine.hpp"

#include <csignal>
#include <stdexcept>

#include "domain/naming.hpp"

namespace agentctl {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += " " + word;
  return line;
}

}  // namespace

class FakeUnitWatch : public UnitWatch {
 public:
  FakeUnitWatch(FakeEngine& engine, std::vector<std::string> units) : engine_(engine), first_(std::move(units)) {}

  std::optional<std::string> next_change(std::optional<microseconds> timeout) override {
    if (told_ < first_.size()) return first_[told_++];
    if (engine_.next_step_ < engine_.script_.size()) {
      const FakeEngine::Step step = engine_.script_[engine_.next_step_++];
      if (step.happens) step.happens();
      return step.unit;
    }
    if (!timeout) throw std::logic_error("nothing more happens, and somebody waits for ever");
    return std::nullopt;
  }

  int fd() const override { return -1; }

 private:
  FakeEngine& engine_;
  std::vector<std::string> first_;
  std::size_t told_ = 0;
};

void FakeEngine::add_unit(const Record& record, Activity activity) {
  UnitDetails details;
  details.state = {.unit = record.unit, .description = unit_description(record), .activity = activity};
  details.invocation_id = "invocation-" + record.id;
  details.control_group = control_group(slice_name(record.request), record.unit);
  details.active_since = record.created_at;
  units[record.unit] = details;
}

void FakeEngine::meanwhile(std::string unit, std::function<void()> happens) {
  script_.push_back({std::move(unit), std::move(happens)});
}

std::size_t FakeEngine::count(const std::string& call) const {
  std::size_t found = 0;
  for (const std::string& made : calls)
    found += made == call || (call.ends_with(' ') && made.starts_with(call)) ? 1 : 0;
  return found;
}

void FakeEngine::connect() {
  calls.emplace_back("connect");
  if (on_connect) on_connect();
}

StartResult FakeEngine::start_while(const UnitSpec& spec, const std::function<void()>& meanwhile) {
  calls.push_back("start " + spec.unit);
  specs.push_back(spec);
  if (on_start) {
    StartResult result = on_start(spec);
    meanwhile();
    return result;
  }
  UnitDetails details;
  details.state = {.unit = spec.unit, .description = spec.description, .activity = Activity::active};
  details.invocation_id = "invocation-of-" + spec.unit;
  units[spec.unit] = details;
  meanwhile();
  return {.started = true, .job_result = "done"};
}

void FakeEngine::request_start(const UnitSpec& spec) {
  calls.push_back("request " + spec.unit);
  specs.push_back(spec);
  if (on_start) {
    on_start(spec);
    return;
  }
  UnitDetails details;
  details.state = {.unit = spec.unit, .description = spec.description, .activity = Activity::activating};
  units[spec.unit] = details;
}

void FakeEngine::request_helper(const HelperSpec& spec) {
  calls.push_back("help " + spec.unit);
  helpers.push_back(spec);
}

void FakeEngine::attach(const std::string& unit, const std::vector<pid_t>& processes) {
  std::string call = "attach " + unit;
  for (const pid_t pid : processes) call += " " + std::to_string(pid);
  calls.push_back(std::move(call));
  if (on_attach) on_attach(processes);
}

std::vector<UnitState> FakeEngine::list_while(const std::function<void()>& meanwhile) {
  calls.emplace_back("list");
  meanwhile();
  std::vector<UnitState> states;
  for (const auto& [name, details] : units) states.push_back(details.state);
  return states;
}

std::optional<UnitDetails> FakeEngine::inspect(const std::string& unit) {
  calls.push_back("inspect " + unit);
  if (on_inspect) on_inspect(unit);
  const auto found = units.find(unit);
  if (found == units.end()) return std::nullopt;
  return found->second;
}

void FakeEngine::release(const std::string& unit) {
  calls.push_back("release " + unit);
  if (on_release) on_release(unit);
  if (const auto found = units.find(unit); found != units.end() && !is_alive(found->second.state.activity))
    units.erase(found);
}

void FakeEngine::stop(const std::vector<std::string>& names) {
  calls.push_back("stop" + joined(names));
  for (const std::string& name : names)
    if (on_stop) on_stop(name);
}

StartResult FakeEngine::restart(const std::string& unit) {
  calls.push_back("restart " + unit);
  if (on_restart) return on_restart(unit);
  return {.started = true, .job_result = "done"};
}

void FakeEngine::kill(const std::string& unit, int signal) {
  calls.push_back("kill " + unit + " " + std::to_string(signal));
  if (on_kill) on_kill(unit, signal);
}

void FakeEngine::kill_host(const std::string& unit) {
  calls.push_back("kill-host " + unit);
  if (on_kill) on_kill(unit, SIGKILL);
}

void FakeEngine::persist_time_limit(const std::string& unit, microseconds since_start) {
  calls.push_back("limit " + unit + " " + format_time_span(since_start));
}

void FakeEngine::forget_time_limit(const std::string& unit) { calls.push_back("forget " + unit); }

std::unique_ptr<UnitWatch> FakeEngine::watch(const std::vector<std::string>& names) {
  calls.push_back("watch" + joined(names));
  return std::make_unique<FakeUnitWatch>(*this, names);
}

Usage FakeEngine::usage(const std::string& group) {
  const auto found = usages.find(group);
  return found != usages.end() ? found->second : Usage{};
}

std::string FakeEngine::control_group(const std::string& slice, const std::string& unit) {
  return "/" + slice + "/" + unit;
}

std::size_t FakeEngine::units_in(const std::string& slice) {
  const auto found = crowds.find(slice);
  return found != crowds.end() ? found->second : 0;
}

std::vector<pid_t> FakeEngine::processes(const std::string& group) {
  const auto found = process_lists.find(group);
  return found != process_lists.end() ? found->second : std::vector<pid_t>{};
}

}  // namespace agentctl
