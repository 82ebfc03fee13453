#pragma once

#include "domain/log_entry.hpp"

namespace agentctl {

/// Prints a session's lines: byte for byte, or, on a terminal, with whatever could steer the terminal made visible.
class LogPrinter {
 public:
  struct Options {
    bool json = false;
    bool times = false;          ///< each line begins with its time
    bool split_streams = false;  ///< what the session wrote to stderr goes to stderr
    std::string session{};       ///< for JSON
    std::string name{};
  };
  explicit LogPrinter(Options options);
  ~LogPrinter();
  LogPrinter(const LogPrinter&) = delete;
  LogPrinter& operator=(const LogPrinter&) = delete;

  /// Valid as long as the printer. What is given to it may stay in stdout's buffer.
  LogSink sink() const;

 private:
  void print_line(const LogLine& line) const;
  void print_gap(const LogGap& gap) const;

  Options options_;
};

/// The line as it may be shown on a terminal: colours (SGR) and tabs pass, all other control characters are escaped.
std::string for_terminal(std::string_view bytes);

}  // namespace agentctl
