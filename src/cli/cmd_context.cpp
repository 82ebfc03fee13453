#include "app/sessions.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/verb.hpp"
#include "domain/prompt_context.hpp"

namespace agentctl {

int cmd_context(Invocation& invocation) {
  CommandLine line(invocation, "context", "-p PROJECT [--format markdown|json] [--max-bytes N]",
                   "Prints what an agent's prompt should say of the services that run for its project: those that are\n"
                   "healthy. Nothing when there is none.",
                   {"agentctl context -p shop", "agentctl context -p shop --format json"});
  std::string project;
  std::string format = "markdown";
  std::string max_bytes;
  line.add_option("-p,--project", project, "PROJECT", "the agent's project");
  line.add_choice("--format", format, {"markdown", "json"}, "of the answer (default: markdown)");
  line.add_option("--max-bytes", max_bytes, "N", "a short form where the full one is longer (default: 2048)");
  line.parse();
  if (project.empty()) throw usage_error("context", "--project is required");
  const std::size_t limit = max_bytes.empty()
                                ? default_context_bytes
                                : static_cast<std::size_t>(parse_number("context", "--max-bytes", max_bytes, 1 << 20));
  const std::vector<Session> services =
      usable_services(list_sessions(invocation.context(), {.project = project}), project);
  const bool json = format == "json" || invocation.globals().json;
  print(json ? to_json(services) + "\n" : context_markdown(services, project, limit));
  return 0;
}

}  // namespace agentctl
