#include "http/message.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "base/text.hpp"

namespace agentctl {
namespace {

namespace json = boost::json;

// The page may load nothing from anywhere else, be framed by nobody, and run no script but its own file: what an agent
// has printed or named stays text, whatever it looks like.
constexpr std::string_view security_headers =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cache-Control: no-store\r\n";

std::string_view reason_phrase(int status) {
  constexpr std::pair<int, std::string_view> phrases[]{
      {200, "OK"},
      {304, "Not Modified"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {413, "Content Too Large"},
      {421, "Misdirected Request"},
      {431, "Request Header Fields Too Large"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
  };
  for (const auto& [number, phrase] : phrases)
    if (number == status) return phrase;
  return "Internal Server Error";
}

std::string status_line(int status) {
  return "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason_phrase(status)) + "\r\n";
}

void put(json::object& object, std::string_view key, const std::string& text) {
  if (!text.empty()) object[key] = to_valid_utf8(text);
}

}  // namespace

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::usage: return 400;
    case ErrorCode::not_permitted: return 403;
    case ErrorCode::not_found: return 404;
    case ErrorCode::conflict:
    case ErrorCode::command_not_executable:
    case ErrorCode::command_not_found: return 409;
    case ErrorCode::unreachable: return 503;
    case ErrorCode::timed_out: return 504;
    case ErrorCode::failed: break;
  }
  return 500;
}

std::string to_wire(const Response& response, bool keep_alive, bool head) {
  std::string wire = status_line(response.status);
  wire += security_headers;
  for (const auto& [name, value] : response.headers) wire += name + ": " + value + "\r\n";
  // 304 has no body, and its length would be that of the 200.
  if (response.status != 304)
    wire += "Content-Type: " + response.type + "\r\nContent-Length: " + std::to_string(response.body.size()) + "\r\n";
  wire += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  if (!head && response.status != 304) wire += response.body;
  return wire;
}

std::string event_stream_head() {
  return status_line(200) + std::string(security_headers) +
         "Content-Type: text/event-stream\r\nX-Accel-Buffering: no\r\nConnection: close\r\n\r\n";
}

Response to_response(const Problem& problem) {
  json::object object{{"error", to_valid_utf8(problem.error)}, {"code", problem.code}};
  put(object, "field", problem.field);
  put(object, "expected", problem.expected);
  put(object, "rejectedValue", shorten(to_valid_utf8(problem.rejected_value), 200));
  put(object, "hint", problem.hint);
  if (problem.range) {
    object["min"] = problem.range->first;
    object["max"] = problem.range->second;
  }
  json::array& details = object["details"].emplace_array();
  for (const std::string& detail : problem.details) details.emplace_back(to_valid_utf8(detail));
  return {.status = problem.status, .body = json::serialize(object) + "\n"};
}

Response to_response(const Error& error) {
  if (status_of(error.code()) == 500) return internal_error();
  return to_response(Problem{
      .status = status_of(error.code()), .code = to_string(error.code()), .error = error.what(), .hint = error.hint()});
}

Response internal_error() {
  return to_response(Problem{.status = 500, .code = "internal-error", .error = "Internal server error"});
}

}  // namespace agentctl
