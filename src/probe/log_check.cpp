#include "probe/log_check.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/poll_loop.hpp"
#include "domain/regex.hpp"
#include "host/control_frames.hpp"

namespace agentctl {
namespace {

constexpr std::size_t longest_line = 64u << 10;
constexpr std::chrono::milliseconds quiet_time{200};

/// A look at one piece of text. One that takes too many steps is not found in this, and may be in the next.
bool is_in(std::string_view text, const Regex& expected) {
  try {
    return expected.matches(text);
  } catch (const Error&) {
    return false;
  }
}

/// One stream's lines, as far as they have come.
class Lines {
 public:
  bool match(std::string_view bytes, const Regex& expected) {
    partial_ += bytes;
    std::size_t begin = 0;
    for (;;) {
      const std::size_t end = partial_.find('\n', begin);
      if (end == std::string::npos) break;
      if (is_in(std::string_view(partial_).substr(begin, end - begin), expected)) return true;
      begin = end + 1;
    }
    partial_.erase(0, begin);
    has_new_ = !partial_.empty();
    came_at_ = std::chrono::steady_clock::now();
    if (partial_.size() <= longest_line) return false;
    const bool found = match_rest(expected);
    partial_.clear();
    return found;
  }

  /// What has come of the last line.
  bool match_rest(const Regex& expected) { return std::exchange(has_new_, false) && is_in(partial_, expected); }
  /// When that is to be looked at: a prompt that waits for an answer has no end of line, and nothing follows it.
  std::optional<Monotonic> rest_is_due() const {
    return has_new_ ? std::optional(came_at_ + quiet_time) : std::nullopt;
  }

 private:
  std::string partial_;
  bool has_new_ = false;
  Monotonic came_at_{};
};

/// The output of a session, searched while it comes.
class Search {
 public:
  Search(const Fd& log, const Regex& expected) : log_(log), expected_(expected) {}

  CheckResult run() {
    while (!reader_.is_broken()) {
      // Not before all that has come is read: the beginning of a line is no line.
      if (is_drained_ && match_due_rests()) return {};
      is_drained_ = !await_output();
      if (is_drained_) continue;
      const ssize_t n = ::read(log_.get(), chunk_.data(), chunk_.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      is_drained_ = n < static_cast<ssize_t>(chunk_.size());
      if (match({chunk_.data(), static_cast<std::size_t>(n)})) return {};
    }
    if (match_rest()) return {};
    return {.error = was_overrun_ ? "its output came faster than it could be looked at"
                                  : "its output came to an end without such a line",
            .is_forged = true};
  }

 private:
  bool match(std::string_view bytes) {
    reader_.feed(bytes);
    while (const auto frame = reader_.next()) {
      was_overrun_ = was_overrun_ || std::holds_alternative<control::Overrun>(*frame);
      const auto* output = std::get_if<control::Output>(&*frame);
      if (output == nullptr) continue;
      if (lines_.at(static_cast<std::size_t>(output->output.stream)).match(output->output.bytes, expected_))
        return true;
    }
    return false;
  }
  bool match_rest() {
    return std::any_of(lines_.begin(), lines_.end(), [&](Lines& lines) { return lines.match_rest(expected_); });
  }
  bool match_due_rests() {
    const Monotonic now = std::chrono::steady_clock::now();
    return std::any_of(lines_.begin(), lines_.end(), [&](Lines& lines) {
      const auto due = lines.rest_is_due();
      return due && *due <= now && lines.match_rest(expected_);
    });
  }
  // False when the rest of a line is to be looked at first.
  bool await_output() const {
    std::optional<Monotonic> due;
    for (const Lines& lines : lines_)
      if (const auto rest = lines.rest_is_due(); rest && (!due || *rest < *due)) due = rest;
    int timeout = -1;
    if (due) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*due - std::chrono::steady_clock::now());
      timeout = static_cast<int>(std::max<std::int64_t>(0, left.count()));
    }
    pollfd waited{.fd = log_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&waited, 1, timeout) != 0;
  }

  const Fd& log_;
  const Regex& expected_;
  control::FrameReader reader_{control::frame_limit};
  std::array<Lines, 2> lines_;
  std::array<char, 16384> chunk_{};
  bool is_drained_ = true;
  bool was_overrun_ = false;
};

}  // namespace

CheckResult await_line(const Fd& log, const std::string& expression) {
  try {
    const Regex expected(expression);
    return Search(log, expected).run();
  } catch (const Error& error) {
    return {.error = error.what(), .is_forged = true};
  }
}

}  // namespace agentctl
