#include <algorithm>

#include "app/sessions.hpp"
#include "base/text.hpp"
#include "domain/naming.hpp"
#include "http/handlers.hpp"
#include "http/managed.hpp"

namespace agentctl {
namespace {

namespace json = boost::json;

Refused not_managed(const std::string& name) {
  return Refused{{.status = 404, .code = "not-found", .error = "managed spec not found: " + name}};
}

Refused conflict(const std::string& what, const std::string& name) {
  return Refused{{.status = 409, .code = "conflict", .error = "managed spec " + what + ": " + name}};
}

Refused invalid_name(const std::string& given) {
  return Refused{{.code = "invalid-managed-process-name",
                  .error = "invalid managed process name",
                  .field = "name",
                  .expected = "1 to 64 of a-z 0-9 - without a hyphen first or last",
                  .rejected_value = given}};
}

// By its name alone: what is done to it is then done to the session with this one's id, so never to a later one.
Session find_managed(const Backend& backend, const std::string& name) {
  if (!is_valid_name(name)) throw invalid_name(name);
  std::optional<Session> found;
  backend.with_context([&](Context& context) { found = find_by_name(context, name); });
  if (!found || !is_managed(*found)) throw not_managed(name);
  return std::move(*found);
}

// {"name": …} and nothing else.
Session find_named_in_body(const Backend& backend, const Request& request) {
  const json::object body = body_of(request, {"name"});
  const json::value* name = body.if_contains("name");
  if (name == nullptr) throw invalid_name({});
  if (!name->is_string()) throw invalid_name(json::serialize(*name));
  return find_managed(backend, std::string(name->get_string()));
}

bool has_been_heard_of(Context& context, const std::string& project) {
  const auto is_its = [&](const Record& record) { return record.request.project == project; };
  const std::vector<Record> live = context.registry.live();
  if (std::any_of(live.begin(), live.end(), is_its)) return true;
  const std::vector<Record> ended = context.registry.ended();
  return std::any_of(ended.begin(), ended.end(), is_its);
}

std::optional<std::int64_t> milliseconds_of(const json::value& time) {
  if (!time.is_string()) return std::nullopt;
  const auto at = parse_rfc3339({time.get_string().data(), time.get_string().size()});
  if (!at) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::milliseconds>(at->time_since_epoch()).count();
}

Response restarted(const json::object& session, const std::string& stdout_file) {
  json::object body{{"ok", true}, {"name", session.at("name")}, {"pid", session.at("pid")}};
  const auto started_at = milliseconds_of(session.at("started_at"));
  body["started_at"] = started_at ? json::value(*started_at) : json::value(nullptr);
  body["log_path"] = stdout_file.empty() ? json::value(nullptr) : json::value(to_valid_utf8(stdout_file));
  return {.body = json::serialize(body) + "\n"};
}

}  // namespace

Answer get_managed_list(const Backend& backend, const Request& request) {
  const std::string project = project_of(request);
  ManagedList list;
  backend.with_context([&](Context& context) {
    std::vector<Session> sessions = list_sessions(context, {.project = project});
    if (!project.empty() && sessions.empty() && !has_been_heard_of(context, project))
      throw Refused{{.status = 404,
                     .code = "project-not-found",
                     .error = "project not found: " + project,
                     .field = "project",
                     .rejected_value = project}};
    list = managed_list(std::move(sessions));
  });
  return list_response(request, list.items, list.tagged);
}

Answer get_managed(const Backend& backend, const Request& request) {
  return Response{.body = managed_item(find_managed(backend, request.target.segments.at(3))) + "\n"};
}

Answer kill_managed(const Backend& backend, const Request& request) {
  const Session session = find_named_in_body(backend, request);
  const std::string name = session.record.request.name;
  const std::optional<pid_t> pid = session.pid;
  return ChildWork{.arguments = call(backend, {"stop", "--reason=over HTTP", session.record.id}),
                   .answer = [name, pid](const ChildResult& result) {
                     if (result.status == 1 && !result.out.empty()) throw conflict("kill-failed", name);
                     const json::object ended = session_of(result);
                     const json::value killed_pid = pid ? json::value(*pid) : json::value(nullptr);
                     const json::object body{{"ok", true},
                                             {"name", name},
                                             {"killed_pid", killed_pid},
                                             {"killed", !ended.at("stopped_by").is_null()}};
                     return Response{.body = json::serialize(body) + "\n"};
                   }};
}

// It is answered as soon as the new command runs: its first health check may take minutes.
Answer restart_managed(const Backend& backend, const Request& request) {
  const Session before = find_named_in_body(backend, request);
  const std::string file = before.record.request.stdout_file;
  const auto started = [backend, before, file]() -> std::optional<Response> {
    std::optional<Response> response;
    backend.with_context([&](Context& context) {
      const Session session = find_by_record(context, before.record);
      if (session.record.attempt > before.record.attempt && session.pid && session.pid != before.pid &&
          session.started_at)
        response = restarted(json::parse(to_json(session)).as_object(), file);
    });
    return response;
  };
  return ChildWork{.arguments = call(backend, {"restart", before.record.id}),
                   .answer = [file](const ChildResult& result) { return restarted(session_of(result), file); },
                   .early = started};
}

Answer stream_managed_log(const Backend& backend, const Request& request) {
  const std::int64_t tail = tail_of(request);
  return log_stream(backend, find_managed(backend, request.target.segments.at(3)), tail);
}

}  // namespace agentctl
