#include "probe/log_check.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.hpp"
#include "domain/regex.hpp"
#include "host/control_frames.hpp"

namespace agentctl {
namespace {

constexpr std::size_t longest_line = 64u << 10;

/// One stream's lines, as far as they have come.
class Lines {
 public:
  bool match(std::string_view bytes, const Regex& expected) {
    partial_ += bytes;
    std::size_t begin = 0;
    for (;;) {
      const std::size_t end = partial_.find('\n', begin);
      if (end == std::string::npos) break;
      if (expected.matches(std::string_view(partial_).substr(begin, end - begin))) return true;
      begin = end + 1;
    }
    partial_.erase(0, begin);
    // A prompt that waits for an answer has no end of line.
    if (!partial_.empty() && expected.matches(partial_)) return true;
    if (partial_.size() > longest_line) partial_.clear();
    return false;
  }

 private:
  std::string partial_;
};

CheckResult search(const Fd& log, const Regex& expected) {
  control::FrameReader reader(control::frame_limit);
  std::array<Lines, 2> streams;
  std::array<char, 16384> chunk{};
  while (!reader.is_broken()) {
    const ssize_t n = ::read(log.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    reader.feed({chunk.data(), static_cast<std::size_t>(n)});
    while (const auto frame = reader.next()) {
      const auto* output = std::get_if<control::Output>(&*frame);
      if (output == nullptr) continue;
      Lines& lines = streams.at(static_cast<std::size_t>(output->output.stream));
      if (lines.match(output->output.bytes, expected)) return {};
    }
  }
  return {.error = "its output came to an end, or too fast to look at", .is_forged = true};
}

}  // namespace

CheckResult await_line(const Fd& log, const std::string& expression) {
  try {
    return search(log, Regex(expression));
  } catch (const Error& error) {
    return {.error = error.what(), .is_forged = true};
  }
}

}  // namespace agentctl
