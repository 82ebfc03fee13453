#include "http/metrics.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>

#include "base/text.hpp"

namespace agentctl {
namespace {

using Value = std::function<std::string(const Session&)>;

std::string escape_label(std::string_view value) {
  std::string escaped;
  for (const char c : to_valid_utf8(value)) {
    if (c == '\\' || c == '"') {
      escaped += '\\';
      escaped += c;
    } else if (c == '\n') {
      escaped += "\\n";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string labels_of(const Session& session) {
  const SessionRequest& request = session.record.request;
  return "{name=\"" + escape_label(request.name) + "\",project=\"" + escape_label(request.project) + "\",agent=\"" +
         escape_label(request.agent) + "\"}";
}

std::string heading(const std::string& name, const char* type, const char* help) {
  return "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
}

template <class Number>
std::string text_of(const std::optional<Number>& number) {
  return number ? std::to_string(*number) : "";
}

std::string seconds_of(const std::optional<std::uint64_t>& ns) {
  if (!ns) return {};
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%llu.%09llu", static_cast<unsigned long long>(*ns / 1'000'000'000),
                static_cast<unsigned long long>(*ns % 1'000'000'000));
  return text.data();
}

// A session of which this is not known has no line.
std::string family(const std::vector<Session>& sessions, const std::string& name, const char* type, const char* help,
                   const Value& value) {
  std::string text = heading(name, type, help);
  for (const Session& session : sessions)
    if (const std::string number = value(session); !number.empty())
      text += name + labels_of(session) + " " + number + "\n";
  return text;
}

std::string states(const std::vector<Session>& sessions) {
  const std::string name = "agentctl_sessions";
  std::string text = heading(name, "gauge", "Live sessions by state.");
  for (const State state : {State::queued, State::starting, State::running, State::stopping, State::restarting}) {
    const auto count =
        std::count_if(sessions.begin(), sessions.end(), [&](const Session& session) { return session.state == state; });
    text += name + "{state=\"" + to_string(state) + "\"} " + std::to_string(count) + "\n";
  }
  return text;
}

}  // namespace

std::string metrics_text(const std::vector<Session>& sessions) {
  return states(sessions) +
         family(sessions, "agentctl_session_up", "gauge", "Whether the session is running.",
                [](const Session& session) { return session.state == State::running ? "1" : "0"; }) +
         family(sessions, "agentctl_session_healthy", "gauge", "Whether its health check succeeds, where it has one.",
                [](const Session& session) {
                  if (!session.healthy) return "";
                  return *session.healthy ? "1" : "0";
                }) +
         family(sessions, "agentctl_session_start_time_seconds", "gauge", "When the session's command was started.",
                [](const Session& session) {
                  if (!session.started_at) return std::string();
                  return seconds_of(static_cast<std::uint64_t>(session.started_at->time_since_epoch().count()) * 1000);
                }) +
         family(sessions, "agentctl_session_cpu_seconds_total", "counter", "CPU time of all of its processes.",
                [](const Session& session) { return seconds_of(session.usage.cpu_ns); }) +
         family(sessions, "agentctl_session_memory_bytes", "gauge", "Memory of all of its processes.",
                [](const Session& session) { return text_of(session.usage.memory_bytes); }) +
         family(sessions, "agentctl_session_processes", "gauge", "How many processes and threads it has.",
                [](const Session& session) { return text_of(session.usage.processes); }) +
         family(sessions, "agentctl_session_restarts_total", "counter", "How often it was started again.",
                [](const Session& session) { return std::to_string(session.record.attempt - 1); });
}

}  // namespace agentctl
