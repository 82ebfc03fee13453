#include <algorithm>

#include "app/sessions.hpp"
#include "base/text.hpp"
#include "domain/naming.hpp"
#include "domain/request_rules.hpp"
#include "http/entity_tag.hpp"
#include "http/handlers.hpp"
#include "http/metrics.hpp"

namespace agentctl {
namespace {

namespace json = boost::json;

constexpr std::int64_t default_tail = 65536;
constexpr std::int64_t longest_tail = 1048576;

Session find_named(const Backend& backend, const Request& request) {
  const std::string& name = request.target.segments.at(2);
  if (!is_valid_name(name))
    throw Refused{{.code = "invalid-session-name",
                   .error = "invalid session name",
                   .field = "name",
                   .expected = "a session's name or id",
                   .rejected_value = name}};
  std::optional<Session> session;
  backend.with_context([&](Context& context) {
    session = find_session(context, name);
    read_usage(context, *session);
  });
  return std::move(*session);
}

Response shown(const ChildResult& result) { return {.body = json::serialize(session_of(result)) + "\n"}; }

Refused invalid_integer(const std::string& parameter, const std::string& given, std::int64_t min, std::int64_t max) {
  return Refused{{.code = "invalid-integer",
                  .error = "invalid integer",
                  .field = parameter,
                  .expected = std::to_string(min) + " to " + std::to_string(max),
                  .rejected_value = given,
                  .range = std::pair(min, max)}};
}

SessionFilter filter_of(const Request& request) {
  SessionFilter filter{.project = project_of(request)};
  if (const std::string* text = request.target.find("state")) {
    const auto state = parse_state(*text);
    if (!state)
      throw Refused{{.code = "invalid-state", .error = "no such state", .field = "state", .rejected_value = *text}};
    filter.states.push_back(*state);
  }
  if (const std::string* all = request.target.find("all")) {
    if (*all != "0" && *all != "1") throw invalid_integer("all", *all, 0, 1);
    filter.ended = *all == "1";
  }
  return filter;
}

std::vector<Session> list_with_usage(const Backend& backend, const SessionFilter& filter) {
  std::vector<Session> sessions;
  backend.with_context([&](Context& context) {
    sessions = list_sessions(context, filter);
    for (Session& session : sessions) read_usage(context, session);
  });
  return sessions;
}

// What a failed call has said of itself on stderr.
Problem problem_of(const ChildResult& result) {
  boost::system::error_code failed;
  const json::value said = json::parse(result.err, failed);
  const json::value* error = !failed && said.is_object() ? said.get_object().if_contains("error") : nullptr;
  if (error == nullptr || !error->is_object() || result.status > 127) {
    return {.status = 500, .code = "internal-error", .error = "Internal server error"};
  }
  const auto text = [&](std::string_view key) {
    const json::value* value = error->get_object().if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
  };
  const auto code = static_cast<ErrorCode>(result.status);
  // What has failed here is no secret from who may ask, and often the session's own trouble.
  if (status_of(code) == 500)
    return {.status = 500, .code = "internal-error", .error = "Internal server error", .details = {text("message")}};
  return {.status = status_of(code), .code = to_string(code), .error = text("message"), .hint = text("hint")};
}

}  // namespace

json::object body_of(const Request& request, std::initializer_list<std::string_view> members) {
  if (request.body.empty()) return {};
  boost::system::error_code failed;
  json::value body = json::parse(request.body, failed);
  if (failed || !body.is_object())
    throw Refused{{.code = "invalid-body", .error = "the body is no JSON object", .expected = "a JSON object"}};
  for (const auto& member : body.get_object())
    if (std::find(members.begin(), members.end(), std::string_view(member.key())) == members.end())
      throw Refused{{.code = "unexpected-field", .error = "unexpected field", .field = std::string(member.key())}};
  return std::move(body.get_object());
}

std::string text_member(const json::object& body, std::string_view member, std::size_t limit) {
  const json::value* value = body.if_contains(member);
  if (value == nullptr) return {};
  const bool is_line = value->is_string() && value->get_string().size() <= limit &&
                       std::none_of(value->get_string().begin(), value->get_string().end(),
                                    [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (!is_line)
    throw Refused{{.code = "invalid-field",
                   .error = "invalid field",
                   .field = std::string(member),
                   .expected = "one line of text, at most " + std::to_string(limit) + " bytes",
                   .rejected_value = json::serialize(*value)}};
  return std::string(value->get_string());
}

std::string project_of(const Request& request) {
  const std::string* project = request.target.find("project");
  if (project == nullptr) return {};
  if (!is_valid_word(*project))
    throw Refused{{.code = "invalid-project",
                   .error = "invalid project",
                   .field = "project",
                   .expected = "1 to 64 of A-Z a-z 0-9 . _ -",
                   .rejected_value = *project}};
  return *project;
}

std::vector<std::string> call(const Backend& backend, std::initializer_list<std::string> words) {
  std::vector<std::string> arguments = backend.global_options;
  arguments.emplace_back("--json");
  arguments.insert(arguments.end(), words);
  return arguments;
}

std::int64_t tail_of(const Request& request) {
  const std::string* text = request.target.find("tail");
  if (text == nullptr) return default_tail;
  const auto number = parse_decimal(*text);
  if (!number || *number < 1 || *number > longest_tail) throw invalid_integer("tail", *text, 1, longest_tail);
  return static_cast<std::int64_t>(*number);
}

ChildStream log_stream(const Backend& backend, const Session& session, std::int64_t tail) {
  if (session.record.request.kind != SessionKind::service)
    throw Refused{{.status = 404,
                   .code = "not-found",
                   .error = "Log file not available for " + session.record.request.name +
                            " (it was started with --scope, so its output went to its own terminal)"}};
  return {.arguments = call(backend, {"__log-stream", std::to_string(tail), session.record.id})};
}

Response list_response(const Request& request, const std::string& items, const std::string& tagged) {
  const std::string tag = entity_tag(tagged);
  Response response{.headers = {{"ETag", tag}}};
  if (matches_tag(request.if_none_match, tag)) {
    response.status = 304;
    return response;
  }
  response.body = "{\"items\":" + items + ",\"generatedAt\":\"" + format_rfc3339(now()) + "\"}\n";
  return response;
}

json::object session_of(const ChildResult& result) {
  boost::system::error_code failed;
  json::value printed = json::parse(result.out, failed);
  if (result.status != 0 || failed) throw Refused{problem_of(result)};
  if (printed.is_array() && !printed.get_array().empty()) printed = json::value(printed.get_array().front());
  if (!printed.is_object()) throw Refused{problem_of(result)};
  return std::move(printed.get_object());
}

Answer get_sessions(const Backend& backend, const Request& request) {
  const std::string items = to_json(list_with_usage(backend, filter_of(request)));
  return list_response(request, items, items);
}

Answer get_session(const Backend& backend, const Request& request) {
  return Response{.body = to_json(find_named(backend, request)) + "\n"};
}

Answer stop_one(const Backend& backend, const Request& request) {
  const json::object body = body_of(request, {"reason", "timeout"});
  const std::string reason = text_member(body, "reason");
  const std::string timeout = text_member(body, "timeout");
  const std::string id = find_named(backend, request).record.id;
  std::vector<std::string> arguments =
      call(backend, {"stop", "--reason=" + (reason.empty() ? "over HTTP" : reason), id});
  if (!timeout.empty()) arguments.push_back("--timeout=" + timeout);
  return ChildWork{.arguments = std::move(arguments), .answer = shown};
}

Answer restart_one(const Backend& backend, const Request& request) {
  body_of(request, {});
  return ChildWork{.arguments = call(backend, {"restart", find_named(backend, request).record.id}), .answer = shown};
}

Answer extend_one(const Backend& backend, const Request& request) {
  const std::string by = text_member(body_of(request, {"by"}), "by");
  const auto span = parse_time_span(by);
  if (!span || *span <= microseconds(0))
    throw Refused{{.code = "invalid-field",
                   .error = "invalid time span",
                   .field = "by",
                   .expected = "a time span such as 30min, or infinity",
                   .rejected_value = by}};
  return ChildWork{.arguments =
                       call(backend, {"extend", find_named(backend, request).record.id, format_time_span(*span)}),
                   .answer = shown};
}

Answer kill_one(const Backend& backend, const Request& request) {
  const std::string signal = text_member(body_of(request, {"signal"}), "signal", 16);
  return ChildWork{.arguments = call(backend, {"kill", "--signal=" + (signal.empty() ? "TERM" : signal),
                                               find_named(backend, request).record.id}),
                   .answer = shown};
}

Answer stream_session_log(const Backend& backend, const Request& request) {
  const std::int64_t tail = tail_of(request);
  return log_stream(backend, find_named(backend, request), tail);
}

Answer stream_events(const Backend&, const Request& request) { return EventStream{.project = project_of(request)}; }

Answer get_metrics(const Backend& backend, const Request&) {
  return Response{.type = "text/plain; version=0.0.4; charset=utf-8",
                  .body = metrics_text(list_with_usage(backend, {}))};
}

}  // namespace agentctl
