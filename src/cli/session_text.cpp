#include "cli/session_text.hpp"

#include <algorithm>

#include "app/logs.hpp"
#include "app/queue.hpp"
#include "base/text.hpp"
#include "cli/log_printer.hpp"
#include "cli/print.hpp"

namespace agentctl {
namespace {

constexpr std::size_t shown_lines = 10;
constexpr std::size_t title_width = 11;

}  // namespace

std::string headline(const Session& session, TimePoint at) {
  std::string text = paint(session.record.request.name, Color::bold) + " (" + session.record.id + ")  " +
                     paint(to_string(session.state), color_of(session.state));
  if (!session.reason.empty()) text += ", " + to_printable(session.reason);
  if (!is_terminal(session.state)) {
    if (session.started_at) text += ", for " + format_rough_span(std::max(microseconds(0), at - *session.started_at));
    if (session.expires_at)
      text += ", " + format_rough_span(std::max(microseconds(0), *session.expires_at - at)) + " left";
  }
  return text + "\n";
}

std::string field(const char* title, const std::string& value) {
  if (value.empty()) return {};
  std::string padded = title;
  padded.resize(title_width, ' ');
  return "  " + paint(padded, Color::dim) + value + "\n";
}

std::string resources(const Usage& usage) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (usage.cpu_ns) add("CPU " + format_cpu(*usage.cpu_ns));
  if (usage.memory_bytes) add("memory " + format_bytes(*usage.memory_bytes));
  if (usage.memory_peak_bytes) add("memory peak " + format_bytes(*usage.memory_peak_bytes));
  return text;
}

std::string field_continued(const std::string& value) { return std::string(2 + title_width, ' ') + value + "\n"; }

std::string stopped_by(const Session& session) {
  if (!session.record.stop) return {};
  const StopRequest& stop = *session.record.stop;
  return stop.by.user + " (pid " + std::to_string(stop.by.pid) + ", " + to_printable(stop.by.command) + ")" +
         (stop.reason.empty() ? "" : ": " + to_printable(stop.reason));
}

std::vector<std::string> last_lines(Context& context, const Session& session) {
  std::vector<std::string> lines;
  if (session.record.request.kind == SessionKind::scope) return lines;
  read_log(context, session, {.lines = shown_lines, .since = {}, .stream = {}}, [&](const LogItem& item) {
    if (const auto* line = std::get_if<LogLine>(&item)) lines.emplace_back(line->text);
  });
  return lines;
}

std::string queue_place(Context& context, const Session& session) {
  const Record& record = session.record;
  const PoolRequest& pool = record.request.pool;
  std::string text =
      field("pool", pool.priority == 0 ? pool.name : pool.name + ", priority " + std::to_string(pool.priority));
  if (record.flow) text += field("flow", record.flow->flow + ", step " + record.flow->step);
  if (session.state == State::queued) text += field("waits", why_queued(context, record));
  return text;
}

std::string last_output(Context& context, const Session& session) {
  std::string text;
  for (const std::string& line : last_lines(context, session)) text += "  " + for_terminal(line) + "\n";
  return text.empty() ? "" : "\n" + paint("last output", Color::dim) + "\n" + text;
}

}  // namespace agentctl
