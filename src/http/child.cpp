#include "http/child.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "base/error.hpp"

namespace agentctl {
namespace {

struct Pipe {
  Fd reader;
  Fd writer;
};

Error cannot_start(int error_number) { return system_error("cannot start", "agentctl", error_number); }

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw cannot_start(errno);
  Pipe pipe{.reader = Fd(ends[0]), .writer = Fd(ends[1])};
  // Only our end: the child's output must not fail when we are slow.
  ::fcntl(pipe.reader.get(), F_SETFL, O_NONBLOCK);
  return pipe;
}

}  // namespace

Child start_child(const std::vector<std::string>& arguments) {
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  std::vector<char*> argv{const_cast<char*>("agentctl")};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.writer.get(), 1);
  ::posix_spawn_file_actions_adddup2(&actions, err.writer.get(), 2);
  // The server ignores SIGPIPE, and takes SIGTERM from a descriptor.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t signals;
  ::sigemptyset(&signals);
  ::posix_spawnattr_setsigmask(&attributes, &signals);
  ::sigaddset(&signals, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &signals);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  Child child;
  // The very program that runs, also when a newer one has been installed in its place.
  const int failed = ::posix_spawn(&child.pid, "/proc/self/exe", &actions, &attributes, argv.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw cannot_start(failed);
  child.process.reset(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
  if (!child.process) {
    const int error_number = errno;
    ::kill(child.pid, SIGKILL);
    reap(child.pid);
    throw cannot_start(error_number);
  }
  child.out = std::move(out.reader);
  child.err = std::move(err.reader);
  return child;
}

int reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return 1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace agentctl
