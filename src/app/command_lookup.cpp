#include "app/command_lookup.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/error.hpp"
#include "base/text.hpp"

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

// What to do about it. `found` is the file that the command means.
std::string remedy_for(const std::string& command, const std::string& found, int error_number) {
  if (found.empty()) return "give its path; no folder of PATH has it";
  if (error_number == ENOENT || error_number == ENOTDIR)
    return command.starts_with('/') ? "give the path of a program, or its name alone"
                                    : "a relative path begins at the session's folder: " + quote_for_shell({found});
  if (error_number == EISDIR) return "name a program in it";
  struct stat status {};
  const bool is_file = ::stat(found.c_str(), &status) == 0 && S_ISREG(status.st_mode);
  return (is_file ? "chmod +x " : "namei -l ") + quote_for_shell({found});
}

Error cannot_execute(const std::string& command, const std::string& found, int error_number) {
  const bool missing = error_number == ENOENT || error_number == ENOTDIR;
  return Error({.code = missing ? ErrorCode::command_not_found : ErrorCode::command_not_executable,
                .context = "cannot run",
                .object = command,
                .reason = missing ? "command not found" : std::generic_category().message(error_number),
                .hint = remedy_for(command, found, error_number)});
}

// 0 when such a folder is there and allows it, else the errno that says why not.
int folder_error(const std::string& path, int wanted_access) {
  struct stat status {};
  if (::stat(path.c_str(), &status) < 0) return errno;
  if (!S_ISDIR(status.st_mode)) return ENOTDIR;
  return ::access(path.c_str(), wanted_access) == 0 ? 0 : errno;
}

}  // namespace

std::string absolute_path(const std::string& path, const std::string& cwd) {
  if (path.empty()) return cwd;
  return path.front() == '/' ? path : (cwd == "/" ? "" : cwd) + "/" + path;
}

std::string find_command(const std::string& command, const std::string& cwd, const std::string& path) {
  if (command.find('/') != std::string::npos) {
    std::string candidate = absolute_path(command, cwd);
    if (const int failed = executable_error(candidate)) throw cannot_execute(command, candidate, failed);
    return candidate;
  }
  int first_failure = ENOENT;
  std::string found;
  for (std::size_t from = 0; from <= path.size();) {
    const std::size_t colon = std::min(path.find(':', from), path.size());
    std::string candidate = absolute_path(path.substr(from, colon - from), cwd) + "/" + command;
    const int failed = executable_error(candidate);
    if (failed == 0) return candidate;
    // In a folder of PATH that may not be searched, nothing has been found.
    if (found.empty() && ::access(candidate.c_str(), F_OK) == 0) {
      first_failure = failed;
      found = std::move(candidate);
    }
    from = colon + 1;
  }
  throw cannot_execute(command, found, first_failure);
}

void check_working_directory(const std::string& path) {
  const int failed = folder_error(path, X_OK);
  if (failed != 0)
    throw system_error("cannot start a session in", path, failed).with_hint("name another folder with -C");
}

void check_output_file(const char* option, const std::string& path) {
  const std::string folder = path.substr(0, std::max<std::size_t>(path.find_last_of('/'), 1));
  struct stat status {};
  int failed = 0;
  std::string hint = std::string("name another file with ") + option;
  if (::lstat(path.c_str(), &status) < 0) {
    failed = errno == ENOENT ? folder_error(folder, W_OK | X_OK) : errno;
    if (failed == ENOENT) hint = "mkdir -p " + quote_for_shell({folder}) + ", or " + hint;
  } else if (::stat(path.c_str(), &status) == 0) {
    // A link to what does not exist yet is left to the session.
    failed = S_ISDIR(status.st_mode) ? EISDIR : ::access(path.c_str(), W_OK) < 0 ? errno : 0;
  }
  if (failed != 0) throw system_error("cannot open the output file", path, failed).with_hint(hint);
}

}  // namespace agentctl
