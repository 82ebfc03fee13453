#include "output/program.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <termios.h>
#include <utmp.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <stdexcept>

#include "bus/private_bus.hpp"

namespace agentctl {
namespace {

using Clock = std::chrono::steady_clock;

int left_until(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return left > 0 ? static_cast<int>(left) : 0;
}

/// What execve(2) takes, made before the fork: a fork of a process with threads may only call what signal handlers may.
struct ExecArguments {
  explicit ExecArguments(const ProgramStart& start) : texts(start.argv) {
    for (const auto& [name, value] : start.environment) variables.push_back(name + "=" + value);
    for (std::string& text : texts) argv.push_back(text.data());
    for (std::string& text : variables) environment.push_back(text.data());
    argv.push_back(nullptr);
    environment.push_back(nullptr);
  }
  std::vector<std::string> texts;
  std::vector<std::string> variables;
  std::vector<char*> argv;
  std::vector<char*> environment;
};

[[noreturn]] void become(const ExecArguments& arguments, const char* cwd) {
  if (::chdir(cwd) == 0) ::execve(arguments.argv[0], arguments.argv.data(), arguments.environment.data());
  ::_exit(255);
}

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw std::runtime_error("cannot make a pipe");
    reader.reset(ends[0]);
    writer.reset(ends[1]);
  }
  Fd reader;
  Fd writer;
};

void kill_and_reap(pid_t& pid) {
  if (pid <= 0) return;
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  pid = -1;
}

// Its streams have been closed, so it is ending; and if it only closed them, the deadline is SIGKILL's.
int reap(pid_t& pid) {
  int status = 0;
  if (!eventually([&] { return ::waitpid(pid, &status, WNOHANG) != 0; })) {
    ADD_FAILURE() << "the program does not end";
    kill_and_reap(pid);
    return -1;
  }
  pid = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// False at the end of the stream.
bool read_into(int fd, std::string& text) {
  std::array<char, 65536> chunk;
  ssize_t n = 0;
  do n = ::read(fd, chunk.data(), chunk.size());
  while (n < 0 && errno == EINTR);
  if (n > 0) text.append(chunk.data(), static_cast<std::size_t>(n));
  return n > 0;
}

}  // namespace

Program::Program(const ProgramStart& start, Stdout out) {
  const ExecArguments arguments(start);
  Pipe out_pipe;
  Pipe err_pipe;
  if (out == Stdout::closed) out_pipe.reader.reset();
  const Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ == 0) {
    ::dup2(nothing.get(), STDIN_FILENO);
    ::dup2(out_pipe.writer.get(), STDOUT_FILENO);
    ::dup2(err_pipe.writer.get(), STDERR_FILENO);
    become(arguments, start.cwd.c_str());
  }
  out_ = std::move(out_pipe.reader);
  err_ = std::move(err_pipe.reader);
}

Program::~Program() { kill_and_reap(pid_); }

Outcome Program::finish() {
  Outcome outcome;
  const auto deadline = Clock::now() + patience;
  std::array<pollfd, 2> set{
      {{.fd = out_.get(), .events = POLLIN, .revents = 0}, {.fd = err_.get(), .events = POLLIN, .revents = 0}}};
  while (set[0].fd >= 0 || set[1].fd >= 0) {
    if (::poll(set.data(), set.size(), left_until(deadline)) == 0) {
      ADD_FAILURE() << "the program hangs; so far it printed:\n" << outcome.out << outcome.err;
      kill_and_reap(pid_);
      return outcome;
    }
    if (set[0].revents != 0 && !read_into(set[0].fd, outcome.out)) set[0].fd = -1;
    if (set[1].revents != 0 && !read_into(set[1].fd, outcome.err)) set[1].fd = -1;
  }
  outcome.status = reap(pid_);
  return outcome;
}

TerminalProgram::TerminalProgram(const ProgramStart& start, unsigned short columns) {
  const ExecArguments arguments(start);
  winsize size{};
  size.ws_row = 24;
  size.ws_col = columns;
  int terminal = -1;
  int program = -1;
  if (::openpty(&terminal, &program, nullptr, nullptr, &size) < 0) throw std::runtime_error("cannot make a terminal");
  terminal_.reset(terminal);
  const Fd program_side(program);
  ::fcntl(terminal, F_SETFD, FD_CLOEXEC);
  ::fcntl(program, F_SETFD, FD_CLOEXEC);
  termios settings{};
  ::tcgetattr(program, &settings);
  settings.c_oflag &= ~static_cast<tcflag_t>(OPOST);  // no \r before \n
  settings.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  ::tcsetattr(program, TCSANOW, &settings);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ == 0) {
    // login_tty(3): a session of its own, and this its terminal.
    if (::login_tty(program) < 0) ::_exit(255);
    become(arguments, start.cwd.c_str());
  }
}

TerminalProgram::~TerminalProgram() { kill_and_reap(pid_); }

bool TerminalProgram::read_some() { return read_into(terminal_.get(), shown_); }

bool TerminalProgram::wait_for(const std::string& text) {
  const auto deadline = Clock::now() + patience;
  while (shown_.find(text) == std::string::npos) {
    pollfd set{.fd = terminal_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&set, 1, left_until(deadline)) == 0 || !read_some()) return false;
  }
  return true;
}

void TerminalProgram::type(const std::string& keys) {
  if (::write(terminal_.get(), keys.data(), keys.size()) != static_cast<ssize_t>(keys.size()))
    ADD_FAILURE() << "cannot type";
}

Outcome TerminalProgram::finish() {
  const auto deadline = Clock::now() + patience;
  for (;;) {
    pollfd set{.fd = terminal_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&set, 1, left_until(deadline)) == 0) {
      ADD_FAILURE() << "the program hangs; so far it printed:\n" << shown_;
      kill_and_reap(pid_);
      break;
    }
    if (!read_some()) break;
  }
  return {.status = pid_ > 0 ? reap(pid_) : -1, .out = shown_, .err = {}};
}

}  // namespace agentctl
