#pragma once

#include <string>
#include <vector>

namespace agentctl {

/// The whole of agentctl: finds the verb, runs it, and turns what is thrown into text and an exit status. Nothing
/// else catches.
int run_program(std::vector<std::string> arguments);

}  // namespace agentctl
