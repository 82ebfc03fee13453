#include "base/leftovers.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "support/child_process.hpp"

namespace agentctl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

/// Ends when it is told to, and then with status 3.
ChildProcess obedient() {
  return ChildProcess([](const ChildProcess::Ready& ready) {
    ::signal(SIGTERM, [](int) { ::_exit(3); });
    ready();
    for (;;) ::pause();
    return 0;
  });
}

/// Those of them that have not ended.
std::vector<pid_t> living(const std::vector<pid_t>& pids) {
  std::vector<pid_t> left;
  for (const pid_t pid : pids) {
    siginfo_t ended{};
    if (::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0)
      left.push_back(pid);
  }
  return left;
}

TEST(Leftovers, AreWaitedForAndLeftAloneUntilTheirTimeIsUp) {
  ChildProcess a = obedient();
  ChildProcess b = obedient();
  ASSERT_TRUE(a.await_ready() && b.await_ready());
  // Ends the one when the other has ended.
  const ChildProcess manager([&](const ChildProcess::Ready&) {
    pollfd end{.fd = static_cast<int>(::syscall(SYS_pidfd_open, b.pid(), 0)), .events = POLLIN, .revents = 0};
    ::poll(&end, 1, -1);
    ::kill(a.pid(), SIGTERM);
    return 0;
  });
  const Monotonic began = steady_clock::now();
  int looks = 0;
  EXPECT_TRUE(end_leftovers(
      [&] {
        if (++looks == 1) ::kill(b.pid(), SIGTERM);
        return living({a.pid(), b.pid()});
      },
      began + seconds(60), began + seconds(61)));
  EXPECT_LE(looks, 3) << "it sleeps while it waits";
  EXPECT_EQ(WEXITSTATUS(a.wait()), 3);
  EXPECT_EQ(WEXITSTATUS(b.wait()), 3);
}

TEST(Leftovers, AreKilledWhenTheirTimeIsUpAndSoIsWhatComesLater) {
  ChildProcess a = obedient();
  ChildProcess b = obedient();
  ASSERT_TRUE(a.await_ready() && b.await_ready());
  const Monotonic began = steady_clock::now();
  EXPECT_TRUE(end_leftovers(
      [&] {
        const std::vector<pid_t> first = living({a.pid()});
        return first.empty() ? living({b.pid()}) : first;
      },
      began + milliseconds(100), began + seconds(60)));
  EXPECT_GE(steady_clock::now() - began, milliseconds(100));
  EXPECT_EQ(WTERMSIG(a.wait()), SIGKILL);
  EXPECT_EQ(WTERMSIG(b.wait()), SIGKILL);
}

TEST(Leftovers, ThatCannotBeKilledAreGivenUpOn) {
  const Monotonic began = steady_clock::now();
  int looks = 0;
  EXPECT_FALSE(end_leftovers(
      [&] {
        ++looks;
        return std::vector<pid_t>{4194304};  // no pid: pid_max
      },
      began, began + milliseconds(100)));
  EXPECT_LE(looks, 12) << "it sleeps between its looks";
}

TEST(Leftovers, AreNoneMostOfTheTime) {
  EXPECT_TRUE(end_leftovers([] { return std::vector<pid_t>{}; }, Monotonic{}, Monotonic{}));
}

}  // namespace
}  // namespace agentctl
