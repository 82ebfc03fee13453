#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace agentctl {

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;
  std::string home;
  std::string shell;
};

std::optional<User> find_user(uid_t uid);
/// By name, or by number written in decimal digits.
std::optional<User> find_user(const std::string& name_or_uid);

/// The user's XDG_RUNTIME_DIR; /run/user/UID where the variable is not set (sudo, cron, agents' cleaned environments),
/// or is still another user's (su, sudo -E).
std::string user_runtime_dir();

/// Whether a folder that a variable names can be meant for this user: the nearest one that exists is the user's or
/// root's. After su and sudo -E it may still be another user's, who would have a say in all that is read from it.
bool may_be_own(const std::string& folder);

/// The name, or the number when it has none.
std::string user_name(uid_t uid);

}  // namespace agentctl
