#include "domain/rivalry.hpp"

#include "base/text.hpp"
#include "domain/ports.hpp"

namespace agentctl {

Rivalry rivalry_of(const SessionRequest& a, const SessionRequest& b) {
  if (a.name == b.name) return Rivalry::name;
  if (!a.exclusive.empty() && a.exclusive == b.exclusive) return Rivalry::key;
  if (!a.source.empty() && a.source == b.source && a.project == b.project) return Rivalry::source;
  if (common_port(a, b)) return Rivalry::port;
  return Rivalry::none;
}

bool has_rivals_of_other_names(const SessionRequest& request) {
  return !request.exclusive.empty() || !request.source.empty() || !request.ports.empty();
}

std::string describe(Rivalry rivalry, const SessionRequest& wanted, const SessionRequest& holder) {
  switch (rivalry) {
    case Rivalry::none: return {};
    case Rivalry::name: return "name '" + wanted.name + "'";
    case Rivalry::key: return "exclusive key '" + to_printable(wanted.exclusive) + "'";
    case Rivalry::source:
      return "source '" + to_printable(wanted.source) + "'" +
             (wanted.project.empty() ? "" : " of project '" + wanted.project + "'");
    case Rivalry::port: return "port " + std::to_string(common_port(wanted, holder).value_or(automatic_port));
  }
  return {};
}

}  // namespace agentctl
