#include "domain/rivalry.hpp"

#include "base/text.hpp"

namespace agentctl {

Rivalry rivalry_of(const SessionRequest& a, const SessionRequest& b) {
  if (a.name == b.name) return Rivalry::name;
  if (!a.exclusive.empty() && a.exclusive == b.exclusive) return Rivalry::key;
  if (!a.source.empty() && a.source == b.source && a.project == b.project) return Rivalry::source;
  return Rivalry::none;
}

bool has_rivals_of_other_names(const SessionRequest& request) {
  return !request.exclusive.empty() || !request.source.empty();
}

std::string describe(Rivalry rivalry, const SessionRequest& request) {
  switch (rivalry) {
    case Rivalry::none: return {};
    case Rivalry::name: return "name '" + request.name + "'";
    case Rivalry::key: return "exclusive key '" + to_printable(request.exclusive) + "'";
    case Rivalry::source:
      return "source '" + to_printable(request.source) + "'" +
             (request.project.empty() ? "" : " of project '" + request.project + "'");
  }
  return {};
}

}  // namespace agentctl
