#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/poll_loop.hpp"
#include "domain/log_entry.hpp"

namespace agentctl {

/// How output is gathered. journald counts the entries of all sessions of a user together (10,000 in 30 s) and drops
/// what is over, so a session may send a burst and then about one entry a second, each as large as it must be.
struct BatchLimits {
  int burst = 16;
  microseconds interval{1'000'000};
  std::size_t bytes = 1u << 20;           ///< an entry is sent at this size without waiting for its turn
  std::size_t segments = 16'384;          ///< or with so many changes between stdout and stderr
  microseconds partial_after{1'000'000};  ///< a line without newline waits so long for the rest of it
};

/// Lets one entry through when it is its turn.
class TokenBucket {
 public:
  TokenBucket(int burst, microseconds interval) : burst_(burst), tokens_(burst), interval_(interval) {}
  /// When there will be a token; may be in the past.
  Monotonic next() const noexcept;
  void spend(Monotonic now) noexcept;
  void set_interval(microseconds interval) noexcept { interval_ = interval; }

 private:
  void refill(Monotonic now) noexcept;

  int burst_;
  int tokens_;
  microseconds interval_;
  Monotonic refilled_ = Monotonic::min();
};

/// Makes journal entries of what the command writes: whole lines in the order they were read, of a quiet program one
/// entry for each read(), of a loud one many lines in one. It keeps what it has not given out, and reads no clock.
class LogBatcher {
 public:
  explicit LogBatcher(const BatchLimits& limits = {});

  void add(OutputStream stream, std::string_view bytes, TimePoint time, Monotonic now);
  /// When take() will have something; nothing while all is given out.
  std::optional<Monotonic> due() const;
  /// The next entry, when its turn has come.
  std::optional<LogEntry> take(Monotonic now);
  /// All that is left, begun lines included, whether it is its turn or not.
  std::optional<LogEntry> take_rest(Monotonic now);
  /// From now on at most this long between entries and for a begun line: the session is ending, and its processes,
  /// we too, may be killed soon.
  void hurry(microseconds interval);
  /// There is an entry that does not wait for its turn. The owner should stop to add until it is taken.
  bool full() const noexcept;

  /// What is not given out yet: the entry that is being gathered, and the begun line of each stream.
  const LogEntry& gathered() const noexcept { return entry_; }
  std::string_view begun_line(OutputStream stream) const noexcept { return tail(stream).text; }
  TimePoint begun_line_time(OutputStream stream) const noexcept { return tail(stream).time; }

 private:
  struct Tail {
    std::string text;
    TimePoint time{};
    Monotonic read_at{};  ///< of its last byte
  };

  Tail& tail(OutputStream stream) noexcept { return tails_[static_cast<std::size_t>(stream)]; }
  const Tail& tail(OutputStream stream) const noexcept { return tails_[static_cast<std::size_t>(stream)]; }
  void gather(OutputStream stream, std::string_view bytes, TimePoint time, Monotonic now);
  void gather_tail(OutputStream stream);
  LogEntry give();

  BatchLimits limits_;
  TokenBucket bucket_;
  LogEntry entry_;
  Monotonic entry_begun_{};
  std::array<Tail, 2> tails_;
};

}  // namespace agentctl
