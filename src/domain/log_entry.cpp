#include "domain/log_entry.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace agentctl {
namespace {

constexpr std::array streams{OutputStream::out, OutputStream::err};

std::size_t index_of(OutputStream stream) { return static_cast<std::size_t>(stream); }

std::uint64_t count_newlines(std::string_view bytes) {
  return static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
}

// Numbers are kept far from where sums of them could overflow; no output has 2^60 bytes.
std::optional<std::uint64_t> parse_count(std::string_view text) {
  const auto number = parse_decimal(text);
  if (!number || *number >= (std::int64_t{1} << 60)) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

std::optional<StreamPosition> parse_stream_position(std::string_view text) {
  const auto bytes = parse_count(take_until(text, '/'));
  const auto lines = parse_count(text);
  if (!bytes || !lines || *lines > *bytes) return std::nullopt;
  return StreamPosition{*bytes, *lines};
}

std::optional<LogPosition> parse_position(std::string_view text) {
  const auto out = parse_stream_position(take_until(text, ' '));
  const auto err = parse_stream_position(text);
  if (!out || !err) return std::nullopt;
  return LogPosition{*out, *err};
}

std::optional<LogSegment> parse_segment(std::string_view text) {
  if (text.empty() || (text[0] != 'o' && text[0] != 'e')) return std::nullopt;
  LogSegment segment{.stream = text[0] == 'o' ? OutputStream::out : OutputStream::err};
  text.remove_prefix(1);
  const auto size = parse_count(take_until(text, '@'));
  const auto delay = text.empty() ? std::optional<std::uint64_t>(0) : parse_count(text);
  if (!size || *size == 0 || *size > UINT32_MAX || !delay || *delay > UINT32_MAX) return std::nullopt;
  segment.size = static_cast<std::uint32_t>(*size);
  segment.delay_ms = static_cast<std::uint32_t>(*delay);
  return segment;
}

// Fills the segments and gives the text its last newline back; false when they do not fit the text.
bool apply_segments(LogEntry& entry, std::string_view text) {
  std::uint64_t total = 0;
  while (!text.empty()) {
    const auto segment = parse_segment(take_until(text, ' '));
    if (!segment) return false;
    total += segment->size;
    if (total > entry.text.size() + 1) return false;
    entry.segments.push_back(*segment);
  }
  if (total == entry.text.size() + 1) entry.text += '\n';
  return total == entry.text.size() && total > 0;
}

std::optional<TimePoint> parse_time(std::string_view text) {
  const auto usec = parse_count(text);
  if (!usec) return std::nullopt;
  return TimePoint(microseconds(*usec));
}

}  // namespace

const char* to_string(OutputStream stream) noexcept { return stream == OutputStream::out ? "stdout" : "stderr"; }

const char* to_string(LogEntryKind kind) noexcept {
  switch (kind) {
    case LogEntryKind::output: return "output";
    case LogEntryKind::notice: return "notice";
    case LogEntryKind::end: return "end";
  }
  return "output";
}

void LogPosition::advance(OutputStream stream, std::string_view bytes) noexcept {
  of(stream).bytes += bytes.size();
  of(stream).lines += count_newlines(bytes);
}

LogPosition position_after(const LogEntry& entry) {
  LogPosition position = entry.position;
  std::string_view text = entry.text;
  for (const LogSegment& segment : entry.segments) {
    position.advance(segment.stream, text.substr(0, segment.size));
    text.remove_prefix(std::min<std::size_t>(segment.size, text.size()));
  }
  return position;
}

std::string format_position(const LogPosition& position) {
  return std::to_string(position.out.bytes) + '/' + std::to_string(position.out.lines) + ' ' +
         std::to_string(position.err.bytes) + '/' + std::to_string(position.err.lines);
}

std::string format_segments(const LogEntry& entry) {
  std::string text;
  if (entry.segments.size() == 1 && entry.text.ends_with('\n')) return text;
  for (const LogSegment& segment : entry.segments) {
    if (!text.empty()) text += ' ';
    text += segment.stream == OutputStream::out ? 'o' : 'e';
    text += std::to_string(segment.size);
    if (segment.delay_ms == 0) continue;
    text += '@';
    text += std::to_string(segment.delay_ms);
  }
  return text;
}

std::string_view message_of(const LogEntry& entry) noexcept {
  std::string_view text = entry.text;
  if (entry.kind == LogEntryKind::output && text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

void LogEntryDecoder::field(std::string_view field) {
  std::string_view value = field;
  const std::string_view name = take_until(value, '=');
  if (name == log_field::message) {
    entry_.text = value;
    has_message_ = true;
  } else if (!name.starts_with("AGENTCTL_")) {
    return;
  } else if (name == log_field::session) {
    entry_.session = value;
  } else if (name == log_field::invocation) {
    entry_.invocation = value;
  } else if (name == log_field::segments) {
    segments_ = value;
  } else if (name == log_field::stream) {
    // Of two, either will do: then AGENTCTL_SEGMENTS says which is which.
    stream_ = value == "stderr" ? OutputStream::err : OutputStream::out;
  } else if (name == log_field::event) {
    entry_.kind = value == "end" ? LogEntryKind::end : LogEntryKind::notice;
  } else if (name == log_field::pid) {
    const auto pid = parse_decimal(value);
    broken_ = broken_ || !pid || *pid > INT32_MAX;
    if (!broken_) entry_.pid = static_cast<pid_t>(*pid);
  } else if (name == log_field::time) {
    const auto time = parse_time(value);
    has_time_ = time.has_value();
    entry_.time = time.value_or(TimePoint{});
  } else if (name == log_field::position) {
    const auto position = parse_position(value);
    has_position_ = position.has_value();
    entry_.position = position.value_or(LogPosition{});
  }
}

std::optional<LogEntry> LogEntryDecoder::take() {
  LogEntryDecoder done;
  std::swap(done, *this);
  LogEntry& entry = done.entry_;
  if (done.broken_ || !done.has_time_ || !done.has_position_ || !done.has_message_ || entry.session.empty())
    return std::nullopt;
  if (entry.kind != LogEntryKind::output) return std::move(entry);
  if (!done.stream_) return std::nullopt;
  if (done.segments_.empty()) {
    if (entry.text.size() >= UINT32_MAX) return std::nullopt;
    entry.text += '\n';
    entry.segments.push_back({.stream = *done.stream_, .size = static_cast<std::uint32_t>(entry.text.size())});
  } else if (!apply_segments(entry, done.segments_)) {
    return std::nullopt;
  }
  return std::move(entry);
}

void LogLineReader::begin_attempt(const std::string& invocation, pid_t pid, const LogSink& sink) {
  if (invocation != invocation_) finish(sink);
  pid_ = pid;
  if (invocation == invocation_) return;
  // Only the first attempt that a reader meets may have begun before it: of the later ones it sees the start.
  attached_ = start_ == Start::beginning || !invocation_.empty();
  given_ = {};
  invocation_ = invocation;
}

void LogLineReader::read(const LogEntry& entry, const LogSink& sink) {
  if (entry.kind == LogEntryKind::notice) return;
  begin_attempt(entry.invocation, entry.pid, sink);
  reach(entry.position, entry.time, sink);
  LogPosition position = entry.position;
  std::string_view text = entry.text;
  for (const LogSegment& segment : entry.segments) {
    const std::string_view bytes = text.substr(0, segment.size);
    text.remove_prefix(bytes.size());
    feed(segment.stream, position.of(segment.stream).bytes, bytes,
         entry.time + std::chrono::milliseconds(segment.delay_ms), sink);
    position.of(segment.stream).bytes += bytes.size();
  }
  if (entry.kind == LogEntryKind::end) finish(sink);
}

void LogLineReader::read(const LogOutput& output, const LogSink& sink) {
  reach(output.position, output.time, sink);
  feed(output.stream, output.position.of(output.stream).bytes, output.bytes, output.time, sink);
}

bool LogLineReader::has(const LogPosition& position) const noexcept {
  return given_.out.bytes >= position.out.bytes && given_.err.bytes >= position.err.bytes;
}

// Says what is missing between what has been given and `position`.
void LogLineReader::reach(const LogPosition& position, TimePoint time, const LogSink& sink) {
  if (!attached_) {
    given_ = position;
    attached_ = true;
    return;
  }
  if (has(position)) return;
  LogGap gap{.time = time};
  for (const OutputStream stream : streams) {
    StreamPosition& given = given_.of(stream);
    const StreamPosition& reached = position.of(stream);
    if (given.bytes >= reached.bytes) continue;
    give_tail(stream, sink);
    if (reached.lines > given.lines) gap.lines += reached.lines - given.lines;
    given = reached;
  }
  sink(gap);
}

void LogLineReader::feed(OutputStream stream, std::uint64_t offset, std::string_view bytes, TimePoint time,
                         const LogSink& sink) {
  StreamPosition& given = given_.of(stream);
  if (offset < given.bytes)
    bytes.remove_prefix(static_cast<std::size_t>(std::min<std::uint64_t>(given.bytes - offset, bytes.size())));
  if (bytes.empty()) return;
  given.bytes += bytes.size();
  given.lines += count_newlines(bytes);
  split(stream, bytes, time, sink);
}

void LogLineReader::split(OutputStream stream, std::string_view bytes, TimePoint time, const LogSink& sink) {
  Tail& tail = tails_[index_of(stream)];
  while (!bytes.empty()) {
    const std::size_t newline = bytes.find('\n');
    const bool complete = newline != std::string_view::npos;
    const std::string_view piece = bytes.substr(0, std::min({newline, bytes.size(), line_limit_ - tail.text.size()}));
    const bool whole = complete && piece.size() == newline;
    if (whole && tail.text.empty()) {
      sink(LogLine{.time = time, .stream = stream, .text = piece, .ends_with_newline = true, .pid = pid_});
    } else {
      if (tail.text.empty()) tail.time = time;
      tail.text += piece;
      if (whole) {
        sink(LogLine{.time = tail.time, .stream = stream, .text = tail.text, .ends_with_newline = true, .pid = pid_});
        std::string().swap(tail.text);
      } else if (tail.text.size() >= line_limit_) {
        give_tail(stream, sink);
      }
    }
    bytes.remove_prefix(piece.size() + (whole ? 1 : 0));
  }
}

void LogLineReader::give_tail(OutputStream stream, const LogSink& sink) {
  Tail& tail = tails_[index_of(stream)];
  if (tail.text.empty()) return;
  sink(LogLine{.time = tail.time, .stream = stream, .text = tail.text, .ends_with_newline = false, .pid = pid_});
  std::string().swap(tail.text);
}

void LogLineReader::finish(const LogSink& sink) {
  for (const OutputStream stream : streams) give_tail(stream, sink);
}

}  // namespace agentctl
