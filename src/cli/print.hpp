#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/time.hpp"
#include "domain/session_view.hpp"

namespace agentctl {

enum class Color { none, dim, bold, green, yellow, red };

/// Set once, from --no-color, NO_COLOR and what stdout is.
void allow_color(bool allowed);

std::string paint(std::string_view text, Color color);
Color color_of(State state);

/// To stdout, whole or not at all as far as a pipe allows. A reader that has gone ends agentctl quietly (SIGPIPE); any
/// other failure to write is an Error.
void print(std::string_view text);

void print_warning(std::string_view text);

/// The warnings, "agentctl: …" and "hint: …" on stderr, or all of it as one JSON object.
void print_error(const Error& error, const std::vector<std::string>& warnings, bool json);

/// Columns of the terminal that stdout is; nothing when it is none.
std::optional<std::size_t> terminal_width();
bool stdout_is_terminal();
bool stderr_is_terminal();

/// One line on the terminal's stderr that is written over: shown only there, and gone when this is.
class LiveLine {
 public:
  ~LiveLine() { clear(); }
  void show(const std::string& text);
  void clear();

 private:
  bool shown_ = false;
};

std::string format_bytes(std::uint64_t bytes);  ///< "12.3M", as systemctl status
std::string format_cpu(std::uint64_t ns);       ///< "1.2s", "2min 3s"

}  // namespace agentctl
