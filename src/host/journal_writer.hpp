#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/poll_loop.hpp"
#include "host/journal_message.hpp"
#include "host/journal_socket.hpp"
#include "host/log_batcher.hpp"

namespace agentctl {

struct JournalLimits {
  BatchLimits batch;
  microseconds retry{250'000};            ///< how often an absent journald is tried
  microseconds absent_limit{30'000'000};  ///< then output is dropped, and counted
  microseconds full_limit{240'000'000};   ///< the same for one that is there but takes nothing (its watchdog: 3 min)
};

/// Takes output to journald: batches it, waits while journald is busy or away, and drops it in the end rather than
/// hold the command up for ever. It never blocks and never throws for what journald does.
class JournalWriter {
 public:
  JournalWriter(PollLoop& loop, std::string socket_path, const JournalLimits& limits);
  ~JournalWriter();
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  void set_origin(const LogOrigin& origin) { origin_ = encode_origin(origin); }
  bool has_origin() const noexcept { return !origin_.empty(); }

  void add(OutputStream stream, std::string_view bytes, TimePoint time, Monotonic now);
  /// A sentence of the host's own.
  void add_notice(std::string text, TimePoint time);
  /// False: journald does not keep up, do not read more output for now.
  bool has_room() const noexcept { return !batcher_.full(); }

  /// Sends what is due. To be called after add() and when due() is reached; `now` is the current time.
  void pump(Monotonic now);
  std::optional<Monotonic> due() const;
  void hurry(microseconds interval) { batcher_.hurry(interval); }

  /// Sends all that is left at once, then, if there was any output, an entry that says how the command ended (unless
  /// it is empty), and waits until journald has processed all of it: is_finished().
  void finish(std::string end_text, TimePoint time, Monotonic now);
  bool is_finished() const noexcept { return state_ == State::finished; }
  /// Drops what could not be sent yet and counts it.
  void give_up(Monotonic now);

  /// After fork(2), in the child: sends under its own name from now on. The parent must not send any more of it.
  void continue_in_child();
  /// After fork(2), in the parent: forgets what the child sends now, and only waits for journald as finish() does.
  void leave_rest_to_child(Monotonic now);

  /// Output that was added but is not in journald's hands yet, in order; the position of the first piece, or of the
  /// next output when there is none, is where a live follower takes over from the journal.
  std::vector<LogOutput> unsent() const;
  /// Up to where journald has been handed everything.
  LogPosition sent_position() const;
  std::uint64_t lost_lines() const noexcept { return lost_lines_; }

 private:
  enum class State { open, finishing, barrier, finished };

  bool send_front(Monotonic now);
  void drop_front();
  void send_barrier(Monotonic now);
  void wait_for_room();
  void wait_for_journald(Monotonic now);
  void stop_waiting();
  void watch_socket();
  void note_stuck(JournalResult why, Monotonic now);
  bool is_overdue(Monotonic now) const noexcept;

  PollLoop& loop_;
  JournalLimits limits_;
  JournalSocket socket_;
  LogBatcher batcher_;
  std::string origin_;
  std::deque<LogEntry> queue_;  ///< on their way: the one that journald did not take yet, and notices
  State state_ = State::open;
  std::optional<LogEntry> end_;
  bool has_sent_ = false;  ///< something that journald has to look our process up for
  bool had_output_ = false;
  JournalResult stuck_ = JournalResult::sent;  ///< why journald took nothing, since
  std::optional<Monotonic> stuck_since_;
  std::optional<Monotonic> retry_at_;  ///< while journald is away
  bool room_awaited_ = false;          ///< POLLOUT is watched
  int watched_fd_ = -1;
  std::uint64_t lost_lines_ = 0;
};

}  // namespace agentctl
