#include "base/process.hpp"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/child_process.hpp"

namespace agentctl {
namespace {

using testing::Contains;
using testing::Not;

TEST(Process, IsWhatProcSaysOfIt) {
  const auto self = find_process(::getpid());
  ASSERT_TRUE(self.has_value());
  EXPECT_EQ(self->pid, ::getpid());
  EXPECT_EQ(self->parent, ::getppid());
  EXPECT_EQ(self->uid, ::geteuid());
  ASSERT_FALSE(self->command.empty());
  EXPECT_THAT(self->command.front(), testing::HasSubstr("base_test"));
  EXPECT_EQ(self->cwd.front(), '/');
  EXPECT_LE(self->started_at, now());
  EXPECT_GT(self->started_at, now() - std::chrono::hours(1));
}

TEST(Process, IsNothingWhenThereIsNone) {
  EXPECT_FALSE(find_process(4194304).has_value());
  EXPECT_FALSE(find_process(-1).has_value());
}

TEST(Process, IsAZombieUntilItsParentHasLooked) {
  EXPECT_FALSE(find_process(::getpid())->is_zombie);
  const ChildProcess child([](const ChildProcess::Ready&) { return 0; });
  siginfo_t ended{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child.pid()), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(find_process(child.pid())->is_zombie);
}

TEST(ProcessTree, HoldsTheDescendantsAndNobodyElse) {
  ChildProcess child([](const ChildProcess::Ready& ready) {
    if (::fork() == 0) {
      ::pause();
      return 0;
    }
    ready();
    ::pause();
    return 0;
  });
  ASSERT_TRUE(child.await_ready());
  const auto tree = process_tree(child.pid());
  ASSERT_EQ(tree.size(), 2U);
  EXPECT_EQ(tree.front(), child.pid());
  EXPECT_EQ(find_process(tree.back())->parent, child.pid());
  EXPECT_THAT(tree, Not(Contains(::getpid())));
  ::kill(tree.back(), SIGKILL);
}

}  // namespace
}  // namespace agentctl
