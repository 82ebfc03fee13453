#pragma once

#include <string>
#include <vector>

#include "app/sessions.hpp"
#include "cli/command_line.hpp"

namespace agentctl {

/// Parses the line of a verb that is for one NAME, and gives that session with what it uses.
Session parse_one(CommandLine& line, Invocation& invocation);

/// The sessions that a verb is for: NAMEs, or all live ones of a project, a group, or with --all.
class Selection {
 public:
  enum class All { no, offered };
  Selection(CommandLine& line, std::string verb, All all = All::no);

  /// After parsing. In the order given, or the newest first; of a project or group those that have ended, too, when
  /// asked for. Throws Error{usage} when none or both were asked for.
  std::vector<Session> find(Context& context, bool with_ended = false) const;

  /// The slices that hold these live sessions and nothing else, when a whole project or group is meant; else nothing.
  std::vector<std::string> whole_slices(const std::vector<Session>& sessions) const;

  /// Whether they were not named one by one.
  bool is_filtered() const { return all_ || !filter_.project.empty() || !filter_.group.empty(); }

  /// For people: "web ..." or "project shop".
  std::string description() const;

 private:
  std::string verb_;
  std::string options_;
  std::vector<std::string> names_;
  SessionFilter filter_;
  bool all_ = false;
};

}  // namespace agentctl
