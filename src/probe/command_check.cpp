#include "probe/command_check.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <string_view>
#include <system_error>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/system.hpp"
#include "base/text.hpp"

namespace agentctl {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t output_limit = 1u << 20;
constexpr std::size_t tail_length = 200;

struct Run {
  Fd out;
  Fd err;
  std::string output;
  std::string tail;  ///< of what it wrote on standard error
  pid_t pid = 0;
  std::optional<int> status;  ///< as waitpid(2) gives it
};

// While a check runs, the signals that end us are handled where its processes can be ended first.
class HeldSignals {
 public:
  HeldSignals() {
    sigset_t held;
    ::sigemptyset(&held);
    ::sigaddset(&held, SIGTERM);
    ::sigaddset(&held, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &held, &before_);
    fd_.reset(::signalfd(-1, &held, SFD_NONBLOCK | SFD_CLOEXEC));
  }
  ~HeldSignals() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

  int fd() const noexcept { return fd_.get(); }
  const sigset_t& before() const noexcept { return before_; }
  /// Takes what has come. SIGCHLD has done its work by waking who waits.
  void take() {
    signalfd_siginfo info{};
    while (::read(fd_.get(), &info, sizeof info) == sizeof info)
      if (info.ssi_signo == SIGTERM) is_terminated_ = true;
  }
  bool is_terminated() const noexcept { return is_terminated_; }

 private:
  sigset_t before_{};
  Fd fd_;
  bool is_terminated_ = false;
};

std::vector<pid_t> children() {
  std::vector<pid_t> pids;
  const std::string text = read_proc("/proc/self/task/" + std::to_string(::getpid()) + "/children", 1u << 16);
  for (std::string_view left = text; !left.empty();)
    if (const auto pid = parse_decimal(take_until(left, ' '))) pids.push_back(static_cast<pid_t>(*pid));
  return pids;
}

int milliseconds_until(steady_clock::time_point time) {
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(time - steady_clock::now()).count());
}

// Each killed parent hands its children to us. What forks faster than that, or does not end when it is killed (it waits
// for a disk, a debugger holds it), goes on when the moment given is over, and is left to the next check.
void end_all_children(HeldSignals& signals) {
  const auto limit = steady_clock::now() + std::chrono::seconds(2);
  for (int left = 1; left > 0; left = milliseconds_until(limit)) {
    for (const pid_t pid : children()) ::kill(pid, SIGKILL);
    const pid_t ended = ::waitpid(-1, nullptr, WNOHANG);
    if (ended < 0 && errno != EINTR) return;
    if (ended != 0) continue;
    pollfd waited{.fd = signals.fd(), .events = POLLIN, .revents = 0};
    ::poll(&waited, 1, std::max(0, milliseconds_until(limit)));
    signals.take();
  }
}

[[noreturn]] void exec_command(const HealthCheck& check, int out, int err, const sigset_t& signals) {
  ::setsid();
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(null, 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  ::signal(SIGPIPE, SIG_DFL);
  ::sigprocmask(SIG_SETMASK, &signals, nullptr);
  std::vector<char*> arguments;
  const auto add = [&](const std::string& word) { arguments.push_back(const_cast<char*>(word.c_str())); };
  const std::string shell = "/bin/sh";
  const std::string flag = "-c";
  if (check.shell) {
    add(shell);
    add(flag);
    add(check.target);
    arguments.push_back(nullptr);
    ::execv(shell.c_str(), arguments.data());
  } else {
    add(check.target);
    for (const std::string& argument : check.args) add(argument);
    arguments.push_back(nullptr);
    ::execvp(check.target.c_str(), arguments.data());
  }
  const std::string text = "cannot execute '" + check.target + "': " + std::generic_category().message(errno);
  [[maybe_unused]] const auto n = ::write(2, text.data(), text.size());
  ::_exit(127);
}

std::pair<Fd, Fd> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw system_error("cannot make a pipe", {}, errno);
  Fd reader(ends[0]);
  ::fcntl(reader.get(), F_SETFL, O_NONBLOCK);
  return {std::move(reader), Fd(ends[1])};
}

Run start(const HealthCheck& check, const HeldSignals& signals) {
  auto [out, out_end] = make_pipe();
  auto [err, err_end] = make_pipe();
  Run run;
  run.pid = ::fork();
  if (run.pid < 0) throw system_error("cannot start a process", {}, errno);
  if (run.pid == 0) exec_command(check, out_end.get(), err_end.get(), signals.before());
  run.out = std::move(out);
  run.err = std::move(err);
  return run;
}

// All that a pipe holds, but not for as long as somebody goes on writing.
void read_into(Fd& fd, std::string& text, std::size_t limit, bool keep_end) {
  std::array<char, 16384> chunk{};
  for (int count = 0; fd && count < 16; ++count) {
    const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    if (n == 0) fd.reset();
    if (n > 0) text.append(chunk.data(), static_cast<std::size_t>(n));
    if (keep_end && text.size() > limit) text.erase(0, text.size() - limit);
    if (!keep_end && text.size() > limit) text.resize(limit);
  }
}

// False when it is not over in time, or we are to end. What it left running may hold its pipes, and is not waited for.
bool has_ended_in_time(Run& run, microseconds limit, HeldSignals& signals) {
  const auto until = steady_clock::now() + limit;
  for (;;) {
    int status = 0;
    if (::waitpid(run.pid, &status, WNOHANG) == run.pid) run.status = status;
    read_into(run.out, run.output, output_limit, false);
    read_into(run.err, run.tail, tail_length, true);
    if (run.status) return true;
    const int left = milliseconds_until(until);
    if (left <= 0) return false;
    std::array<pollfd, 3> waited{{{.fd = signals.fd(), .events = POLLIN, .revents = 0},
                                  {.fd = run.out.get(), .events = POLLIN, .revents = 0},
                                  {.fd = run.err.get(), .events = POLLIN, .revents = 0}}};
    ::poll(waited.data(), waited.size(), left);
    signals.take();
    if (signals.is_terminated()) return false;
  }
}

std::string describe(const Run& run) {
  if (WIFSIGNALED(*run.status))
    return "healthcheck command was killed by signal " + std::to_string(WTERMSIG(*run.status));
  std::string text = "healthcheck command exit " + std::to_string(WEXITSTATUS(*run.status));
  std::string tail = run.tail;
  while (tail.ends_with('\n')) tail.pop_back();
  return tail.empty() ? text : text + ": " + tail;
}

}  // namespace

CommandCheck::CommandCheck(const HealthCheck& check) : check_(check) {
  if (!check_.expect_regex.empty()) expected_.emplace(check_.expect_regex);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

CheckResult CommandCheck::operator()() const {
  try {
    HeldSignals signals;
    Run run = start(check_, signals);
    const microseconds limit = check_limit(check_);
    const bool in_time = has_ended_in_time(run, limit, signals);
    end_all_children(signals);
    // It takes effect as soon as the signals are held no more.
    if (signals.is_terminated()) ::raise(SIGTERM);
    if (!in_time) return {.error = "healthcheck command timeout after " + std::to_string(limit.count() / 1000) + "ms"};
    if (!WIFEXITED(*run.status) || WEXITSTATUS(*run.status) != 0) return {.error = describe(run)};
    if (expected_ && !expected_->matches(run.output))
      return {.error = "healthcheck stdout did not match regex /" + check_.expect_regex + "/"};
    return {};
  } catch (const Error& error) {
    return {.error = error.what()};
  }
}

}  // namespace agentctl
