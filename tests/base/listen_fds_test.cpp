#include "base/listen_fds.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/unix_socket.hpp"

namespace agentctl {
namespace {

void say(const std::string& pid, const std::string& count) {
  ::setenv("LISTEN_PID", pid.c_str(), 1);
  ::setenv("LISTEN_FDS", count.c_str(), 1);
  ::setenv("LISTEN_FDNAMES", "a:b", 1);
}

// In a child: descriptors from 3 on are its own there.
int sockets_of_a_child(const std::string& count, bool ours) {
  const pid_t child = ::fork();
  if (child == 0) {
    const Fd listening = make_unix_socket(SOCK_STREAM);
    const UnixAddress address("@agentctl-listen-fds-" + std::to_string(::getpid()));
    const int target = 3;
    if (::bind(listening.get(), address.get(), address.size) < 0 || ::listen(listening.get(), 1) < 0) ::_exit(99);
    if (listening.get() != target) ::dup2(listening.get(), target);
    ::fcntl(target, F_SETFD, 0);
    if (::dup2(::open("/dev/null", O_RDONLY), target + 1) < 0) ::_exit(98);
    say(std::to_string(ours ? ::getpid() : 1), count);
    const auto sockets = take_listen_fds();
    if (std::getenv("LISTEN_PID") != nullptr || std::getenv("LISTEN_FDS") != nullptr ||
        std::getenv("LISTEN_FDNAMES") != nullptr)
      ::_exit(97);
    if (!sockets.empty() && ::fcntl(target, F_GETFD) != FD_CLOEXEC) ::_exit(96);
    ::_exit(static_cast<int>(sockets.size()));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

TEST(ListenFds, AreTheListeningSocketsFromThreeOn) {
  EXPECT_EQ(sockets_of_a_child("1", true), 1);
  EXPECT_EQ(sockets_of_a_child("2", true), 1);  // the other is no socket
}

TEST(ListenFds, AreNoneWhenTheyAreNotForUs) {
  EXPECT_EQ(sockets_of_a_child("1", false), 0);
  for (const char* count : {"0", "", "-1", "x", "17", "99999999999999999999"})
    EXPECT_EQ(sockets_of_a_child(count, true), 0) << count;
}

}  // namespace
}  // namespace agentctl
