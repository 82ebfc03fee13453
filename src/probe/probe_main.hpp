#pragma once

#include <functional>
#include <string>

#include "domain/health.hpp"

namespace agentctl {

/// What both probes' mains are: reads the check from the launch in the runtime folder that the command line names, and
/// makes it. `probe` returns when nobody hears it any more. Returns the exit status.
int probe_main(int argc, char** argv,
               const std::function<void(const HealthCheck& check, const std::string& runtime_dir)>& probe);

}  // namespace agentctl
