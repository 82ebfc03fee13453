#include "app/services.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/input_file.hpp"
#include "cli/print.hpp"
#include "cli/verb.hpp"
#include "cli/waiting.hpp"
#include "domain/javascript.hpp"

namespace agentctl {
namespace {

struct CommandOptions {
  std::string file;
  std::string project;
  ApplyRequest request;
  bool check = false;
  bool wait = false;
  bool no_wait = false;
};

CommandOptions parse(Invocation& invocation) {
  CommandLine line(invocation, "apply", "[OPTIONS] FILE|-",
                   "Starts the services that FILE describes, each as a session, and returns when they are healthy;\n"
                   "agentctl-services(5) describes the file.",
                   {"agentctl apply --check services.json", "agentctl apply services.json"});
  CommandOptions options;
  std::string git;
  line.add_argument("FILE", options.file);
  line.add_flag("--check", options.check, "only read the file, and say what is wrong with it");
  line.add_choice("--require-git-workdir", git, {"yes", "no"},
                  "a service's folder must be a git work tree (default: as configured)");
  line.add_option("-p,--project", options.project, "PROJECT", "project that they belong to");
  line.add_option("--agent", options.request.agent, "AGENT", "agent that must have written it");
  line.add_option("--work-item", options.request.work_item, "ITEM", "work item that it must be for");
  line.add_flag("--wait", options.wait, "return when all are healthy or one has failed (default)");
  line.add_flag("--no-wait", options.no_wait, "return when they have been started");
  line.parse();
  if (options.wait && options.no_wait) throw usage_error("apply", "--wait and --no-wait exclude each other");
  if (!git.empty()) options.request.require_git_workdir = git == "yes";
  options.request.text = read_input(options.file, service_file_limit);
  return options;
}

int show_refusal(const Invocation& invocation, const CommandOptions& options, const ServiceRefusal& refusal) {
  if (!invocation.globals().json)
    throw Error({.code = ErrorCode::usage,
                 .context = "invalid",
                 .object = name_of_input(options.file),
                 .reason = refusal.reason + (refusal.pointer.empty() ? "" : ", at " + refusal.pointer),
                 .hint = "man 5 agentctl-services"});
  print("{\"ok\":false,\"reason\":" + quoted_json(refusal.reason) + ",\"pointer\":" + quoted_json(refusal.pointer) +
        ",\"status\":\"invalid\"}\n");
  return static_cast<int>(ErrorCode::usage);
}

int show_checked(const Invocation& invocation, const ServiceFile& file) {
  if (invocation.globals().json) {
    print("{\"ok\":true," + to_json(file).substr(1) + "\n");
  } else {
    print("ok: " + std::to_string(file.specs.size()) + (file.specs.size() == 1 ? " service\n" : " services\n"));
  }
  return 0;
}

std::string text_of(const BatchOutcome& batch) {
  using Kind = ServiceOutcome::Kind;
  std::string text;
  for (const ServiceOutcome& service : batch.services) {
    const bool is_bad = service.kind == Kind::failed || service.kind == Kind::undone;
    text +=
        paint(service.name, Color::bold) + ": " + paint(to_string(service.kind), is_bad ? Color::red : Color::green);
    if (service.session)
      for (const std::uint16_t port : service.session->record.request.ports) text += ", port " + std::to_string(port);
    if (is_bad) text += ", " + to_printable(service.reason);
    text += "\n";
    for (const std::string& line : service.tail) text += "  " + to_printable(line) + "\n";
  }
  return text;
}

std::string json_of(const BatchOutcome& batch) {
  const auto quoted = [](const std::string& text) { return quoted_json(to_valid_utf8(text)); };
  std::string services;
  for (const ServiceOutcome& service : batch.services) {
    std::string tail;
    for (const std::string& line : service.tail) tail += (tail.empty() ? "" : ",") + quoted(line);
    services += std::string(services.empty() ? "" : ",") + "{\"name\":" + quoted(service.name) + ",\"outcome\":\"" +
                to_string(service.kind) +
                "\",\"reason\":" + (service.reason.empty() ? "null" : quoted(service.reason)) + ",\"log_tail\":[" +
                tail + "],\"session\":" + (service.session ? to_json(*service.session) : "null") + "}";
  }
  return std::string("{\"ok\":") + (batch.state == BatchState::ok ? "true" : "false") + ",\"status\":\"" +
         to_string(batch.state) + "\",\"reason\":" + (batch.reason.empty() ? "null" : quoted(batch.reason)) +
         ",\"services\":[" + services + "]}\n";
}

}  // namespace

int cmd_apply(Invocation& invocation) {
  const CommandOptions options = parse(invocation);
  const CheckedServices answer = check_services(invocation.context(), options.request);
  if (const auto* refusal = std::get_if<ServiceRefusal>(&answer)) return show_refusal(invocation, options, *refusal);
  const auto& file = std::get<ServiceFile>(answer);
  if (options.check) return show_checked(invocation, file);
  Waiting waiting("waiting until the services are healthy");
  const BatchOutcome batch = apply_services(invocation.context(), file,
                                            {.project = options.project,
                                             .agent = options.request.agent,
                                             .work_item = options.request.work_item,
                                             .wait = !options.no_wait,
                                             .tick = waiting.tick()});
  waiting.done();
  print(invocation.globals().json ? json_of(batch) : text_of(batch));
  return batch.state == BatchState::ok ? 0 : static_cast<int>(ErrorCode::failed);
}

}  // namespace agentctl
