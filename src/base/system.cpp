#include "base/system.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"

namespace agentctl {

std::string read_proc(const std::string& path, std::size_t limit) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string content;
  std::array<char, 4096> chunk{};
  while (fd && content.size() < limit) {
    const ssize_t n = ::read(fd.get(), chunk.data(), std::min(chunk.size(), limit - content.size()));
    if (n <= 0) break;
    content.append(chunk.data(), static_cast<std::size_t>(n));
  }
  return content;
}

std::string boot_id() {
  std::string id = read_proc("/proc/sys/kernel/random/boot_id", 64);
  std::erase_if(id, [](char c) { return c == '-' || c == '\n'; });
  return id;
}

bool lingers(const std::string& user) { return ::access(("/var/lib/systemd/linger/" + user).c_str(), F_OK) == 0; }

std::string way_to_user_manager(const std::string& runtime_dir, uid_t uid, const std::string& user) {
  const auto is_there = [](const std::string& path) { return ::access(path.c_str(), F_OK) == 0; };
  // The manager's own socket, where systemctl finds it without a bus.
  constexpr const char* manager = "/systemd/private";
  const std::string usual_dir = "/run/user/" + std::to_string(uid);
  if (is_there(runtime_dir + manager) && !is_there(runtime_dir + "/bus"))
    return "sudo apt install dbus-user-session, then systemctl --user start dbus.socket";
  if (runtime_dir != usual_dir && is_there(usual_dir + manager))
    return "unset XDG_RUNTIME_DIR   (your manager is in " + usual_dir + ")";
  if (lingers(user)) return "systemctl status user@" + std::to_string(uid) + ".service";
  return "sudo loginctl enable-linger " + user + "   (then it runs without a login)";
}

std::string command_line_of(pid_t pid) {
  std::string line = read_proc("/proc/" + std::to_string(pid) + "/cmdline", 200);
  while (!line.empty() && line.back() == '\0') line.pop_back();
  std::replace(line.begin(), line.end(), '\0', ' ');
  return to_valid_utf8(line);
}

std::string program_name_of(pid_t pid) {
  std::string name = read_proc("/proc/" + std::to_string(pid) + "/comm", 64);
  if (name.ends_with('\n')) name.pop_back();
  return to_valid_utf8(name);
}

CommandOutput run_command(const std::vector<std::string>& argv) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) < 0) throw system_error("cannot run", argv.at(0), errno);
  Fd reader(pipe[0]);
  Fd writer(pipe[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, writer.get(), 1);
  ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = 0;
  const int failed = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw system_error("cannot run", argv[0], failed);
  writer.reset();

  constexpr std::size_t limit = 1 << 20;
  CommandOutput output;
  std::array<char, 4096> chunk{};
  for (;;) {
    const ssize_t n = ::read(reader.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    if (output.text.size() < limit) output.text.append(chunk.data(), static_cast<std::size_t>(n));
  }
  while (::waitpid(pid, &output.status, 0) < 0 && errno == EINTR) {
  }
  return output;
}

}  // namespace agentctl
