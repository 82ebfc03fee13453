#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

#include "app/flows.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/input_file.hpp"
#include "cli/print.hpp"
#include "cli/table.hpp"
#include "cli/verb.hpp"
#include "cli/waiting.hpp"

namespace agentctl {
namespace {

Color color_of_flow(FlowState state) {
  switch (state) {
    case FlowState::running: return Color::green;
    case FlowState::failed: return Color::red;
    case FlowState::waiting:
    case FlowState::cancelled: return Color::yellow;
    case FlowState::succeeded: break;
  }
  return Color::none;
}

std::size_t count_ended(const FlowView& view) {
  return static_cast<std::size_t>(std::count_if(view.steps.begin(), view.steps.end(), [](const StepStanding& standing) {
    return is_terminal(standing.state);
  }));
}

std::string text_of(const FlowView& view) {
  const std::string reason = reason_of(view);
  std::string text = paint(view.flow.name, Color::bold) + " (" + view.flow.id + ")  " +
                     paint(to_string(view.state), color_of_flow(view.state)) +
                     (reason.empty() ? "" : ", " + to_printable(reason)) + ", " + std::to_string(count_ended(view)) +
                     " of " + std::to_string(view.steps.size()) + " steps have ended\n";
  std::vector<std::vector<Cell>> rows;
  const TimePoint at = now();
  for (std::size_t i = 0; i < view.steps.size(); ++i) {
    const StepStanding& standing = view.steps[i];
    std::string ran;
    if (standing.started_at)
      ran = format_rough_span(std::max(microseconds(0), standing.ended_at.value_or(at) - *standing.started_at));
    rows.push_back({{"  " + view.flow.steps[i].name, Color::none},
                    {to_string(standing.state), color_of(standing.state)},
                    {ran, Color::none},
                    {to_printable(standing.reason), Color::none},
                    {view.flow.steps[i].session, Color::dim}});
  }
  static const std::vector<Column> columns{{.title = "  STEP"},
                                           {.title = "STATE"},
                                           {.title = "RAN", .right = true, .rank = 1},
                                           {.title = "WHY", .flexible = true, .rank = 2},
                                           {.title = "SESSION", .rank = 3}};
  return text + format_table(columns, rows, terminal_width());
}

void show(const Invocation& invocation, const FlowView& view) {
  print(invocation.globals().json ? to_json(view) + "\n" : text_of(view));
}

FlowRequest read_flow(const std::string& file) {
  return parse_flow_file(read_input(file, flow_size_limit), name_of_input(file));
}

int ends_well(const FlowView& view) { return view.state == FlowState::succeeded ? 0 : 1; }

int flow_run(Invocation& invocation) {
  CommandLine line(invocation, "flow run", "[--wait] [--check] FILE|-",
                   "Runs the steps that FILE describes, each as a session, in the order of their needs.",
                   {"agentctl flow run release.json", "agentctl flow run --check release.json"});
  std::string file;
  bool wait = false;
  bool check = false;
  line.add_argument("FILE", file);
  line.add_flag("--wait", wait, "return when it has ended: 0 when it succeeded, else 1");
  line.add_flag("--check", check, "only read the file");
  line.parse();
  const FlowRequest request = read_flow(file);
  if (check) {
    const std::string steps = std::to_string(request.steps.size());
    print(invocation.globals().json ? "{\"ok\":true,\"name\":\"" + request.name + "\",\"steps\":" + steps + "}\n"
                                    : request.name + ": " + steps + " steps, nothing wrong\n");
    return 0;
  }
  Context& context = invocation.context();
  FlowView view = run_flow(context, request, name_of_input(file));
  if (wait) {
    Waiting waiting("waiting for flow " + view.flow.name);
    view = wait_for_flow(context, view, std::nullopt, waiting.tick());
    waiting.done();
  }
  if (invocation.globals().json || wait || stdout_is_terminal()) {
    show(invocation, view);
  } else {
    print(view.flow.name + "\n");
  }
  return wait ? ends_well(view) : 0;
}

int flow_list(Invocation& invocation) {
  CommandLine line(invocation, "flow list", "[-a]", "Shows the flows that live.", {"agentctl flow list -a"});
  bool all = false;
  line.add_flag("-a,--all", all, "also those that have ended");
  line.parse();
  const std::vector<FlowView> views = list_flows(invocation.context(), all);
  if (invocation.globals().json) {
    std::string text = "[";
    for (const FlowView& view : views) text += (text.size() > 1 ? ",\n " : "") + to_json(view);
    print(text + "]\n");
    return 0;
  }
  if (views.empty()) {
    print(all ? "no flows\n" : "no live flows (agentctl flow list -a shows ended ones)\n");
    return 0;
  }
  std::vector<std::vector<Cell>> rows;
  const TimePoint at = now();
  for (const FlowView& view : views)
    rows.push_back({{view.flow.name, Color::bold},
                    {to_string(view.state), color_of_flow(view.state)},
                    {std::to_string(count_ended(view)) + "/" + std::to_string(view.steps.size()), Color::none},
                    {format_rough_span(std::max(microseconds(0), at - view.flow.created_at)), Color::none},
                    {view.flow.project, Color::none},
                    {to_printable(reason_of(view)), Color::none}});
  static const std::vector<Column> columns{{.title = "FLOW"},
                                           {.title = "STATE"},
                                           {.title = "STEPS", .right = true},
                                           {.title = "AGE", .right = true, .rank = 2},
                                           {.title = "PROJECT", .rank = 3},
                                           {.title = "WHY", .flexible = true, .rank = 1}};
  print(format_table(columns, rows, terminal_width()));
  return 0;
}

int flow_status(Invocation& invocation) {
  CommandLine line(invocation, "flow status", "FLOW", "Shows one flow and how its steps stand.",
                   {"agentctl flow status release"});
  std::string name;
  line.add_argument("FLOW", name);
  line.parse();
  show(invocation, find_flow(invocation.context(), name));
  return 0;
}

int flow_wait(Invocation& invocation) {
  CommandLine line(invocation, "flow wait", "[--timeout SPAN] FLOW",
                   "Waits until a flow has ended: 0 when it succeeded, else 1.", {"agentctl flow wait release"});
  std::string name;
  std::optional<microseconds> timeout;
  line.add_argument("FLOW", name);
  line.add_span("--timeout", timeout, "wait no longer");
  line.parse();
  Context& context = invocation.context();
  Waiting waiting("waiting for flow " + name);
  const FlowView view = wait_for_flow(context, find_flow(context, name), timeout, waiting.tick());
  waiting.done();
  show(invocation, view);
  return ends_well(view);
}

int flow_cancel(Invocation& invocation) {
  CommandLine line(invocation, "flow cancel", "[--stop] [--reason TEXT] FLOW",
                   "Starts no more steps of a flow. Those that run go on to their end, or are stopped.",
                   {"agentctl flow cancel release", "agentctl flow cancel --stop release"});
  std::string name;
  std::string reason;
  bool stop = false;
  line.add_argument("FLOW", name);
  line.add_flag("--stop", stop, "stop the steps that run, too");
  line.add_option("--reason", reason, "TEXT", "why, for the record");
  line.parse();
  Context& context = invocation.context();
  show(invocation, cancel_flow(context, find_flow(context, name), shorten(to_printable(reason), 256), stop));
  return 0;
}

int flow_resume(Invocation& invocation) {
  CommandLine line(invocation, "flow resume", "FLOW [GATE]",
                   "Opens the gate that a flow waits at, so that the steps behind it start.",
                   {"agentctl flow resume release", "agentctl flow resume release approval"});
  std::string name;
  std::string gate;
  line.add_argument("FLOW", name);
  line.add_optional_argument("GATE", gate);
  line.parse();
  Context& context = invocation.context();
  show(invocation, resume_flow(context, find_flow(context, name), gate));
  return 0;
}

constexpr std::array<Verb, 6> flow_verbs{{
    {"run", "start a flow", flow_run},
    {"list", "flows that live, or with -a all", flow_list},
    {"status", "one flow and its steps", flow_status},
    {"wait", "wait until a flow has ended", flow_wait},
    {"cancel", "start no more of its steps", flow_cancel},
    {"resume", "open the gate that a flow waits at", flow_resume},
}};

std::string description() {
  std::string text = "Sessions that follow one another; agentctl-flow(5) describes the file.\n";
  for (const Verb& verb : flow_verbs) {
    std::string name(verb.name);
    name.resize(12, ' ');
    text += "\n  " + name + std::string(verb.summary);
  }
  return text;
}

}  // namespace

int cmd_flow(Invocation& invocation) {
  const std::vector<std::string> words = invocation.arguments();
  const auto verb = std::find_if(flow_verbs.begin(), flow_verbs.end(),
                                 [&](const Verb& row) { return !words.empty() && row.name == words.front(); });
  if (verb != flow_verbs.end()) {
    invocation.drop_first_argument();
    return verb->run(invocation);
  }
  if (!words.empty() && !words.front().starts_with('-'))
    throw usage_error("flow", "unknown verb 'flow " + to_printable(words.front()) + "'");
  CommandLine line(invocation, "flow", "run|list|status|wait|cancel|resume ...", description(),
                   {"agentctl flow run release.json", "agentctl flow status release"});
  line.parse();
  throw usage_error("flow", "say what: run, list, status, wait, cancel or resume");
}

}  // namespace agentctl
