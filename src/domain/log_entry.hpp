#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/time.hpp"

namespace agentctl {

enum class OutputStream : std::uint8_t { out, err };
inline constexpr std::array output_streams{OutputStream::out, OutputStream::err};
const char* to_string(OutputStream stream) noexcept;  ///< "stdout", "stderr"

/// How much one stream has brought since the command started. A line counts when its newline has come.
struct StreamPosition {
  std::uint64_t bytes = 0;
  std::uint64_t lines = 0;
  bool operator==(const StreamPosition&) const = default;
};

/// A point in the output of one attempt. Bytes are counted per stream, because stdout and stderr can be told apart but
/// not always be put in the same order (a line that is still without its newline is shown at once to who follows, and
/// logged later). Every comparison is therefore per stream. Rejected: a sequence number per journal entry, which says
/// that something is missing but not how many lines, and cannot be compared with a live stream.
struct LogPosition {
  StreamPosition out;
  StreamPosition err;
  StreamPosition& of(OutputStream stream) noexcept { return stream == OutputStream::out ? out : err; }
  const StreamPosition& of(OutputStream stream) const noexcept { return stream == OutputStream::out ? out : err; }
  std::uint64_t lines() const noexcept { return out.lines + err.lines; }
  void advance(OutputStream stream, std::string_view bytes) noexcept;
  bool operator==(const LogPosition&) const = default;
};

enum class LogEntryKind {
  output,
  notice,  ///< the session host's own words, for example that a file could not be written
  end,     ///< how the command ended; its position is the end of the output
};

struct LogSegment {
  OutputStream stream = OutputStream::out;
  std::uint32_t size = 0;      ///< bytes
  std::uint32_t delay_ms = 0;  ///< read so long after the entry's time
  bool operator==(const LogSegment&) const = default;
};

/// One journal entry of a session host. Output is batched: an entry can hold many lines, of both streams.
struct LogEntry {
  LogEntryKind kind = LogEntryKind::output;
  std::string session;
  std::string invocation;  ///< of the attempt
  pid_t pid = 0;           ///< the command's
  TimePoint time{};        ///< when the first segment had been read
  LogPosition position;    ///< of what came before
  std::vector<LogSegment> segments;
  std::string text;  ///< the segments' bytes one after another, newlines included; else the sentence
};

LogPosition position_after(const LogEntry& entry);

/// A piece of live output, as the session host read it: any bytes, lines begun or not ended included.
struct LogOutput {
  LogPosition position;  ///< of what came before
  OutputStream stream = OutputStream::out;
  TimePoint time{};
  std::string bytes;
};

/// The journal's field names.
///
/// MESSAGE holds the text without its last newline, so that journalctl shows a plain line. AGENTCTL_SEGMENTS is there
/// when it takes more to rebuild the bytes than "one stream, ends in a newline": "o120 e34@15 o7" are 120 bytes of
/// stdout, then 34 of stderr read 15 ms after AGENTCTL_TIME, then 7 of stdout. When their sum is one more than
/// MESSAGE has, the last newline was taken off; when it is equal, there was none (a partial line). An entry with both
/// streams carries AGENTCTL_STREAM twice. AGENTCTL_POSITION is "<stdout bytes>/<lines> <stderr bytes>/<lines>".
/// Entries that are no output have AGENTCTL_EVENT instead of AGENTCTL_STREAM.
namespace log_field {
inline constexpr const char* session = "AGENTCTL_SESSION";
inline constexpr const char* name = "AGENTCTL_NAME";
inline constexpr const char* project = "AGENTCTL_PROJECT";
inline constexpr const char* invocation = "AGENTCTL_INVOCATION";
inline constexpr const char* pid = "AGENTCTL_PID";
inline constexpr const char* stream = "AGENTCTL_STREAM";
inline constexpr const char* time = "AGENTCTL_TIME";
inline constexpr const char* position = "AGENTCTL_POSITION";
inline constexpr const char* segments = "AGENTCTL_SEGMENTS";
inline constexpr const char* event = "AGENTCTL_EVENT";
inline constexpr const char* message = "MESSAGE";
}  // namespace log_field

const char* to_string(LogEntryKind kind) noexcept;  ///< the value of AGENTCTL_EVENT: "output" is never written
std::string format_position(const LogPosition& position);
/// Empty when the entry needs no AGENTCTL_SEGMENTS.
std::string format_segments(const LogEntry& entry);
/// The value of MESSAGE.
std::string_view message_of(const LogEntry& entry) noexcept;

/// Rebuilds an entry from its journal fields, which come in any order. Anybody can write any field to the journal, so
/// nothing in it is believed: what does not fit together is no entry.
class LogEntryDecoder {
 public:
  /// "NAME=value" as sd_journal_enumerate_data(3) gives it; other programs' fields are ignored.
  void field(std::string_view field);
  /// The entry, when the fields since the last call were one of a session host's.
  std::optional<LogEntry> take();

 private:
  LogEntry entry_;
  std::string segments_;
  std::optional<OutputStream> stream_;
  bool has_time_ = false;
  bool has_position_ = false;
  bool has_message_ = false;
  bool broken_ = false;
};

/// One line of the program, or, when it has no newline at its end, what there was of it.
struct LogLine {
  TimePoint time{};
  OutputStream stream = OutputStream::out;
  std::string_view text;  ///< any bytes, without the newline; valid during the call
  bool ends_with_newline = true;
  pid_t pid = 0;
};

/// Output is missing here: so many lines, or a part of one when 0.
struct LogGap {
  TimePoint time{};
  std::uint64_t lines = 0;
};

using LogItem = std::variant<LogLine, LogGap>;
using LogSink = std::function<void(const LogItem&)>;

/// Turns journal entries, and after them live output, into the program's lines: joins what was logged in parts, leaves
/// out what it has already given (so that a replay and a live stream may overlap), and says what is missing.
class LogLineReader {
 public:
  enum class Start {
    anywhere,   ///< the first thing read is where the output begins for this reader
    beginning,  ///< everything since the attempt's start is expected
  };
  /// A line longer than `line_limit` is given in pieces without newline.
  explicit LogLineReader(Start start = Start::anywhere, std::size_t line_limit = 64u << 20)
      : start_(start), line_limit_(line_limit) {}

  /// Entries of one session in the journal's order, of all its attempts. Gives nothing for notices.
  void read(const LogEntry& entry, const LogSink& sink);
  /// Live output of the attempt that begin_attempt() or the last entry named.
  void read(const LogOutput& output, const LogSink& sink);
  /// To be called before live output, in case the journal had nothing of that attempt yet.
  void begin_attempt(const std::string& invocation, pid_t pid, const LogSink& sink);
  /// Gives the lines that never got their newline.
  void finish(const LogSink& sink);

  /// Whether everything before this point of the current attempt has been read (or is known to be missing).
  bool has(const LogPosition& position) const noexcept;
  const std::string& invocation() const noexcept { return invocation_; }

 private:
  struct Tail {
    std::string text;
    TimePoint time{};
  };

  void reach(const LogPosition& position, TimePoint time, const LogSink& sink);
  void feed(OutputStream stream, std::uint64_t offset, std::string_view bytes, TimePoint time, const LogSink& sink);
  void split(OutputStream stream, std::string_view bytes, TimePoint time, const LogSink& sink);
  void give_tail(OutputStream stream, const LogSink& sink);

  Start start_;
  std::size_t line_limit_;
  std::string invocation_;
  pid_t pid_ = 0;
  bool attached_ = false;  ///< given_ means something
  LogPosition given_;
  std::array<Tail, 2> tails_;
};

}  // namespace agentctl
