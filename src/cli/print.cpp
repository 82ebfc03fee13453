#include "cli/print.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>

#include "base/text.hpp"

namespace agentctl {
namespace {

bool color_allowed = false;

constexpr std::array<const char*, 6> codes{"", "2", "1", "32", "33", "31"};

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw system_error("cannot write to", "stdout", errno);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

void allow_color(bool allowed) { color_allowed = allowed; }

std::string paint(std::string_view text, Color color) {
  if (!color_allowed || color == Color::none || text.empty()) return std::string(text);
  return std::string("\033[") + codes[static_cast<std::size_t>(color)] + "m" + std::string(text) + "\033[0m";
}

Color color_of(State state) {
  switch (state) {
    case State::running: return Color::green;
    case State::queued:
    case State::starting:
    case State::stopping:
    case State::restarting: return Color::yellow;
    case State::failed:
    case State::parked:
    case State::lost: return Color::red;
    case State::expired: return Color::yellow;
    case State::exited:
    case State::stopped:
    case State::cancelled: return Color::dim;
  }
  return Color::none;
}

void print(std::string_view text) { write_all(STDOUT_FILENO, text); }

void print_warning(std::string_view text) {
  const std::string line = "agentctl: warning: " + to_printable(text) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void print_error(const Error& error, const std::vector<std::string>& warnings, bool json) {
  if (json) {
    boost::json::object fields{{"code", to_string(error.code())},
                               {"message", to_valid_utf8(error.what())},
                               {"object", to_valid_utf8(error.object())},
                               {"reason", to_valid_utf8(error.reason())},
                               {"hint", to_valid_utf8(error.hint())}};
    for (const std::string& warning : warnings) {
      if (!fields.contains("warnings")) fields["warnings"].emplace_array();
      fields["warnings"].get_array().emplace_back(to_valid_utf8(warning));
    }
    const std::string line = boost::json::serialize(boost::json::object{{"error", fields}}) + "\n";
    std::fwrite(line.data(), 1, line.size(), stderr);
    return;
  }
  for (const std::string& warning : warnings) print_warning(warning);
  std::fprintf(stderr, "agentctl: %s\n", to_printable(error.what()).c_str());
  if (!error.hint().empty()) std::fprintf(stderr, "hint: %s\n", to_printable(error.hint()).c_str());
}

std::optional<std::size_t> terminal_width() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0) return std::nullopt;
  return size.ws_col > 0 ? size.ws_col : 80;
}

bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }
bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

void LiveLine::show(const std::string& text) {
  if (!stderr_is_terminal()) return;
  std::fprintf(stderr, "\r\033[K%s", text.c_str());
  std::fflush(stderr);
  shown_ = true;
}

void LiveLine::clear() {
  if (!shown_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array<const char*, 6> units{"B", "K", "M", "G", "T", "P"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f%s" : "%.1f%s", value, units[unit]);
  return text.data();
}

std::string format_cpu(std::uint64_t ns) {
  if (ns >= 60'000'000'000) return format_rough_span(microseconds(static_cast<std::int64_t>(ns / 1000)));
  std::array<char, 32> text{};
  if (ns < 1'000'000'000) {
    std::snprintf(text.data(), text.size(), "%llums", static_cast<unsigned long long>(ns / 1'000'000));
  } else {
    std::snprintf(text.data(), text.size(), "%.1fs", static_cast<double>(ns) / 1e9);
  }
  return text.data();
}

}  // namespace agentctl
