#include "domain/flow_file.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/error.hpp"
#include "base/time.hpp"
#include "domain/circle.hpp"
#include "domain/json_document.hpp"
#include "domain/naming.hpp"
#include "domain/request_rules.hpp"

namespace agentctl {
namespace {

// Together with the hyphen between them they are a session's name.
constexpr std::size_t longest_flow_name = 31;
constexpr std::size_t longest_step_name = 32;

std::string name_at(const Place& place, std::size_t longest) {
  std::string name = place.text();
  if (!is_valid_name(name) || name.size() > longest)
    place.refuse("must be 1 to " + std::to_string(longest) + " of a-z 0-9 - without a hyphen first or last");
  return name;
}

std::string word_at(const Place& place) {
  std::string word = place.text();
  if (!is_valid_word(word)) place.refuse("must be 1 to 64 of a-z A-Z 0-9 . _ - with a letter or digit first");
  return word;
}

microseconds span_at(const Place& place) {
  const auto span =
      parse_time_span(place.value().is_int64() ? std::to_string(place.number(0, INT32_MAX)) : place.text());
  if (!span) place.refuse("must be a time span: 90s, 15min, 2h 30min");
  return *span;
}

std::vector<std::string> variables_at(const Place& place) {
  std::vector<std::string> variables;
  for (const auto& [key, value] : place.members()) {
    if (!value.value().is_string()) value.refuse("must be a string");
    const std::string text = value.string();
    if (key.empty() || (key + text).find('\0') != std::string::npos || key.find('=') != std::string::npos)
      value.refuse("must be a variable without NUL, and its name without =");
    variables.push_back(key + "=" + text);
  }
  return variables;
}

RestartRules restart_at(const Place& place) {
  RestartRules rules;
  const bool is_short = place.value().is_string();
  const Place policy_place = is_short ? place : place.required("policy");
  const auto policy = parse_restart_policy(policy_place.text());
  if (!policy) policy_place.refuse("must be no, on-failure or always");
  rules.policy = *policy;
  if (is_short) return rules;
  place.only({"policy", "delay", "max_delay", "early", "limit", "never_on"});
  if (const auto delay = place.find("delay")) rules.delay = span_at(*delay);
  rules.max_delay = std::max(rules.max_delay, rules.delay);
  if (const auto longest = place.find("max_delay")) rules.max_delay = span_at(*longest);
  if (const auto early = place.find("early")) rules.early = span_at(*early);
  if (const auto limit = place.find("limit")) rules.limit = static_cast<int>(limit->number(1, max_restart_limit));
  if (const auto codes = place.find("never_on"))
    for (const Place& code : codes->items()) rules.never_on.push_back(static_cast<int>(code.number(0, 255)));
  return rules;
}

PoolRequest pool_at(const Place& place) {
  if (place.value().is_string()) return {.name = word_at(place), .max = 0, .priority = 0};
  place.only({"name", "max", "priority"});
  PoolRequest pool{.name = word_at(place.required("name")), .max = 0, .priority = 0};
  if (const auto max = place.find("max")) pool.max = static_cast<int>(max->number(1, INT32_MAX));
  if (const auto priority = place.find("priority"))
    pool.priority = static_cast<int>(priority->number(lowest_priority, highest_priority));
  return pool;
}

// The key that says what that option of `run` says; the place itself when it has none.
Place place_of(const Place& place, std::string_view option) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 11> keys{{{"--group", "group"},
                                                                                {"--agent", "agent"},
                                                                                {"--work-item", "work_item"},
                                                                                {"--ttl", "ttl"},
                                                                                {"--pool", "pool"},
                                                                                {"--restart", "restart"},
                                                                                {"--restart-delay", "delay"},
                                                                                {"--restart-max-delay", "max_delay"},
                                                                                {"--restart-early", "early"},
                                                                                {"--restart-limit", "limit"},
                                                                                {"--no-restart-on", "never_on"}}};
  for (const auto& [name, key] : keys) {
    if (name != option) continue;
    if (const auto found = place.find(key)) return *found;
    if (const auto restart = place.find("restart"); restart && restart->value().is_object())
      return restart->find(key).value_or(*restart);
  }
  return place;
}

// The rules are those of `run`. What breaks one is told here, where it is known which key says it.
void check_common(const Place& place, SessionRequest request) {
  request.name = "a";
  request.command = {"a"};
  try {
    check_request(request);
  } catch (const Error& error) {
    place_of(place, error.object()).refuse(error.reason());
  }
}

// What the flow says for all of its steps, and a step for itself.
void read_common(const Place& place, SessionRequest& request, std::vector<std::string>& variables) {
  if (const auto cwd = place.find("cwd")) request.cwd = cwd->text();
  if (const auto group = place.find("group")) request.group = word_at(*group);
  if (const auto agent = place.find("agent")) request.agent = agent->text(max_text);
  if (const auto item = place.find("work_item")) request.work_item = item->text(max_text);
  if (const auto ttl = place.find("ttl")) request.ttl = span_at(*ttl);
  if (const auto timeout = place.find("stop_timeout")) request.stop_timeout = span_at(*timeout);
  if (const auto restart = place.find("restart")) request.restart = restart_at(*restart);
  if (const auto pool = place.find("pool")) request.pool = pool_at(*pool);
  if (const auto env = place.find("env"))
    for (std::string& variable : variables_at(*env)) variables.push_back(std::move(variable));
  check_common(place, request);
}

std::vector<std::string> command_at(const Place& place) {
  std::vector<std::string> command;
  for (const Place& item : place.items()) {
    if (!item.value().is_string()) item.refuse("must be a string");
    command.push_back(item.string());
    if (command.back().find('\0') != std::string::npos) item.refuse("must not contain NUL");
  }
  if (command.empty() || command.front().empty()) place.refuse("must be a program and its arguments");
  return command;
}

StepRequest step_at(const Place& place, const FlowRequest& flow, const StepRequest& defaults) {
  place.only({"name", "command", "needs", "wait_for", "may_fail", "cwd", "env", "group", "agent", "work_item", "ttl",
              "stop_timeout", "restart", "pool"});
  StepRequest wanted = defaults;
  wanted.step.name = name_at(place.required("name"), longest_step_name);
  wanted.step.session = flow.name + "-" + wanted.step.name;
  wanted.request.name = wanted.step.session;
  wanted.request.command = command_at(place.required("command"));
  read_common(place, wanted.request, wanted.variables);
  if (const auto gate = place.find("wait_for")) wanted.step.gate = word_at(*gate);
  if (const auto may_fail = place.find("may_fail")) wanted.step.may_fail = may_fail->flag();
  // Steps without needs follow one another.
  if (const auto needs = place.find("needs")) {
    wanted.step.needs = needs->texts();
  } else if (!flow.steps.empty()) {
    wanted.step.needs = {flow.steps.back().step.name};
  }
  return wanted;
}

std::string find_circle(const FlowRequest& flow) {
  CircleSearch::Needs needs;
  for (const StepRequest& wanted : flow.steps) needs[wanted.step.name] = wanted.step.needs;
  CircleSearch search(std::move(needs));
  for (const StepRequest& wanted : flow.steps)
    if (std::string circle = search.from(wanted.step.name); !circle.empty()) return circle;
  return {};
}

void check_steps(const std::vector<Place>& places, const FlowRequest& flow) {
  std::map<std::string, std::size_t> names;
  for (std::size_t i = 0; i < flow.steps.size(); ++i) {
    const auto [other, is_new] = names.emplace(flow.steps[i].step.name, i);
    if (!is_new) places[i].required("name").refuse("is the name of step " + std::to_string(other->second) + ", too");
  }
  for (std::size_t i = 0; i < flow.steps.size(); ++i) {
    const std::vector<std::string>& needs = flow.steps[i].step.needs;
    for (std::size_t n = 0; n < needs.size(); ++n)
      if (!names.contains(needs[n]))
        places[i].required("needs").items()[n].refuse("there is no step '" + needs[n] + "'");
  }
}

}  // namespace

