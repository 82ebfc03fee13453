#include <sys/prctl.h>

#include <csignal>

#include "app/logs.hpp"
#include "app/sessions.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/verb.hpp"
#include "http/event_stream.hpp"

namespace agentctl {
namespace {

/// The lines of a session as server-sent events: what was stored in one, then each piece as it comes.
class LogEvents {
 public:
  explicit LogEvents(std::size_t tail) : tail_(tail) {}

  void add(const LogItem& item) {
    if (const auto* line = std::get_if<LogLine>(&item)) {
      stored_ += line->text;
      if (line->ends_with_newline) stored_ += '\n';
      if (replayed_) flush();
    } else if (replayed_) {
      flush();
      print(event_text("gap", "{\"lines\":" + std::to_string(std::get<LogGap>(item).lines) + "}"));
    }
  }

  void end_replay() {
    stored_.erase(0, tail_start(stored_, tail_));
    replayed_ = true;
    // Also when there is nothing: it says that the stream has begun.
    const std::string text = cutter_.take(stored_);
    stored_.clear();
    print(text.empty() ? event_text("\"\"") : output_events(text));
  }

  void finish() {
    flush();
    print(output_events(cutter_.finish()) + event_text("done", "removed"));
  }

 private:
  void flush() {
    print(output_events(cutter_.take(stored_)));
    stored_.clear();
  }

  std::size_t tail_;
  std::string stored_;
  bool replayed_ = false;
  Utf8Cutter cutter_;
};

}  // namespace

/// For the HTTP server, not for people: `agentctl __log-stream BYTES ID` follows a session's output as the event stream
/// that it gives to its client. A process of its own, because following waits at many places, and one that follows too
/// slowly, or a journal that takes long to search, must hold up nobody else.
int cmd_log_stream(Invocation& invocation) {
  const auto& arguments = invocation.arguments();
  if (arguments.size() != 2) throw usage_error("", "__log-stream is the HTTP server's own");
  // Without the server nobody would ever read it, and a quiet session gives no cause to notice.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  const std::size_t tail = parse_number("logs", "BYTES", arguments[0], 1 << 20);
  Context& context = invocation.context();
  LogEvents events(tail);
  LogOptions options{.bytes = tail};
  options.when_replayed = [&] { events.end_replay(); };
  follow_log(context, find_session(context, arguments[1]), options, [&](const LogItem& item) { events.add(item); });
  events.finish();
  return 0;
}

}  // namespace agentctl
