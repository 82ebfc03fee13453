#pragma once

#include <string>

#include "app/wait.hpp"
#include "cli/print.hpp"

namespace agentctl {

/// The line that a terminal shows while agentctl waits for more than a second.
class Waiting {
 public:
  explicit Waiting(std::string what) : what_(std::move(what)) {}

  /// Nothing when stderr is no terminal: then nothing wakes up each second either.
  Tick tick() {
    if (!stderr_is_terminal()) return {};
    return [this](microseconds waited, std::size_t left) {
      const std::string count = left > 1 ? " (" + std::to_string(left) + " left)" : "";
      line_.show(paint(what_ + count + ": " + format_rough_span(waited), Color::dim));
    };
  }
  void done() { line_.clear(); }

 private:
  std::string what_;
  LiveLine line_;
};

/// While it lives, SIGINT prints this and ends agentctl with 130.
class InterruptNotice {
 public:
  explicit InterruptNotice(std::string text);
  ~InterruptNotice();
  InterruptNotice(const InterruptNotice&) = delete;
  InterruptNotice& operator=(const InterruptNotice&) = delete;
};

}  // namespace agentctl
