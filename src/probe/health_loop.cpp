#include "probe/health_loop.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "domain/launch.hpp"

namespace agentctl {
namespace {

constexpr std::size_t longest_error = 1024;
constexpr microseconds shortest_pause = std::chrono::milliseconds(10);
constexpr microseconds first_interval = std::chrono::seconds(1);

/// The file that says how healthy the session is; written when that changes, touched with every check.
class NoteFile {
 public:
  explicit NoteFile(std::string path) : path_(std::move(path)) {}

  /// What a probe before us has left; the host removes it when an attempt begins.
  HealthNote left() const {
    try {
      if (const auto text = read_file(path_, host_note_size_limit)) return parse_health_note(*text);
    } catch (const Error&) {
      // The session may write there, too.
    }
    return {};
  }

  void leave(const HealthNote& note) noexcept {
    const std::string text = to_json(note);
    // Without the file (a full tmpfs, a session that removed it) the host still hears of every change.
    if (text == written_ && ::utimensat(AT_FDCWD, path_.c_str(), nullptr, AT_SYMLINK_NOFOLLOW) == 0) return;
    try {
      write_file(path_, text);
      written_ = text;
    } catch (const Error&) {
      written_.clear();
    }
  }

 private:
  std::string path_;
  std::string written_;
};

// A line is shorter than PIPE_BUF, so it is written whole or not at all (pipe(7)). False: the host is gone.
bool tell_host(const std::string& line) {
  const std::string text = line + "\n";
  return ::write(STDOUT_FILENO, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

std::string report_of(HealthJudge::Change change, const std::string& error) {
  switch (change) {
    case HealthJudge::Change::none: break;
    case HealthJudge::Change::healthy: return "healthy";
    case HealthJudge::Change::unhealthy: return "unhealthy " + error;
    case HealthJudge::Change::forged: return "forged " + error;
  }
  return {};
}

std::string report_of_left(const HealthNote& left) {
  if (!left.since) return {};
  return report_of(left.healthy ? HealthJudge::Change::healthy : HealthJudge::Change::unhealthy, left.error);
}

}  // namespace

HealthJudge::HealthJudge(const HealthNote& left)
    : healthy_(left.since && left.healthy), was_healthy_(left.since), failures_(left.error.empty() ? 0 : 1) {}

microseconds HealthJudge::pause(const HealthCheck& check) const {
  if (was_healthy_) return later_interval(check);
  const microseconds usual = check.interval.value_or(first_interval);
  constexpr int quick_checks = 6;
  return checks_ > quick_checks ? usual : std::min(usual, shortest_pause * (1 << checks_));
}

HealthJudge::Change HealthJudge::add(const CheckResult& result) {
  if (!was_healthy_) ++checks_;
  if (result.error.empty()) {
    failures_ = 0;
    was_healthy_ = true;
    return std::exchange(healthy_, true) ? Change::none : Change::healthy;
  }
  if (result.is_forged && !was_healthy_) return Change::forged;
  ++failures_;
  if (!healthy_ || failures_ < failures_to_unhealthy) return Change::none;
  healthy_ = false;
  return Change::unhealthy;
}

void run_health_loop(const HealthCheck& check, const std::string& runtime_dir, const Check& once) {
  NoteFile file(runtime_dir + "/" + health_note_file);
  HealthNote note = file.left();
  HealthJudge judge(note);
  if (const std::string report = report_of_left(note); !report.empty() && !tell_host(report)) return;
  for (auto next = std::chrono::steady_clock::now();;) {
    const CheckResult result = once();
    const std::string error = to_printable(shorten(to_valid_utf8(result.error), longest_error));
    const HealthJudge::Change change = judge.add({.error = error, .is_forged = result.is_forged});
    note.error = error;
    note.healthy = judge.is_healthy();
    if (change == HealthJudge::Change::healthy || change == HealthJudge::Change::unhealthy) note.since = now();
    file.leave(note);
    if (const std::string report = report_of(change, error); !report.empty() && !tell_host(report)) return;
    // From one check's begin to the next one's, but no storm after a check that took longer.
    const auto done = std::chrono::steady_clock::now();
    next = std::max(next + judge.pause(check), done);
    std::this_thread::sleep_until(next);
  }
}

}  // namespace agentctl
