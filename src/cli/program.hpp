#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/invocation.hpp"

namespace agentctl {

/// The whole of agentctl: finds the verb, runs it, and turns what is thrown into text and an exit status. Nothing
/// else catches. What it worked with, the connection to the bus first of all, is left in `kept`.
int run_program(std::vector<std::string> arguments, std::optional<Invocation>& kept);

}  // namespace agentctl
