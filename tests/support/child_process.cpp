#include "support/child_process.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <utility>

namespace agentctl {

ChildProcess::ChildProcess(const std::function<int(const Ready&)>& body) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw std::runtime_error("cannot make a pipe");
  ready_.reset(ends[0]);
  Fd writer(ends[1]);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ > 0) return;
  ready_.reset();
  int status = 99;
  try {
    status = body([&] {
      if (::write(writer.get(), "", 1) != 1) ::_exit(98);
    });
  } catch (...) {
    // 99 says so.
  }
  ::_exit(status);  // what GoogleTest and the sanitizers do at exit is the parent's
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : ready_(std::move(other.ready_)), pid_(std::exchange(other.pid_, -1)) {}

ChildProcess::~ChildProcess() { kill(); }

bool ChildProcess::await_ready() {
  char byte = 0;
  ssize_t n = 0;
  do n = ::read(ready_.get(), &byte, 1);
  while (n < 0 && errno == EINTR);
  return n == 1;
}

int ChildProcess::wait() {
  int status = -1;
  if (pid_ <= 0) return status;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return status;
}

void ChildProcess::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  wait();
}

ChildProcess as_stranger(const std::function<bool()>& body) {
  return ChildProcess([&](const ChildProcess::Ready&) {
    constexpr unsigned nobody = 65534;
    if (::getuid() == 0 && (::setgroups(0, nullptr) < 0 || ::setgid(nobody) < 0 || ::setuid(nobody) < 0)) return 2;
    return body() ? 0 : 1;
  });
}

}  // namespace agentctl
