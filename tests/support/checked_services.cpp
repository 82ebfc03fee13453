#include "support/checked_services.hpp"

#include <gtest/gtest.h>

namespace agentctl {

CheckedServices check(const std::string& text) {
  ServiceRules rules;
  rules.require_git_workdir = false;
  return check_service_file(text, rules, [](const std::string&) { return GitMark::none; });
}

std::string refusal_of(const std::string& text) {
  const CheckedServices answer = check(text);
  const auto* refusal = std::get_if<ServiceRefusal>(&answer);
  return refusal != nullptr ? refusal->reason + " @" + refusal->pointer : "ok";
}

ServiceFile taken(const std::string& text) {
  const CheckedServices answer = check(text);
  if (const auto* file = std::get_if<ServiceFile>(&answer)) return *file;
  ADD_FAILURE() << refusal_of(text) << "\n" << text;
  return {.specs = {{}}};
}

std::string health(const std::string& members) { return R"("healthcheck": {"timeout_s": 60, )" + members + "}"; }

}  // namespace agentctl