FlowRequest parse_flow_file(std::string_view text, const std::string& file) {
  if (text.size() > flow_size_limit)
    throw Error({.code = ErrorCode::usage,
                 .context = "invalid",
                 .object = file,
                 .reason = "a flow has at most " + std::to_string(flow_size_limit >> 20) + " MiB",
                 .hint = {}});
  const JsonDocument document(text, file);
  const Place root = document.root();
  root.only({"name", "key", "project", "on_failure", "steps", "cwd", "env", "group", "agent", "work_item", "ttl",
             "stop_timeout", "restart", "pool"});
  FlowRequest flow;
  flow.name = name_at(root.required("name"), longest_flow_name);
  flow.key = flow.name;
  if (const auto key = root.find("key")) flow.key = key->text(max_text);
  StepRequest defaults;
  if (const auto project = root.find("project")) flow.project = word_at(*project);
  defaults.request.project = flow.project;
  read_common(root, defaults.request, defaults.variables);
  if (const auto on_failure = root.find("on_failure")) {
    const std::string word = on_failure->text();
    if (word != "stop" && word != "continue") on_failure->refuse("must be stop or continue");
    flow.goes_on = word == "continue";
  }
  const Place steps = root.required("steps");
  const std::vector<Place> places = steps.items();
  if (places.empty() || places.size() > max_steps) steps.refuse("must be 1 to " + std::to_string(max_steps) + " steps");
  for (const Place& place : places) flow.steps.push_back(step_at(place, flow, defaults));
  check_steps(places, flow);
  if (const std::string circle = find_circle(flow); !circle.empty())
    steps.refuse("these need one another in a circle: " + circle);
  return flow;
}

}  // namespace agentctl
