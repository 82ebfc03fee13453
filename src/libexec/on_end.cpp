#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/file.hpp"
#include "domain/hook.hpp"
#include "domain/launch.hpp"

// on-end RUNTIME_DIR: becomes the --on-end command of a session that has ended, with the session as JSON on its
// standard input and the facts in its environment.

namespace {

void give_on_stdin(const std::string& text) {
  const agentctl::Fd memory(::memfd_create("session.json", MFD_CLOEXEC));
  if (!memory || ::write(memory.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::lseek(memory.get(), 0, SEEK_SET) < 0 || ::dup2(memory.get(), STDIN_FILENO) < 0)
    throw agentctl::system_error("cannot pass on", "the session", errno);
}

int become_command(const std::string& folder) {
  using namespace agentctl;
  const auto text = read_file(folder + "/" + hook_file, launch_size_limit);
  if (!text) throw system_error("cannot read", folder + "/" + hook_file, ENOENT);
  const Hook hook = parse_hook(*text);
  // The folder itself may be in one that only root can take it out of: then `agentctl reconcile` does.
  remove_file(folder + "/" + hook_file);
  ::rmdir(folder.c_str());
  if (::chdir(hook.cwd.c_str()) < 0 && ::chdir("/") < 0) throw system_error("cannot enter", hook.cwd, errno);
  for (const std::string& variable : hook.environment) {
    const auto equals = variable.find('=');
    ::setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
  }
  give_on_stdin(hook.session);
  ::execl("/bin/sh", "sh", "-c", hook.command.c_str(), nullptr);
  throw system_error("cannot run", "/bin/sh", errno);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: on-end RUNTIME_DIR   (run by systemd, see --on-end in agentctl(1))\n", stderr);
    return 2;
  }
  try {
    return become_command(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "agentctl on-end: %s\n", error.what());
    return 125;
  }
}
