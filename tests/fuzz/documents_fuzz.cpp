#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "domain/configuration.hpp"
#include "domain/flow.hpp"
#include "domain/flow_file.hpp"
#include "domain/naming.hpp"
#include "domain/regex.hpp"
#include "domain/service_file.hpp"
#include "fuzz/unless_refused.hpp"

using namespace agentctl;

namespace {

// What is taken must be written so that it is taken again and means the same.
void check_services(std::string_view text) {
  ServiceRules rules;
  rules.require_git_workdir = text.size() % 2 == 0;
  const GitLookup git = [](const std::string& folder) { return folder == "/" ? GitMark::folder : GitMark::none; };
  const CheckedServices answer = check_service_file(text, rules, git);
  if (const auto* refusal = std::get_if<ServiceRefusal>(&answer)) {
    if (refusal->reason.empty() || refusal->reason.size() > 4096) std::abort();
    return;
  }
  const auto& file = std::get<ServiceFile>(answer);
  for (const ServiceSpec& spec : file.specs)
    if (!is_valid_name(spec.name) || spec.cmd.empty() || spec.ttl_minutes < 1) std::abort();
  for (const ServiceSpec& spec : file.specs) unless_refused([&] { Regex(spec.health.expect_regex).matches(text); });
  const std::string written = to_json(file);
  const CheckedServices again = check_service_file(written, rules, git);
  if (!std::holds_alternative<ServiceFile>(again) || to_json(std::get<ServiceFile>(again)) != written) std::abort();
}

}  // namespace

// What people write: the configuration, services and flows; and what agentctl keeps of a flow.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  unless_refused([&] {
    Configuration configuration;
    apply_configuration(configuration, text, "file");
    for (const auto& pool : configuration.pools.pools)
      if (pool.second < 1 || pool.second > configuration.pools.cap) std::abort();
  });
  check_services(text);
  unless_refused([&] {
    const FlowRequest flow = parse_flow_file(text, "file");
    if (flow.steps.empty() || flow.steps.size() > max_steps) std::abort();
    for (const StepRequest& wanted : flow.steps)
      if (!is_valid_name(wanted.request.name) || wanted.request.command.empty()) std::abort();
  });
  unless_refused([&] {
    const Flow flow = parse_flow(text);
    const std::string written = to_json(flow);
    if (to_json(parse_flow(written)) != written) std::abort();
    const std::vector<StepStanding> standings(flow.steps.size());
    for (std::size_t i = 0; i < flow.steps.size(); ++i) judge_step(flow, standings, i);
    state_of(flow, standings);
  });
  return 0;
}
