#include "http/routes.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "http/handlers.hpp"
#include "http/page.hpp"

namespace agentctl {
namespace {

using Handler = Answer (*)(const Backend&, const Request&);

// "*" stands for any segment.
struct Route {
  std::string_view method;
  std::vector<std::string_view> path;
  std::vector<std::string_view> parameters;
  Handler handler;
};

Answer get_page(const Backend&, const Request& request) {
  const PageFile* file = find_page_file(request.target.segments.front());
  return Response{.type = std::string(file->type), .body = std::string(file->content)};
}

const std::vector<Route>& routes() {
  static const std::vector<Route> table{
      {"GET", {""}, {}, get_page},
      {"GET", {"page.css"}, {}, get_page},
      {"GET", {"page.js"}, {}, get_page},
      {"GET", {"api", "managed-processes"}, {"project"}, get_managed_list},
      {"GET", {"api", "managed-processes", "by-name", "*"}, {}, get_managed},
      {"POST", {"api", "managed-processes", "kill"}, {}, kill_managed},
      {"POST", {"api", "managed-processes", "restart"}, {}, restart_managed},
      {"GET", {"api", "managed-processes", "log-stream", "*"}, {"tail"}, stream_managed_log},
      {"GET", {"api", "sessions"}, {"project", "state", "all"}, get_sessions},
      {"GET", {"api", "sessions", "*"}, {}, get_session},
      {"POST", {"api", "sessions", "*", "stop"}, {}, stop_one},
      {"POST", {"api", "sessions", "*", "restart"}, {}, restart_one},
      {"POST", {"api", "sessions", "*", "extend"}, {}, extend_one},
      {"POST", {"api", "sessions", "*", "kill"}, {}, kill_one},
      {"GET", {"api", "sessions", "*", "log-stream"}, {"tail"}, stream_session_log},
      {"GET", {"api", "events"}, {"project"}, stream_events},
      {"GET", {"metrics"}, {}, get_metrics},
  };
  return table;
}

bool fits(const Route& route, const std::vector<std::string>& segments) {
  return std::equal(route.path.begin(), route.path.end(), segments.begin(), segments.end(),
                    [](std::string_view pattern, const std::string& segment) {
                      return pattern == "*" || pattern == segment;
                    });
}

void check_query(const Route& route, const RequestTarget& target) {
  for (auto given = target.query.begin(); given != target.query.end(); ++given) {
    const std::string& name = given->first;
    if (std::find(route.parameters.begin(), route.parameters.end(), name) == route.parameters.end())
      throw Refused{{.code = "unexpected-query-parameter", .error = "unexpected query parameter", .field = name}};
    if (std::any_of(target.query.begin(), given, [&](const auto& earlier) { return earlier.first == name; }))
      throw Refused{{.code = "duplicate-query-parameter", .error = "query parameter given twice", .field = name}};
  }
}

Answer dispatch(const Backend& backend, const Request& request) {
  const bool head = request.method == "HEAD";
  std::string allowed;
  for (const Route& route : routes()) {
    if (!fits(route, request.target.segments)) continue;
    if (route.method != (head ? "GET" : request.method)) {
      allowed += (allowed.empty() ? "" : ", ") + std::string(route.method) + (route.method == "GET" ? ", HEAD" : "");
      continue;
    }
    check_query(route, request.target);
    Answer result = route.handler(backend, request);
    if (head && !std::holds_alternative<Response>(result)) return Response{.type = "text/event-stream"};
    return result;
  }
  if (allowed.empty())
    return to_response(Problem{.status = 404, .code = "not-found", .error = "there is nothing here"});
  Response response = to_response(
      Problem{.status = 405, .code = "method-not-allowed", .error = "method not allowed", .expected = allowed});
  response.headers.emplace_back("Allow", allowed);
  return response;
}

}  // namespace

Answer answer(const Backend& backend, const Request& request) {
  try {
    return dispatch(backend, request);
  } catch (const Refused& refused) {
    return to_response(refused.problem);
  } catch (const Error& error) {
    return to_response(error);
  } catch (const std::exception&) {
    return internal_error();
  }
}

bool is_public(const RequestTarget& target) {
  return target.segments.size() == 1 && find_page_file(target.segments.front()) != nullptr;
}

}  // namespace agentctl
