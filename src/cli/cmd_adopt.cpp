#include "app/adopt.hpp"
#include "app/sessions.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/verb.hpp"
#include "domain/request_rules.hpp"

namespace agentctl {

int cmd_adopt(Invocation& invocation) {
  CommandLine line(invocation, "adopt", "[OPTIONS] PID",
                   "Makes a session of a process of yours that runs already, with all of its descendants.",
                   {"agentctl adopt -n web 4321", "agentctl adopt --ttl 2h 4321"});
  std::string pid;
  std::optional<std::string> name;
  SessionRequest request;
  line.add_argument("PID", pid);
  line.add_option("-n,--name", name, "NAME", "name, unique among live sessions");
  line.add_option("-p,--project", request.project, "PROJECT", "project that it belongs to");
  line.add_option("--group", request.group, "GROUP", "group that it belongs to");
  line.add_option("--agent", request.agent, "AGENT", "agent that it belongs to");
  line.add_option("--work-item", request.work_item, "ITEM", "what it works on");
  line.add_span("--ttl", request.ttl, "time limit from now on (default: none)");
  std::optional<microseconds> stop_timeout;
  line.add_span("--stop-timeout", stop_timeout, "from SIGTERM to SIGKILL on stop (default: 5s)");
  line.add_option("--on-end", request.on_end, "COMMAND", "run this with sh when it has ended");
  line.parse();
  if (name) check_name(*name);
  request.name = name.value_or("");
  if (stop_timeout) request.stop_timeout = *stop_timeout;
  const std::size_t number = parse_number("adopt", "PID", pid, INT32_MAX);

  Session session = adopt_process(invocation.context(), static_cast<pid_t>(number), std::move(request));
  if (invocation.globals().json) read_usage(invocation.context(), session);
  print(invocation.globals().json ? to_json(session) + "\n" : session.record.request.name + "\n");
  return 0;
}

}  // namespace agentctl
