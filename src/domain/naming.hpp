#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "domain/session.hpp"

namespace agentctl {

/// 1 to 64 of [a-z0-9-], no hyphen first or last.
bool is_valid_name(std::string_view name);
/// The one valid name that no session may have: agentctl-reconcile.service is the package's own.
inline constexpr std::string_view reserved_name = "reconcile";

/// A valid name made of any text: lower case, runs of anything else become one hyphen, at most 40 characters;
/// "session" when nothing is left.
std::string slug(std::string_view text);

/// The name that `run` gives when none was asked for: the command's name and the first characters of the id.
std::string default_name(std::string_view command, std::string_view id);

/// "agentctl-web.service" or "agentctl-web.scope".
std::string unit_name(std::string_view name, SessionKind kind);

/// The session's name in such a unit name; nothing for other units.
std::optional<std::string> name_from_unit(std::string_view unit);

inline constexpr std::string_view name_shards = "0123456789abcdef";

/// The shard of a name, by a hash of it: what would be slow with thousands of sessions is spread over these 16.
char name_shard(std::string_view name);

/// The slice that holds all sessions of a project, of a group in it, or of a group without a project; systemd ends what
/// is in it in one call. Names are escaped as systemd-escape(1) does, because "-" makes a slice the child of another.
std::string project_slice(std::string_view project);
std::string group_slice(std::string_view project, std::string_view group);

/// The slice of a session: its group's, else its project's. Thousands of units in one slice make each start several
/// times slower, so sessions that have neither are in the slice of their shard.
std::string slice_name(const SessionRequest& request);

/// A slice in that one, for when there are hundreds.
std::string crowded_slice(std::string_view slice, std::string_view name);

/// Whether it is one of those: nothing else is a name of a control group.
bool is_slice_name(std::string_view slice);

/// The slice that a session was put in.
std::string slice_of(const Record& record);

/// The unit's Description=: it carries the id, so that one list call ties units to records, and a unit whose record
/// was lost still says what it is. Only the program's name is in it: anyone on the bus can read it.
std::string unit_description(const Record& record);

/// What shows the same of its unit without agentctl: "systemctl --user status UNIT", "journalctl --user -u UNIT".
std::string unit_status_command(const Record& record);
std::string unit_log_command(const Record& record);

/// The id in such a description.
std::optional<std::string> id_from_description(std::string_view description);

inline constexpr std::size_t id_length = 12;

/// Whether it has the form of an id (base/random.hpp).
bool is_valid_id(std::string_view id);

/// The last part of a path.
std::string base_name(std::string_view path);

}  // namespace agentctl
