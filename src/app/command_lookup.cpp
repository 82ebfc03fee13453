#include "app/command_lookup.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/error.hpp"

namespace agentctl {
namespace {

// 0 when it can be executed, else the errno that says why not.
int executable_error(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) < 0) return errno;
  if (S_ISDIR(status.st_mode)) return EISDIR;
  if (!S_ISREG(status.st_mode)) return EACCES;
  return ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
}

Error cannot_execute(const std::string& command, int error_number) {
  const bool missing = error_number == ENOENT || error_number == ENOTDIR;
  return Error({.code = missing ? ErrorCode::command_not_found : ErrorCode::command_not_executable,
                .context = "cannot run",
                .object = command,
                .reason = missing ? "command not found" : std::generic_category().message(error_number),
                .hint = {}});
}

}  // namespace

std::string absolute_path(const std::string& path, const std::string& cwd) {
  if (path.empty()) return cwd;
  return path.front() == '/' ? path : (cwd == "/" ? "" : cwd) + "/" + path;
}

std::string find_command(const std::string& command, const std::string& cwd, const std::string& path) {
  if (command.find('/') != std::string::npos) {
    std::string candidate = absolute_path(command, cwd);
    if (const int failed = executable_error(candidate)) throw cannot_execute(command, failed);
    return candidate;
  }
  int first_failure = ENOENT;
  for (std::size_t from = 0; from <= path.size();) {
    const std::size_t colon = std::min(path.find(':', from), path.size());
    std::string candidate = absolute_path(path.substr(from, colon - from), cwd) + "/" + command;
    const int failed = executable_error(candidate);
    if (failed == 0) return candidate;
    // In a folder of PATH that may not be searched, nothing has been found.
    if (first_failure == ENOENT && ::access(candidate.c_str(), F_OK) == 0) first_failure = failed;
    from = colon + 1;
  }
  throw cannot_execute(command, first_failure);
}

void check_working_directory(const std::string& path) {
  struct stat status {};
  int failed = ::stat(path.c_str(), &status) < 0 ? errno : 0;
  if (failed == 0 && !S_ISDIR(status.st_mode)) failed = ENOTDIR;
  if (failed == 0 && ::access(path.c_str(), X_OK) < 0) failed = errno;
  if (failed == 0) return;
  throw Error({.code = ErrorCode::failed,
               .context = "cannot start a session in",
               .object = path,
               .reason = std::generic_category().message(failed),
               .hint = "name another folder with -C"});
}

}  // namespace agentctl
