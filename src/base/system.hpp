#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace agentctl {

/// A file of /proc, at most so many bytes of it; empty when it cannot be read. Such files have no size, so read_file()
/// does not serve them.
std::string read_proc(const std::string& path, std::size_t limit);

/// The kernel's boot ID, 32 hexadecimal digits as systemd writes it (sd_id128_get_boot(3)); empty when unreadable.
std::string boot_id();

/// Whether the user's manager runs without a login (loginctl enable-linger), by logind's own mark of it.
bool lingers(const std::string& user);

/// What helps when the bus of a user's manager cannot be reached in `runtime_dir`, as commands. It depends on what is
/// missing: the bus (dbus-user-session is only recommended), the right XDG_RUNTIME_DIR, or the manager.
std::string way_to_user_manager(const std::string& runtime_dir, uid_t uid, const std::string& user);

/// The command line of a process as one string for people, at most 200 bytes; empty when it cannot be read.
std::string command_line_of(pid_t pid);

/// The name of a process as the kernel has it, 15 bytes of its program's: none of its arguments, which may hold
/// secrets. Empty when it cannot be read.
std::string program_name_of(pid_t pid);

struct CommandOutput {
  int status = 0;  ///< as waitpid(2) gives it
  std::string text;
};

/// Runs a program found in PATH to its end and returns its standard output, at most 1 MiB; its standard error is
/// dropped and its standard input is empty.
CommandOutput run_command(const std::vector<std::string>& argv);

}  // namespace agentctl
