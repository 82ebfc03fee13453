#include "host/command.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/fd.hpp"

namespace agentctl {
namespace {

enum class Step { none, session, streams, directory, exec };

struct Failure {
  Step step = Step::none;
  int error = 0;
};

struct Prepared {
  const char* executable;
  const char* directory;
  std::vector<char*> arguments;
  std::vector<char*> environment;
};

std::vector<char*> to_pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Runs in the child of vfork(2), on the parent's memory: it may only make system calls.
[[noreturn]] void run_child(const Prepared& prepared, const CommandStreams& streams, volatile Failure& failure) {
  const auto fail = [&](Step step) {
    failure.step = step;
    failure.error = errno;
    ::_exit(126);
  };
  // systemd starts us with SIGPIPE ignored, and ignored signals stay so over exec.
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
  if (::setsid() < 0) fail(Step::session);
  if (::dup2(streams.in, 0) < 0 || ::dup2(streams.out, 1) < 0 || ::dup2(streams.err, 2) < 0) fail(Step::streams);
  // Ours are close-on-exec anyway; this is for what somebody else let us inherit. Linux before 5.11 refuses: no matter.
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  if (::chdir(prepared.directory) < 0) fail(Step::directory);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(prepared.executable, prepared.arguments.data(), prepared.environment.data());
  fail(Step::exec);
  ::_exit(126);
}

// vfork(2): the child's memory is ours until it execs, so that the failed step needs no pipe to come back, and a host
// that was handed a large launch need not copy its page tables. It returns when the child has exec'ed or ended.
__attribute__((noinline)) pid_t spawn(const Prepared& prepared, const CommandStreams& streams,
                                      volatile Failure& failure) {
  const pid_t pid = ::vfork();                          // NOLINT(clang-analyzer-security.insecureAPI.vfork)
  if (pid == 0) run_child(prepared, streams, failure);  // NOLINT(clang-analyzer-unix.Vfork)
  return pid;
}

std::string reason_of(int error) { return std::generic_category().message(error); }

// The program after "#!", empty when the file is no script.
std::string interpreter_of(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::array<char, 256> head{};
  const ssize_t n = fd ? ::read(fd.get(), head.data(), head.size()) : 0;
  std::string_view line(head.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  if (!line.starts_with("#!")) return {};
  line = line.substr(2, line.find('\n') - 2);
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  return std::string(line.substr(0, line.find_first_of(" \t\r")));
}

StartError explain_exec(const std::string& path, int error) {
  const std::string prefix = "cannot execute '" + path + "': ";
  if (error != ENOENT) return {.text = prefix + reason_of(error), .status = 126};
  if (::access(path.c_str(), F_OK) < 0) return {.text = prefix + reason_of(error), .status = 127};
  // The kernel means the program that is to run it.
  const std::string interpreter = interpreter_of(path);
  if (interpreter.empty()) return {.text = prefix + "its dynamic loader is missing", .status = 126};
  return {.text = prefix + "its interpreter '" + interpreter + "' does not exist", .status = 126};
}

StartError explain(const Launch& launch, const Failure& failure) {
  switch (failure.step) {
    case Step::directory:
      return {.text = "cannot enter '" + launch.record.request.cwd + "': " + reason_of(failure.error), .status = 126};
    case Step::exec: return explain_exec(launch.executable, failure.error);
    case Step::none:
    case Step::session:
    case Step::streams: break;
  }
  return {.text = "cannot prepare '" + launch.executable + "': " + reason_of(failure.error), .status = 126};
}

}  // namespace

std::variant<pid_t, StartError> start_command(const Launch& launch, const CommandStreams& streams) {
  const Prepared prepared{.executable = launch.executable.c_str(),
                          .directory = launch.record.request.cwd.empty() ? "/" : launch.record.request.cwd.c_str(),
                          .arguments = to_pointers(launch.record.request.command),
                          .environment = to_pointers(launch.environment)};
  volatile Failure failure;
  const pid_t pid = spawn(prepared, streams, failure);
  if (pid < 0) return StartError{.text = "cannot start a process: " + reason_of(errno), .status = 126};
  const Failure failed{.step = failure.step, .error = failure.error};
  if (failed.step == Step::none) return pid;
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return explain(launch, failed);
}

}  // namespace agentctl
