#include "base/leftovers.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "base/fd.hpp"

namespace agentctl {
namespace {

using std::chrono::steady_clock;

// glibc 2.36 declares its own for C only.
Fd open_process(pid_t pid) { return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

timespec time_until(Monotonic until) {
  const auto left = std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(until - steady_clock::now()));
  return {.tv_sec = left.count() / 1'000'000'000, .tv_nsec = left.count() % 1'000'000'000};
}

// Returns when they have ended, or that time has come. Of thousands it waits for a part: the caller looks again.
void await_processes(const std::vector<pid_t>& pids, Monotonic until) {
  constexpr std::size_t most = 256;  // descriptors
  std::vector<Fd> processes;
  std::vector<pollfd> polled;
  for (std::size_t i = 0; i < std::min(pids.size(), most); ++i) {
    const Fd& process = processes.emplace_back(open_process(pids[i]));
    if (process) polled.push_back({.fd = process.get(), .events = POLLIN, .revents = 0});
  }
  // They are just gone; or there are no descriptors left, and to look again at once would help nobody.
  if (polled.empty()) ::poll(nullptr, 0, 10);
  while (!polled.empty()) {
    const timespec timeout = time_until(until);
    const int ready = ::ppoll(polled.data(), polled.size(), &timeout, nullptr);
    if (ready == 0) return;
    if (ready > 0) std::erase_if(polled, [](const pollfd& process) { return process.revents != 0; });
  }
}

}  // namespace

bool end_leftovers(const std::function<std::vector<pid_t>()>& list, Monotonic kill_at, Monotonic give_up_at) {
  // What is forked while the others are being killed is seen at the next look.
  constexpr std::chrono::milliseconds between_kills{100};
  for (;;) {
    const std::vector<pid_t> left = list();
    const Monotonic now = steady_clock::now();
    if (left.empty()) return true;
    if (now >= give_up_at) return false;
    if (now >= kill_at)
      for (const pid_t pid : left) ::kill(pid, SIGKILL);
    await_processes(left, now < kill_at ? kill_at : std::min(give_up_at, now + between_kills));
  }
}

}  // namespace agentctl
