#include "host/journal_writer.hpp"

#include <poll.h>

#include <algorithm>

namespace agentctl {

JournalWriter::JournalWriter(PollLoop& loop, std::string socket_path, const JournalLimits& limits)
    : loop_(loop), limits_(limits), socket_(std::move(socket_path)), batcher_(limits.batch) {}

JournalWriter::~JournalWriter() { stop_waiting(); }

void JournalWriter::add(OutputStream stream, std::string_view bytes, TimePoint time, Monotonic now) {
  had_output_ = true;
  batcher_.add(stream, bytes, time, now);
}

void JournalWriter::add_notice(std::string text, TimePoint time) {
  LogEntry notice;
  notice.kind = LogEntryKind::notice;
  notice.time = time;
  notice.position = batcher_.gathered().position;
  notice.text = std::move(text);
  queue_.push_back(std::move(notice));
}

void JournalWriter::pump(Monotonic now) {
  if (state_ == State::barrier || state_ == State::finished) return;
  if (!is_overdue(now) && (room_awaited_ || (retry_at_ && now < *retry_at_))) return;
  for (;;) {
    if (queue_.empty()) {
      auto entry = state_ == State::finishing ? batcher_.take_rest(now) : batcher_.take(now);
      if (entry) {
        queue_.push_back(std::move(*entry));
      } else if (state_ == State::finishing && end_ && had_output_) {
        end_->position = batcher_.gathered().position;
        queue_.push_back(std::move(*end_));
        end_.reset();
      } else {
        break;
      }
    }
    if (!send_front(now)) return;
  }
  if (state_ == State::finishing) send_barrier(now);
}

// False when journald does not take it now.
bool JournalWriter::send_front(Monotonic now) {
  const LogEntry& entry = queue_.front();
  const JournalResult result = socket_.send({origin_, encode_entry(entry), message_of(entry), "\n"});
  if (result == JournalResult::sent) {
    has_sent_ = true;
    stuck_since_.reset();
    stop_waiting();
    queue_.pop_front();
    return true;
  }
  note_stuck(result, now);
  if (result == JournalResult::full)
    wait_for_room();
  else
    wait_for_journald(now);
  // Once it is overdue, each entry is tried once, until journald takes one again.
  if (!is_overdue(now)) return false;
  drop_front();
  return true;
}

void JournalWriter::drop_front() {
  const LogEntry& entry = queue_.front();
  if (entry.kind == LogEntryKind::output)
    lost_lines_ += static_cast<std::uint64_t>(std::count(entry.text.begin(), entry.text.end(), '\n'));
  queue_.pop_front();
}

void JournalWriter::note_stuck(JournalResult why, Monotonic now) {
  if (stuck_since_ && stuck_ == why) return;
  stuck_ = why;
  stuck_since_ = now;
}

bool JournalWriter::is_overdue(Monotonic now) const noexcept {
  const microseconds limit = stuck_ == JournalResult::full ? limits_.full_limit : limits_.absent_limit;
  return stuck_since_ && now - *stuck_since_ >= limit;
}

void JournalWriter::wait_for_room() {
  retry_at_.reset();
  room_awaited_ = true;
  watch_socket();
}

void JournalWriter::wait_for_journald(Monotonic now) {
  stop_waiting();
  retry_at_ = now + limits_.retry;
}

void JournalWriter::stop_waiting() {
  retry_at_.reset();
  room_awaited_ = false;
  if (watched_fd_ >= 0) loop_.forget(watched_fd_);
  watched_fd_ = -1;
}

void JournalWriter::watch_socket() {
  if (watched_fd_ == socket_.fd()) return;
  if (watched_fd_ >= 0) loop_.forget(watched_fd_);
  watched_fd_ = socket_.fd();
  loop_.watch(watched_fd_, POLLOUT, [this](short) {
    if (state_ == State::barrier) {
      if (!socket_.is_drained()) return;
      stop_waiting();
      state_ = State::finished;
      return;
    }
    stop_waiting();
  });
}

std::optional<Monotonic> JournalWriter::due() const {
  if (state_ == State::barrier || state_ == State::finished) return std::nullopt;
  if (queue_.empty() && state_ == State::open) return batcher_.due();
  if (room_awaited_) return *stuck_since_ + limits_.full_limit;
  if (retry_at_) return retry_at_;
  return Monotonic::min();
}

void JournalWriter::finish(std::string end_text, TimePoint time, Monotonic now) {
  if (!end_text.empty()) {
    end_.emplace();
    end_->kind = LogEntryKind::end;
    end_->time = time;
    end_->text = std::move(end_text);
  }
  state_ = State::finishing;
  pump(now);
}

void JournalWriter::send_barrier(Monotonic now) {
  if (!has_sent_) {
    state_ = State::finished;
    return;
  }
  switch (socket_.send_barrier()) {
    case JournalResult::sent:
      state_ = State::barrier;
      watch_socket();
      break;
    case JournalResult::full:
      note_stuck(JournalResult::full, now);
      wait_for_room();
      if (is_overdue(now)) give_up(now);
      break;
    case JournalResult::absent:
      // Then what it had in its queue is gone as well.
      state_ = State::finished;
      break;
  }
}

void JournalWriter::give_up(Monotonic now) {
  if (auto entry = batcher_.take_rest(now)) queue_.push_back(std::move(*entry));
  while (!queue_.empty()) drop_front();
  stop_waiting();
  state_ = State::finished;
}

void JournalWriter::continue_in_child() {
  stop_waiting();
  // journald takes the sender of a datagram from the sending process, but POLLOUT and the queue length are the
  // socket's.
  socket_.reset();
}

void JournalWriter::leave_rest_to_child(Monotonic now) {
  queue_.clear();
  stop_waiting();
  state_ = State::finishing;
  batcher_ = LogBatcher(limits_.batch);
  end_.reset();
  send_barrier(now);
}

std::vector<LogOutput> JournalWriter::unsent() const {
  std::vector<LogOutput> pieces;
  const auto add_entry = [&pieces](const LogEntry& entry) {
    LogPosition position = entry.position;
    std::string_view text = entry.text;
    for (const LogSegment& segment : entry.segments) {
      const std::string_view bytes = text.substr(0, segment.size);
      pieces.push_back({.position = position,
                        .stream = segment.stream,
                        .time = entry.time + std::chrono::milliseconds(segment.delay_ms),
                        .bytes = std::string(bytes)});
      position.advance(segment.stream, bytes);
      text.remove_prefix(bytes.size());
    }
    return position;
  };
  for (const LogEntry& entry : queue_)
    if (entry.kind == LogEntryKind::output) add_entry(entry);
  LogPosition position = add_entry(batcher_.gathered());
  for (const OutputStream stream : {OutputStream::out, OutputStream::err}) {
    const std::string_view line = batcher_.begun_line(stream);
    if (line.empty()) continue;
    pieces.push_back(
        {.position = position, .stream = stream, .time = batcher_.begun_line_time(stream), .bytes = std::string(line)});
    position.advance(stream, line);
  }
  return pieces;
}

LogPosition JournalWriter::sent_position() const {
  for (const LogEntry& entry : queue_)
    if (entry.kind == LogEntryKind::output) return entry.position;
  return batcher_.gathered().position;
}

}  // namespace agentctl
