#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "domain/configuration.hpp"
#include "domain/flow.hpp"
#include "domain/flow_file.hpp"
#include "domain/naming.hpp"
#include "fuzz/unless_refused.hpp"

using namespace agentctl;

// What people write: the configuration and flows; and what agentctl keeps of a flow.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  unless_refused([&] {
    Configuration configuration;
    apply_configuration(configuration, text, "file");
    for (const auto& pool : configuration.pools.pools)
      if (pool.second < 1 || pool.second > configuration.pools.cap) std::abort();
  });
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
