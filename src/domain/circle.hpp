#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace agentctl {

/// Follows what each of several needs, to find one that comes back to itself.
class CircleSearch {
 public:
  /// What each needs, by name.
  using Needs = std::map<std::string, std::vector<std::string>>;

  explicit CircleSearch(Needs needs) : needs_(std::move(needs)) {}

  /// "a, b, a"; empty when there is none on the way from this one. What is nobody's name is passed over.
  std::string from(const std::string& name);

 private:
  Needs needs_;
  std::set<std::string> done_;
  std::vector<std::string> path_;
};

}  // namespace agentctl
