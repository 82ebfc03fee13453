#pragma once

#include <boost/json.hpp>
#include <map>
#include <string>
#include <vector>

#include "domain/service_file.hpp"

namespace agentctl {

/// A file of services with what the format's first program said of it (tests/data/services), or what we say instead.
struct ServiceCase {
  std::string id;
  std::string text;
  std::string expected;      ///< "ok" or the reason
  bool is_prefix = false;    ///< only how the reason begins is known: the rest were words of a JavaScript engine
  boost::json::value value;  ///< the file with its defaults, when it is known
};

/// The cases with the folders of @@NAME@@ in place; `require_git` chooses between the two answers.
std::vector<ServiceCase> service_cases(bool require_git, const std::map<std::string, std::string>& folders);

/// The rules that those answers were given with.
ServiceRules rules_of_the_cases(bool require_git);

/// A failure of the test unless that is the answer.
void expect_answer(const ServiceCase& wanted, const CheckedServices& answer);

}  // namespace agentctl
