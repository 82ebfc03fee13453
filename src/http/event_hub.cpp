#include "http/event_hub.hpp"

#include <boost/json.hpp>
#include <vector>

#include "base/error.hpp"
#include "http/event_stream.hpp"

namespace agentctl {
namespace {

constexpr std::size_t longest_line = 1u << 20;

std::string project_of_event(const std::string& line) {
  boost::system::error_code failed;
  const boost::json::value event = boost::json::parse(line, failed);
  if (failed || !event.is_object()) return {};
  const boost::json::value* project = event.get_object().if_contains("project");
  return project != nullptr && project->is_string() ? std::string(project->get_string()) : std::string();
}

}  // namespace

std::size_t EventHub::join(std::string project, Listener listener) {
  if (!run_) start();
  members_.emplace(++next_number_, Member{.project = std::move(project), .listener = std::move(listener)});
  return next_number_;
}

void EventHub::leave(std::size_t number) {
  members_.erase(number);
  if (!members_.empty()) return;
  pause_.cancel();
  if (auto run = std::exchange(run_, nullptr)) run->end();
}

void EventHub::start() {
  std::vector<std::string> arguments = loop_.backend.global_options;
  arguments.insert(arguments.end(), {"--json", "events", "--follow"});
  run_ = ChildRun::start(loop_, arguments);
  rest_.clear();
  read();
}

void EventHub::read() {
  run_->next([this](std::string_view bytes) {
    if (bytes.empty()) {
      start_again();
    } else {
      take(bytes);
      if (run_) read();
    }
  });
}

void EventHub::take(std::string_view bytes) {
  rest_ += bytes;
  for (std::size_t end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n')) {
    const std::string line = rest_.substr(0, end);
    rest_.erase(0, end + 1);
    tell(line);
  }
  if (rest_.size() > longest_line) rest_.clear();
}

void EventHub::tell(const std::string& line) {
  const std::string event = event_text(line);
  const std::string project = project_of_event(line);
  // A listener may leave.
  const std::map<std::size_t, Member> members = members_;
  for (const auto& [number, member] : members)
    if (member.project.empty() || member.project == project) member.listener(event);
}

// It ends when its bus does. What happened meanwhile is in the list of sessions.
void EventHub::start_again() {
  if (auto run = std::exchange(run_, nullptr)) run->end();
  pause_.expires_after(std::chrono::seconds(1));
  pause_.async_wait([this](Failure failure) {
    if (failure || members_.empty() || run_) return;
    try {
      start();
    } catch (const Error&) {
      start_again();
    }
  });
}

}  // namespace agentctl
