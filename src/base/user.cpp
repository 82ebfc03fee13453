#include "base/user.hpp"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.hpp"

namespace agentctl {
namespace {

std::optional<User> to_user(const passwd* entry) {
  if (entry == nullptr) return std::nullopt;
  return User{.uid = entry->pw_uid,
              .gid = entry->pw_gid,
              .name = entry->pw_name,
              .home = entry->pw_dir,
              .shell = entry->pw_shell};
}

}  // namespace

std::optional<User> find_user(uid_t uid) { return to_user(::getpwuid(uid)); }

std::optional<User> find_user(const std::string& name_or_uid) {
  if (auto user = to_user(::getpwnam(name_or_uid.c_str()))) return user;
  const auto number = parse_decimal(name_or_uid);
  if (!number || *number > 0xfffffffe) return std::nullopt;
  return find_user(static_cast<uid_t>(*number));
}

std::string user_runtime_dir() {
  const char* given = ::getenv("XDG_RUNTIME_DIR");
  struct stat status {};
  const bool is_own = given != nullptr && given[0] == '/' && ::stat(given, &status) == 0 && status.st_uid == ::getuid();
  return is_own ? given : "/run/user/" + std::to_string(::getuid());
}

bool may_be_own(const std::string& folder) {
  struct stat status {};
  std::string nearest = folder;
  while (::stat(nearest.c_str(), &status) < 0) {
    if (nearest.size() <= 1) return false;
    nearest.erase(std::max<std::size_t>(nearest.find_last_of('/'), 1));
  }
  return status.st_uid == ::getuid() || status.st_uid == 0;
}

std::string user_name(uid_t uid) {
  const auto user = find_user(uid);
  return user ? user->name : std::to_string(uid);
}

}  // namespace agentctl
