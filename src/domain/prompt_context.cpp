#include "domain/prompt_context.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "base/text.hpp"
#include "domain/javascript.hpp"

namespace agentctl {
namespace {

std::string ports_of(const SessionRequest& request) {
  std::string text;
  for (const std::uint16_t port : request.ports) text += (text.empty() ? "" : ",") + std::to_string(port);
  return text;
}

// What a service says of itself goes into somebody's prompt: one line, whatever it holds.
std::string attribute(const SessionRequest& request, std::string_view key) {
  boost::system::error_code failed;
  const boost::json::value attrs = boost::json::parse(request.attrs, failed);
  const auto* object = failed ? nullptr : attrs.if_object();
  const auto* value = object == nullptr ? nullptr : object->if_contains(key);
  return value != nullptr && value->is_string() ? to_printable(value->get_string()) : std::string();
}

std::string full_entry(const Session& session) {
  const SessionRequest& request = session.record.request;
  std::string text = "- **" + request.name + "**\n";
  const auto add = [&](const char* title, const std::string& value) {
    if (!value.empty()) text += std::string("  - ") + title + ": " + value + "\n";
  };
  add("pid", session.pid ? std::to_string(*session.pid) : "");
  add("ports", ports_of(request));
  add("attrs", request.attrs == "{}" ? "" : to_printable(request.attrs));
  add("log", "`agentctl logs " + request.name + "`");
  add("until", session.expires_at ? format_rfc3339(*session.expires_at) : "");
  return text;
}

std::string short_entry(const Session& session) {
  const SessionRequest& request = session.record.request;
  const std::string url = attribute(request, "base_url");
  const std::string ports = ports_of(request);
  return "- **" + request.name + "**" + (url.empty() ? "" : " - " + url) +
         (ports.empty() ? "" : " (ports " + ports + ")") + "\n";
}

}  // namespace

std::vector<Session> usable_services(std::vector<Session> sessions, const std::string& project) {
  std::erase_if(sessions, [&](const Session& session) {
    return session.record.request.project != project || session.state != State::running || session.healthy != true;
  });
  std::sort(sessions.begin(), sessions.end(),
            [](const Session& a, const Session& b) { return a.record.request.name < b.record.request.name; });
  return sessions;
}

std::string context_markdown(const std::vector<Session>& services, const std::string& project, std::size_t max_bytes) {
  if (services.empty()) return {};
  const std::string title = "## Live managed processes for project " + project + "\n\n";
  std::string text = title;
  for (const Session& session : services) text += full_entry(session);
  if (text.size() <= max_bytes) return text;
  const std::string more = "\n(shortened; all of it: `agentctl context -p " + project + " --format json`)\n";
  text = title;
  for (const Session& session : services) {
    const std::string entry = short_entry(session);
    if (text.size() + entry.size() + more.size() > max_bytes) break;
    text += entry;
  }
  return text + more;
}

std::string service_hint(const ServiceRules& rules, const std::string& agent, const std::string& work_item) {
  std::string programs;
  for (const std::string& program : rules.executables) programs += (programs.empty() ? "" : " ") + program;
  std::string prefixes;
  for (const std::string& prefix : rules.env_prefixes) prefixes += " " + prefix + "*";
  for (const std::string& key : rules.env_keys) prefixes += " " + key;
  const std::string who = agent.empty() ? "" : ", \"written_by\": " + quoted_json(agent);
  const std::string what = work_item.empty() ? "" : ", \"wi_id\": " + quoted_json(work_item);
  const std::string options = (agent.empty() ? "" : " --agent " + quote_for_shell({agent})) +
                              (work_item.empty() ? "" : " --work-item " + quote_for_shell({work_item}));
  return "## Services\n\n"
         "Do not start a server, a database or an emulator in the background yourself: it would hang you, leak, or "
         "end\n"
         "with you. Write what you need to a file and have it started; it goes on without you, and the next agent "
         "finds it.\n\n"
         "```json\n"
         "{\"specs\": [{\"name\": \"web\", \"cmd\": \"npm\", \"args\": [\"run\", \"dev\"], \"cwd\": "
         "\"/absolute/path\",\n"
         "  \"ports\": [3000], \"ttl_minutes\": " +
         std::to_string(rules.default_ttl_minutes) +
         ", \"attrs\": {\"base_url\": \"http://127.0.0.1:3000\"},\n"
         "  \"healthcheck\": {\"type\": \"http\", \"url\": \"http://127.0.0.1:3000/\", \"expect_status\": 200, "
         "\"timeout_s\": 60}}]" +
         who + what +
         "}\n```\n\n"
         "- `agentctl apply" +
         options +
         " -p PROJECT FILE` starts them and returns when all are healthy (status 0), or says\n"
         "  which is not and what it printed. `--check` only reads the file.\n"
         "- At most " +
         std::to_string(rules.max_specs) + " services a file, " + std::to_string(rules.max_args) + " arguments, " +
         std::to_string(rules.max_env) + " variables, " + std::to_string(rules.max_attrs_bytes) + " bytes of attrs, " +
         std::to_string(rules.max_ttl_minutes) + " minutes. `cwd` must be " +
         (rules.require_git_workdir ? "the root of a git work tree" : "a folder") +
         ".\n"
         "- Programs: " +
         programs + ". Variables:" + prefixes +
         ".\n"
         "- A health check is `http` (url, expect_status) or `command` (cmd, shell, expect_regex); man 5 "
         "agentctl-services.\n"
         "- Look with `agentctl list -p PROJECT`, `agentctl logs NAME`, `agentctl why NAME`; end one with\n"
         "  `agentctl stop NAME`. A name that lives with the same description is reused, with another one refused.\n";
}

}  // namespace agentctl
