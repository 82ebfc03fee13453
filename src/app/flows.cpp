#include "app/flows.hpp"

#include <algorithm>
#include <map>

#include "app/launch.hpp"
#include "app/queue.hpp"
#include "app/reconcile.hpp"
#include "app/sessions.hpp"
#include "app/stop.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "domain/naming.hpp"
#include "store/registry_watch.hpp"

namespace agentctl {
namespace {

Error cannot(const char* what, const Flow& flow, std::string reason, std::string hint) {
  return Error({.code = ErrorCode::conflict,
                .context = std::string("cannot ") + what + " flow",
                .object = flow.name,
                .reason = std::move(reason),
                .hint = std::move(hint)});
}

std::string has_ended(FlowState state) { return std::string("it has ended (") + to_string(state) + ")"; }

// What a step's session is refused for is said of its place in the file.
PreparedLaunch prepare_step(Context& context, const StepRequest& wanted, std::size_t index, const std::string& file) {
  try {
    LaunchOptions options;
    options.request = wanted.request;
    options.variables = wanted.variables;
    return prepare_launch(context, std::move(options));
  } catch (const Error& error) {
    throw Error({.code = error.code(),
                 .context = "invalid",
                 .object = file,
                 .reason = "/steps/" + std::to_string(index) + " (" + wanted.step.name + "): " + error.what(),
                 .hint = error.hint()});
  }
}

Flow make_flow(const Context& context, const FlowRequest& request) {
  Flow flow;
  flow.id = random_id(id_length);
  flow.name = request.name;
  flow.key = request.key;
  flow.project = request.project;
  flow.created_by = context.asker;
  flow.created_at = now();
  flow.goes_on = request.goes_on;
  for (const StepRequest& wanted : request.steps) flow.steps.push_back(wanted.step);
  return flow;
}

// Their sessions say more than their records do: starting, running, restarting, stopping. One that has ended without
// its recorder is ended on the way.
FlowView view_of(Context& context, const Flow& flow) {
  FlowView view{.flow = flow, .state = {}, .steps = context.registry.standings(flow)};
  std::map<std::string, Record> live;
  if (!flow.end)
    for (Record& record : context.registry.live()) live.emplace(record.id, std::move(record));
  for (std::size_t i = 0; i < flow.steps.size(); ++i) {
    StepStanding& standing = view.steps[i];
    if (standing.state == State::queued) standing.reason = judge_step(flow, view.steps, i).reason;
    const auto record = live.find(flow.steps[i].session_id);
    if (is_terminal(standing.state) || standing.state == State::queued || record == live.end()) continue;
    const Session session = observe(context, record->second);
    standing = {.state = session.state,
                .reason = session.reason,
                .started_at = session.started_at,
                .ended_at = session.ended_at};
  }
  view.state = state_of(flow, view.steps);
  return view;
}

FlowView current(Context& context, const Flow& flow) {
  std::vector<Record> cancelled;
  Flow now_flow = context.registry.advance_flow(flow, cancelled);
  follow_ends(context, cancelled);
  return view_of(context, now_flow);
}

}  // namespace

FlowView run_flow(Context& context, const FlowRequest& request, const std::string& file) {
  Flow flow = make_flow(context, request);
  std::vector<Launch> launches;
  for (std::size_t i = 0; i < request.steps.size(); ++i) {
    Launch launch = prepare_step(context, request.steps[i], i, file).launch;
    launch.record.queued = Queued::no;
    launch.record.flow = FlowStep{.flow = flow.name, .flow_id = flow.id, .step = flow.steps[i].name};
    flow.steps[i].session_id = launch.record.id;
    launches.push_back(std::move(launch));
  }
  context.engine.connect();
  restore_lost_records(context, context.engine.list());
  std::vector<Record> records;
  const auto take_back = [&] {
    for (const Launch& launch : launches) context.registry.forget_launch(launch.record.id);
  };
  try {
    for (const Launch& launch : launches) {
      context.registry.store_launch(launch);
      records.push_back(launch.record);
      records.back().queued = Queued::by_anyone;
    }
    if (const auto refusal = context.registry.create_flow(flow, records))
      throw cannot("run", flow, *refusal, "agentctl flow list");
  } catch (...) {
    take_back();
    throw;
  }
  start_waiting(context);
  return current(context, flow);
}

namespace {

const Flow* find_by_id(const std::vector<Flow>& flows, const std::string& prefix) {
  const Flow* found = nullptr;
  for (const Flow& flow : flows) {
    if (prefix.empty() || !flow.id.starts_with(prefix)) continue;
    if (found != nullptr)
      throw Error({.code = ErrorCode::conflict,
                   .context = "more than one flow's id begins with",
                   .object = prefix,
                   .reason = found->id + " (" + found->name + "), " + flow.id + " (" + flow.name + ")",
                   .hint = "give more of the id"});
    found = &flow;
  }
  return found;
}

}  // namespace

std::vector<FlowView> list_flows(Context& context, bool ended) {
  std::vector<FlowView> views;
  for (const Flow& flow : context.registry.flows()) {
    FlowView view = flow.end ? view_of(context, flow) : current(context, flow);
    if (ended || !is_terminal(view.state)) views.push_back(std::move(view));
  }
  return views;
}

FlowView find_flow(Context& context, const std::string& name) {
  const std::vector<Flow> flows = context.registry.flows();
  const Flow* found = nullptr;
  for (const Flow& flow : flows)
    if (flow.name == name && (found == nullptr || !flow.end || found->end)) found = &flow;
  if (found == nullptr) found = find_by_id(flows, name);
  if (found == nullptr)
    throw Error({.code = ErrorCode::not_found,
                 .context = "no such flow",
                 .object = to_printable(name),
                 .reason = {},
                 .hint = "agentctl flow list -a"});
  return found->end ? view_of(context, *found) : current(context, *found);
}

FlowView cancel_flow(Context& context, const FlowView& view, const std::string& reason, bool stop_running) {
  const auto over = [&] {
    return cannot("cancel", view.flow, has_ended(view.state), "agentctl flow status " + view.flow.name);
  };
  if (is_terminal(view.state)) throw over();
  const StopRequest request{.by = context.asker, .reason = reason, .at = now()};
  const auto cancelled = context.registry.update_flow(view.flow, [&](Flow& flow) {
    if (!flow.cancel) flow.cancel = request;
  });
  if (!cancelled) throw over();
  FlowView after = current(context, *cancelled);
  if (!stop_running) return after;
  std::vector<Session> running;
  for (const Record& record : context.registry.live())
    if (record.flow && record.flow->flow_id == view.flow.id && record.queued == Queued::no)
      running.push_back(observe(context, record));
  stop_sessions(context, running, {.reason = reason});
  return current(context, *cancelled);
}

FlowView resume_flow(Context& context, const FlowView& view, const std::string& gate) {
  if (is_terminal(view.state))
    throw cannot("resume", view.flow, has_ended(view.state), "agentctl flow status " + view.flow.name);
  std::set<std::string> gates;
  for (std::size_t i = 0; i < view.flow.steps.size(); ++i) {
    const Step& step = view.flow.steps[i];
    const bool waits =
        view.steps[i].state == State::queued && judge_step(view.flow, view.steps, i).kind == StepVerdict::Kind::at_gate;
    if (waits && (gate.empty() || step.gate == gate)) gates.insert(step.gate);
  }
  if (gates.empty())
    throw cannot("resume", view.flow,
                 gate.empty() ? "it waits at no gate" : "it does not wait at gate '" + to_printable(gate) + "'",
                 "agentctl flow status " + view.flow.name);
  const auto resumed = context.registry.update_flow(view.flow, [&](Flow& flow) { flow.open_gates.merge(gates); });
  if (!resumed) throw cannot("resume", view.flow, "it has ended", "agentctl flow status " + view.flow.name);
  start_waiting(context);
  return current(context, *resumed);
}

FlowView wait_for_flow(Context& context, const FlowView& view, std::optional<microseconds> timeout, const Tick& tick) {
  RegistryWatch watch(context.registry.root());
  const WaitClock clock(timeout, tick);
  for (;;) {
    FlowView now_view = find_flow(context, view.flow.id);
    if (is_terminal(now_view.state)) return now_view;
    if (clock.is_over())
      throw Error({.code = ErrorCode::timed_out,
                   .context = "still waiting for flow",
                   .object = view.flow.name,
                   .reason = std::string(to_string(now_view.state)) + " after " + format_time_span(clock.limit()),
                   .hint = "agentctl flow status " + view.flow.name});
    if (!watch.next_change(clock.nap())) clock.tick(1);
  }
}

}  // namespace agentctl
