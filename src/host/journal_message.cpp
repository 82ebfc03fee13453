#include "host/journal_message.hpp"

namespace agentctl {
namespace {

void append_length(std::string& message, std::uint64_t length) {
  for (int i = 0; i < 8; ++i) message += static_cast<char>(length >> (8 * i) & 0xff);
}

// syslog(3) levels. Output is not judged: stderr is where programs talk to people, not only where they complain.
constexpr std::string_view priority_of(LogEntryKind kind) { return kind == LogEntryKind::notice ? "4" : "6"; }

}  // namespace

void append_field(std::string& message, std::string_view name, std::string_view value) {
  message += name;
  if (value.find('\n') == std::string_view::npos) {
    message += '=';
  } else {
    message += '\n';
    append_length(message, value.size());
  }
  message += value;
  message += '\n';
}

std::string encode_origin(const LogOrigin& origin) {
  std::string message;
  append_field(message, "SYSLOG_IDENTIFIER", origin.identifier);
  append_field(message, log_field::session, origin.session);
  append_field(message, log_field::name, origin.name);
  if (!origin.project.empty()) append_field(message, log_field::project, origin.project);
  if (!origin.invocation.empty()) append_field(message, log_field::invocation, origin.invocation);
  if (origin.pid != 0) append_field(message, log_field::pid, std::to_string(origin.pid));
  return message;
}

std::string encode_entry(const LogEntry& entry) {
  std::string message;
  append_field(message, "PRIORITY", priority_of(entry.kind));
  append_field(message, log_field::time, std::to_string(entry.time.time_since_epoch().count()));
  append_field(message, log_field::position, format_position(entry.position));
  if (entry.kind != LogEntryKind::output) {
    append_field(message, log_field::event, to_string(entry.kind));
  } else {
    for (const OutputStream stream : {OutputStream::out, OutputStream::err}) {
      for (const LogSegment& segment : entry.segments) {
        if (segment.stream != stream) continue;
        append_field(message, log_field::stream, to_string(stream));
        break;
      }
    }
    if (const std::string segments = format_segments(entry); !segments.empty())
      append_field(message, log_field::segments, segments);
  }
  message += log_field::message;
  message += '\n';
  append_length(message, message_of(entry).size());
  return message;
}

}  // namespace agentctl
