#include "cli/selection.hpp"

#include <algorithm>
#include <set>

#include "domain/naming.hpp"

namespace agentctl {

Session parse_one(CommandLine& line, Invocation& invocation) {
  std::string name;
  line.add_argument("NAME", name);
  line.parse();
  Session session = find_session(invocation.context(), name);
  read_usage(invocation.context(), session);
  return session;
}

Selection::Selection(CommandLine& line, std::string verb, All all)
    : verb_(std::move(verb)), options_(all == All::offered ? "-p, --group, --all" : "-p, --group") {
  line.add_optional_argument("NAME", names_);
  line.add_option("-p,--project", filter_.project, "PROJECT", "all of this project");
  line.add_option("--group", filter_.group, "GROUP", "all of this group");
  if (all == All::offered) line.add_flag("--all", all_, "all");
}

std::vector<Session> Selection::find(Context& context, bool with_ended) const {
  if (names_.empty() && !is_filtered()) {
    std::string choice = options_;
    choice.replace(choice.rfind(", "), 2, " or ");
    throw usage_error(verb_, "nothing to " + verb_ + (verb_ == "wait" ? " for" : "") + ": give a NAME, " + choice);
  }
  if (!names_.empty() && is_filtered()) throw usage_error(verb_, "give NAMEs or one of " + options_ + ", not both");
  if (!is_filtered()) return find_sessions(context, names_);
  SessionFilter filter = filter_;
  filter.ended = with_ended;
  std::vector<Session> sessions = list_sessions(context, filter);
  std::reverse(sessions.begin(), sessions.end());
  return sessions;
}

std::vector<std::string> Selection::whole_slices(const std::vector<Session>& sessions) const {
  if (!filter_.project.empty() && filter_.group.empty()) return {project_slice(filter_.project)};
  std::set<std::string> slices;
  if (!filter_.group.empty())
    for (const Session& session : sessions)
      if (!is_terminal(session.state))
        slices.insert(group_slice(session.record.request.project, session.record.request.group));
  return {slices.begin(), slices.end()};
}

std::string Selection::description() const {
  if (!names_.empty()) return names_.front() + (names_.size() > 1 ? " ..." : "");
  return filter_.project.empty() ? "group " + filter_.group : "project " + filter_.project;
}

}  // namespace agentctl
