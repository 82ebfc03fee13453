#include "domain/circle.hpp"

#include <algorithm>

namespace agentctl {

std::string CircleSearch::from(const std::string& name) {
  const auto needed = needs_.find(name);
  if (needed == needs_.end() || done_.contains(name)) return {};
  const auto begin = std::find(path_.begin(), path_.end(), name);
  if (begin != path_.end()) {
    std::string circle;
    for (auto at = begin; at != path_.end(); ++at) circle += *at + ", ";
    return circle + name;
  }
  path_.push_back(name);
  for (const std::string& need : needed->second)
    if (std::string circle = from(need); !circle.empty()) return circle;
  path_.pop_back();
  done_.insert(name);
  return {};
}

}  // namespace agentctl
