#include "host/log_batcher.hpp"

#include <algorithm>
#include <utility>

namespace agentctl {
Monotonic TokenBucket::next() const noexcept { return tokens_ > 0 ? Monotonic::min() : refilled_ + interval_; }

void TokenBucket::spend(Monotonic now) noexcept {
  refill(now);
  if (tokens_ > 0) --tokens_;
}

void TokenBucket::refill(Monotonic now) noexcept {
  if (tokens_ == burst_ || refilled_ > now) {
    refilled_ = now;
    return;
  }
  const auto intervals = (now - refilled_) / interval_;
  if (intervals >= burst_ - tokens_) {
    tokens_ = burst_;
    refilled_ = now;
  } else {
    tokens_ += static_cast<int>(intervals);
    refilled_ += intervals * interval_;
  }
}

LogBatcher::LogBatcher(const BatchLimits& limits) : limits_(limits), bucket_(limits.burst, limits.interval) {}

void LogBatcher::add(OutputStream stream, std::string_view bytes, TimePoint time, Monotonic now) {
  const std::size_t newline = bytes.rfind('\n');
  Tail& begun = tail(stream);
  if (newline != std::string_view::npos) {
    const std::string_view lines = bytes.substr(0, newline + 1);
    if (begun.text.empty()) {
      gather(stream, lines, time, now);
    } else {
      begun.text += lines;
      gather(stream, begun.text, time, now);
      std::string().swap(begun.text);
    }
    bytes.remove_prefix(lines.size());
  }
  if (bytes.empty()) return;
  begun.text += bytes;
  begun.time = time;
  begun.read_at = now;
  // A line without end must not fill the memory: from here on it is logged in parts.
  if (begun.text.size() >= limits_.bytes / 2) gather_tail(stream);
}

void LogBatcher::gather(OutputStream stream, std::string_view bytes, TimePoint time, Monotonic now) {
  if (entry_.segments.empty()) {
    entry_.time = time;
    entry_begun_ = now;
  }
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now - entry_begun_).count();
  auto delay = static_cast<std::uint32_t>(std::clamp<std::int64_t>(since, 0, INT32_MAX));
  entry_.text += bytes;
  if (!entry_.segments.empty()) {
    LogSegment& last = entry_.segments.back();
    // A begun line that waited has an older time than what was gathered meanwhile; times in an entry only go up.
    delay = std::max(delay, last.delay_ms);
    if (last.stream == stream && last.delay_ms == delay) {
      last.size += static_cast<std::uint32_t>(bytes.size());
      return;
    }
  }
  entry_.segments.push_back({.stream = stream, .size = static_cast<std::uint32_t>(bytes.size()), .delay_ms = delay});
}

void LogBatcher::gather_tail(OutputStream stream) {
  Tail& begun = tail(stream);
  if (begun.text.empty()) return;
  gather(stream, begun.text, begun.time, begun.read_at);
  std::string().swap(begun.text);
}

bool LogBatcher::full() const noexcept {
  return entry_.text.size() >= limits_.bytes || entry_.segments.size() >= limits_.segments;
}

std::optional<Monotonic> LogBatcher::due() const {
  std::optional<Monotonic> earliest;
  if (!entry_.segments.empty()) earliest = full() ? Monotonic::min() : bucket_.next();
  for (const Tail& begun : tails_) {
    if (begun.text.empty()) continue;
    const Monotonic at = std::max(begun.read_at + limits_.partial_after, bucket_.next());
    earliest = earliest ? std::min(*earliest, at) : at;
  }
  return earliest;
}

std::optional<LogEntry> LogBatcher::take(Monotonic now) {
  for (const OutputStream stream : output_streams)
    if (tail(stream).read_at + limits_.partial_after <= now) gather_tail(stream);
  if (entry_.segments.empty() || (!full() && bucket_.next() > now)) return std::nullopt;
  bucket_.spend(now);
  return give();
}

std::optional<LogEntry> LogBatcher::take_rest(Monotonic now) {
  for (const OutputStream stream : output_streams) gather_tail(stream);
  if (entry_.segments.empty()) return std::nullopt;
  bucket_.spend(now);
  return give();
}

LogEntry LogBatcher::give() {
  LogEntry next;
  next.position = position_after(entry_);
  return std::exchange(entry_, std::move(next));
}

void LogBatcher::hurry(microseconds interval) {
  bucket_.set_interval(interval);
  limits_.partial_after = std::min(limits_.partial_after, interval);
}

}  // namespace agentctl
