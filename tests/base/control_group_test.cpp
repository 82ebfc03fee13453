#include "base/control_group.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.hpp"
#include "support/temporary_folder.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

/// A folder with files as the kernel has them. Where the hierarchy is, is not the test's to say, so the way to the
/// folder leads up to the root first.
class ControlGroup : public testing::Test {
 protected:
  void SetUp() override {
    if (!exists("/sys/fs/cgroup/cgroup.procs") && !exists("/sys/fs/cgroup/unified"))
      GTEST_SKIP() << "there is no version 2 hierarchy to start from";
    group = "/../../../.." + folder.path();
  }
  TemporaryFolder folder;
  std::string group;
};

TEST_F(ControlGroup, GivesWhatTheControllersAccount) {
  put_file(folder / "cpu.stat", "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\n");
  put_file(folder / "memory.current", "1048576\n");
  put_file(folder / "memory.peak", "2097152\n");
  put_file(folder / "pids.current", "3\n");
  const ControlGroupUsage usage = read_usage(group);
  EXPECT_EQ(usage.cpu_ns, 1'234'567'000U);
  EXPECT_EQ(usage.memory_bytes, 1'048'576U);
  EXPECT_EQ(usage.memory_peak_bytes, 2'097'152U);
  EXPECT_EQ(usage.processes, 3U);
}

TEST_F(ControlGroup, CountsProcessesItselfWhereNoControllerDoes) {
  make_directories(folder / "below/it");
  put_file(folder / "cgroup.procs", "10\n11\n");
  put_file(folder / "below/cgroup.procs", "");
  put_file(folder / "below/it/cgroup.procs", "12\n");
  const ControlGroupUsage usage = read_usage(group);
  EXPECT_EQ(usage.processes, 3U);
  EXPECT_EQ(usage.cpu_ns, std::nullopt);
  EXPECT_EQ(usage.memory_bytes, std::nullopt);
  EXPECT_EQ(usage.memory_peak_bytes, std::nullopt);
}

TEST_F(ControlGroup, HasNoMemoryPeakOnAnOlderKernel) {
  put_file(folder / "memory.current", "4096\n");
  const ControlGroupUsage usage = read_usage(group);
  EXPECT_EQ(usage.memory_bytes, 4096U);
  EXPECT_EQ(usage.memory_peak_bytes, std::nullopt);
}

TEST_F(ControlGroup, TakesNoNumberFromWhatIsNone) {
  put_file(folder / "cpu.stat", "usage_usec_other 5\nusage_usec many\n");
  put_file(folder / "memory.current", "max\n");
  EXPECT_EQ(read_usage(group).cpu_ns, std::nullopt);
  EXPECT_EQ(read_usage(group).memory_bytes, std::nullopt);
}

TEST_F(ControlGroup, ThatIsGoneHasNothing) {
  const ControlGroupUsage usage = read_usage(group + "/gone");
  EXPECT_EQ(usage.cpu_ns, std::nullopt);
  EXPECT_EQ(usage.processes, std::nullopt);
  EXPECT_THAT(read_processes(group + "/gone"), IsEmpty());
  EXPECT_EQ(count_oom_kills(group + "/gone"), 0U);
}

TEST_F(ControlGroup, IsKnownByItsNumberAndThoseBelow) {
  make_directories(folder / "below/it");
  struct stat status {};
  ASSERT_EQ(::stat((folder / "below/it").c_str(), &status), 0);
  EXPECT_TRUE(has_group_id(group, status.st_ino));
  EXPECT_TRUE(has_group_id(group + "/below/it", status.st_ino));
  ASSERT_EQ(::stat((folder / "below").c_str(), &status), 0);
  EXPECT_TRUE(has_group_id(group, status.st_ino));
  EXPECT_FALSE(has_group_id(group + "/below/it", status.st_ino));
}

TEST_F(ControlGroup, GivesEveryProcessInItAndBelow) {
  make_directories(folder / "child");
  std::string many;
  for (int pid = 1000; pid < 3000; ++pid) many += std::to_string(pid) + "\n";
  put_file(folder / "cgroup.procs", many);
  put_file(folder / "child/cgroup.procs", "5\n6\n");
  EXPECT_EQ(read_processes(group).size(), 2002U);
  EXPECT_THAT(read_processes(group + "/child"), UnorderedElementsAre(5, 6));
}

TEST(ChildGroups, AreNoneOfAGroupThatIsGone) { EXPECT_EQ(count_child_groups("/no/such/group"), 0U); }

TEST_F(ControlGroup, CountsWhatTheKernelKilledForMemory) {
  put_file(folder / "memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n");
  EXPECT_EQ(count_oom_kills(group), 1U);
}

TEST(UnitGroup, IsThatOfTheWholeUnit) {
  EXPECT_EQ(unit_group("0::/a.slice/b.service\n"), "/a.slice/b.service");
  EXPECT_EQ(unit_group("4:memory:/x\n1:name=systemd:/y\n0::/a.slice/b.service/.control\n"), "/a.slice/b.service");
  EXPECT_EQ(unit_group("0::/b.service/deep.control"), "/b.service/deep.control");
  EXPECT_EQ(unit_group("4:memory:/x\n"), "");
  EXPECT_EQ(unit_group(""), "");
}

}  // namespace
}  // namespace agentctl
