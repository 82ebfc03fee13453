#include <algorithm>
#include <boost/json.hpp>

#include "app/sessions.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/selection.hpp"
#include "cli/session_text.hpp"
#include "cli/verb.hpp"
#include "domain/end_of_session.hpp"

namespace agentctl {
namespace {

std::string ran_for(const std::optional<TimePoint>& started, const std::optional<TimePoint>& ended) {
  if (!started || !ended) return {};
  return ", after " + format_rough_span(std::max(microseconds(0), *ended - *started));
}

std::string exit_in_words(const Exit& exit) {
  std::string text;
  if (exit.code) text = "status " + std::to_string(*exit.code);
  if (exit.signal) text = signal_name(*exit.signal);
  if (!exit.result.empty()) text += (text.empty() ? "" : ", ") + ("systemd result '" + exit.result + "'");
  return text;
}

std::string earlier_attempts(const Session& session) {
  std::string text;
  int number = session.record.attempt - static_cast<int>(session.record.earlier_attempts.size());
  for (const End& end : session.record.earlier_attempts) {
    const std::string line =
        "attempt " + std::to_string(number++) + " " + to_printable(end.reason) + ran_for(end.started_at, end.ended_at);
    text += text.empty() ? field("before", line) : field_continued(line);
  }
  return text;
}

std::string format_why(Context& context, const Session& session) {
  const Record& record = session.record;
  std::string text = headline(session, now());
  if (session.ended_at)
    text += field("ended", format_local(*session.ended_at) + ran_for(session.started_at, session.ended_at));
  text += queue_place(context, session);
  text += field("exit", exit_in_words(session.exit));
  text += field("stopped by", stopped_by(session));
  text += field("resources", resources(session.usage));
  if (record.attempt > 1) text += field("restarts", std::to_string(record.attempt - 1));
  text += earlier_attempts(session);
  if (session.log_lost > 0) text += field("lost lines", std::to_string(session.log_lost));
  return text + last_output(context, session);
}

std::string why_json(Context& context, const Session& session) {
  boost::json::object object = boost::json::parse(to_json(session)).as_object();
  boost::json::array& lines = object["last_lines"].emplace_array();
  for (const std::string& line : last_lines(context, session)) lines.emplace_back(to_valid_utf8(line));
  return boost::json::serialize(object) + "\n";
}

}  // namespace

int cmd_why(Invocation& invocation) {
  CommandLine line(invocation, "why", "NAME",
                   "Tells what ended a session, or why it is in its state, and what it said last.",
                   {"agentctl why web", "agentctl why --json web"});
  const Session session = parse_one(line, invocation);
  Context& context = invocation.context();
  print(invocation.globals().json ? why_json(context, session) : format_why(context, session));
  return 0;
}

}  // namespace agentctl
