#pragma once

#include <string>

namespace agentctl {

/// The absolute path of a command as execvp(3) would find it: with a slash relative to `cwd`, else along `path`.
/// Throws Error{command_not_found} or {command_not_executable}, the statuses 127 and 126 of a shell.
std::string find_command(const std::string& command, const std::string& cwd, const std::string& path);

/// `path` made absolute against `cwd`; not resolved.
std::string absolute_path(const std::string& path, const std::string& cwd);

/// Throws Error when a session cannot be started in this folder.
void check_working_directory(const std::string& path);

/// Throws Error when this user cannot append to such a file, which need not exist. Makes nothing.
void check_output_file(const char* option, const std::string& path);

}  // namespace agentctl
