#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "domain/flow.hpp"
#include "domain/session.hpp"

namespace agentctl {

/// One step as the file asks for it.
struct StepRequest {
  Step step;
  SessionRequest request;
  std::vector<std::string> variables;  ///< "K=V", as -e takes them
};

/// A flow as the file asks for it. docs/man/agentctl-flow.5 describes the file.
struct FlowRequest {
  std::string name;
  std::string key;
  std::string project;
  bool goes_on = false;
  std::vector<StepRequest> steps;
};

/// Reads a flow's file, at most flow_size_limit bytes. `file` is what errors call it. Throws Error{usage} with the
/// place as a JSON pointer: no JSON, unknown keys, wrong types, bad or duplicate names, unknown needs, a circle.
FlowRequest parse_flow_file(std::string_view text, const std::string& file);

}  // namespace agentctl
