#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "app/logs.hpp"
#include "app/sessions.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/log_printer.hpp"
#include "cli/verb.hpp"

namespace agentctl {
namespace {

// A point in time as RFC 3339, "YYYY-MM-DD HH:MM[:SS]" in the reader's zone, or a time span before now.
TimePoint parse_since(const std::string& text) {
  if (const auto span = parse_time_span(text); span && *span != forever) return now() - *span;
  if (const auto time = parse_rfc3339(text)) return *time;
  for (const char* format : {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%H:%M:%S", "%H:%M"}) {
    const std::time_t current = std::time(nullptr);
    std::tm parts{};
    ::localtime_r(&current, &parts);
    parts.tm_sec = 0;
    if (format[1] == 'Y') parts.tm_hour = parts.tm_min = 0;
    const char* end = ::strptime(text.c_str(), format, &parts);
    if (end == nullptr || *end != '\0') continue;
    parts.tm_isdst = -1;
    return TimePoint(std::chrono::seconds(std::mktime(&parts)));
  }
  throw Error({.code = ErrorCode::usage,
               .context = "invalid",
               .object = "--since",
               .reason = "'" + to_printable(text) + "' is no time",
               .hint = "10min (ago), '2026-01-31 13:00', 13:00 or 2026-01-31T12:00:00Z"});
}

}  // namespace

int cmd_logs(Invocation& invocation) {
  CommandLine line(invocation, "logs", "[-f] [-n N] [--since T] [--stream stdout|stderr] NAME",
                   "Prints what a session has printed, every byte of it, from the journal.",
                   {"agentctl logs web", "agentctl logs -n 20 web", "agentctl logs --since 10min --stream stderr web",
                    "agentctl logs --json web"});
  std::string name;
  std::string since;
  std::string stream;
  std::string lines;
  bool follow = false;
  bool times = false;
  LogOptions options;
  line.add_argument("NAME", name);
  line.add_flag("-f,--follow", follow, "go on with what it prints, until it has ended");
  line.add_option("-n,--lines", lines, "N", "only the last so many lines");
  line.add_option("--since", since, "T", "only from then on: a time, or a span ago");
  line.add_choice("--stream", stream, {"stdout", "stderr"}, "only this one");
  line.add_flag("-t,--times", times, "each line with its time");
  line.parse();
  if (!lines.empty()) options.lines = parse_number("logs", "--lines", lines, INT64_MAX);
  if (!since.empty()) options.since = parse_since(since);
  if (!stream.empty()) options.stream = stream == "stderr" ? OutputStream::err : OutputStream::out;

  Context& context = invocation.context();
  const Session session = find_session(context, name);
  const LogPrinter printer({.json = invocation.globals().json,
                            .times = times,
                            .split_streams = false,
                            .session = session.record.id,
                            .name = session.record.request.name});
  if (follow) {
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    follow_log(context, session, options, printer.sink());
  } else {
    static char buffer[1 << 16];
    std::setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    read_log(context, session, options, printer.sink());
  }
  if (std::fflush(stdout) != 0) throw system_error("cannot write to", "stdout", errno);
  return 0;
}

}  // namespace agentctl
