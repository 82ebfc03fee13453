#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>

#include "base/time.hpp"

namespace agentctl {

/// Called about once a second while waiting, with the time waited so far and how many are still waited for.
using Tick = std::function<void(microseconds waited, std::size_t left)>;

/// A wait that begins now: how much of its limit is left, and when somebody wants to hear of it.
class WaitClock {
 public:
  /// Without a limit, or with `forever`, it is never over.
  WaitClock(std::optional<microseconds> limit, const Tick& tick) : limit_(limit.value_or(forever)), tick_(tick) {}

  microseconds limit() const { return limit_; }

  bool is_over() const { return limit_ != forever && waited() >= limit_; }

  /// How long to sleep at most: until the end or the next tick. Nothing: until something happens.
  std::optional<microseconds> nap() const {
    std::optional<microseconds> left;
    if (limit_ != forever) left = std::max(microseconds(0), limit_ - waited());
    if (tick_) left = std::min(left.value_or(forever), microseconds(std::chrono::seconds(1)));
    return left;
  }

  void tick(std::size_t left) const {
    if (tick_) tick_(waited(), left);
  }

 private:
  using Clock = std::chrono::steady_clock;

  microseconds waited() const { return std::chrono::duration_cast<microseconds>(Clock::now() - began_); }

  Clock::time_point began_ = Clock::now();
  microseconds limit_;
  Tick tick_;
};

}  // namespace agentctl
