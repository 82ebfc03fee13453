#include "store/runtime_folder.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/child_process.hpp"
#include "support/sample_records.hpp"
#include "support/temporary_folder.hpp"
#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

using testing::IsEmpty;
using testing::UnorderedElementsAre;

mode_t mode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

class RuntimeFoldersTest : public testing::Test {
 protected:
  RuntimeFoldersTest() {
    launch.record = sample_record("web", id);
    launch.executable = "/bin/sleep";
    launch.environment = {"TOKEN=secret"};
    launch.registry = "/state";
  }

  /// As if the folder had last been changed so long ago.
  void age(std::chrono::seconds by) const {
    const auto then = std::chrono::duration_cast<std::chrono::seconds>((now() - by).time_since_epoch()).count();
    const timespec times[2]{{.tv_sec = then, .tv_nsec = 0}, {.tv_sec = then, .tv_nsec = 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, folders.folder(id).c_str(), times, 0), 0);
  }

  const std::string id = sample_id('b');
  TemporaryFolder temporary;
  RuntimeFolders folders{temporary / "run/agentctl"};
  Launch launch;
};

TEST_F(RuntimeFoldersTest, HandTheLaunchToTheHost) {
  const HeldLaunch held = folders.create(launch, std::nullopt);
  EXPECT_EQ(held.folder, folders.folder(id));
  const auto read = folders.launch(id);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->executable, "/bin/sleep");
  EXPECT_THAT(folders.ids(), UnorderedElementsAre(id));
}

TEST_F(RuntimeFoldersTest, LetNobodyElseReadTheEnvironment) {
  const HeldLaunch held = folders.create(launch, std::nullopt);
  EXPECT_EQ(mode_of(temporary / "run/agentctl"), 0700U);
  EXPECT_EQ(mode_of(held.folder), 0700U);
  EXPECT_EQ(mode_of(held.folder + "/" + launch_file), 0600U);
}

TEST_F(RuntimeFoldersTest, DoNotBelieveAUserWhoSaysToBeRoot) {
  if (::getuid() != 0) GTEST_SKIP() << "only root can give files away";
  constexpr uid_t nobody = 65534;
  const HeldLaunch held = folders.create(launch, nobody);
  ASSERT_EQ(launch.record.request.user, "") << "what would run as root";
  EXPECT_EQ(folders.launch(id)->record.request.user, std::to_string(nobody));
}

TEST_F(RuntimeFoldersTest, GiveALaunchToTheUserThatItRunsAs) {
  if (::getuid() != 0) GTEST_SKIP() << "only root can give files away";
  constexpr uid_t nobody = 65534;
  const HeldLaunch held = folders.create(launch, nobody);
  EXPECT_EQ(mode_of(temporary / "run/agentctl"), 0711U);
  for (const std::string& path : {held.folder, held.folder + "/" + launch_file}) {
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, nobody) << path;
    EXPECT_EQ(status.st_mode & 077, 0U) << path;
  }
}

TEST_F(RuntimeFoldersTest, MakeEachLaunchOnce) {
  const HeldLaunch held = folders.create(launch, std::nullopt);
  EXPECT_EQ(thrown_by([&] { folders.create(launch, std::nullopt); }).object(), folders.folder(id));
}

TEST_F(RuntimeFoldersTest, KnowThatTheStarterLives) {
  auto held = std::optional(folders.create(launch, std::nullopt));
  EXPECT_TRUE(folders.starter_alive(id));
  held.reset();
  EXPECT_FALSE(folders.starter_alive(id));
  EXPECT_FALSE(folders.starter_alive(sample_id('c')));
}

TEST_F(RuntimeFoldersTest, TakeNobodyWhoAsksForTheStarter) {
  { const HeldLaunch held = folders.create(launch, std::nullopt); }
  ChildProcess other([&](const ChildProcess::Ready& ready) {
    ready();
    for (;;) folders.starter_alive(id);
    return 0;
  });
  ASSERT_TRUE(other.await_ready());
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_FALSE(folders.starter_alive(id)) << i;
    ASSERT_TRUE(folders.take_over(id).has_value()) << i;
  }
}

TEST_F(RuntimeFoldersTest, KnowThatTheStarterWasKilled) {
  ChildProcess starter([&](const ChildProcess::Ready& ready) {
    const HeldLaunch held = folders.create(launch, std::nullopt);
    ready();
    ::pause();
    return 0;
  });
  ASSERT_TRUE(starter.await_ready());
  EXPECT_TRUE(folders.starter_alive(id));
  starter.kill();
  EXPECT_FALSE(folders.starter_alive(id));
  EXPECT_TRUE(folders.launch(id).has_value()) << "what it left is there to be found";
}

TEST_F(RuntimeFoldersTest, TakeALaunchAwayAndGiveItBack) {
  const HeldLaunch held = folders.create(launch, std::nullopt);
  EXPECT_TRUE(folders.withdraw(id));
  EXPECT_EQ(folders.launch(id), std::nullopt) << "a host that comes up now starts nothing";
  EXPECT_FALSE(folders.withdraw(id));
  folders.give_back(id);
  EXPECT_TRUE(folders.launch(id).has_value());
}

TEST_F(RuntimeFoldersTest, ExistFromTheLaunchToTheEnd) {
  EXPECT_FALSE(folders.exists(id));
  { const HeldLaunch held = folders.create(launch, std::nullopt); }
  EXPECT_TRUE(folders.exists(id));
  folders.withdraw(id);
  EXPECT_TRUE(folders.exists(id));
  folders.remove(id);
  EXPECT_FALSE(folders.exists(id));
}

TEST_F(RuntimeFoldersTest, HaveNoLaunchToTakeAwayWhereNoneIs) {
  EXPECT_FALSE(folders.withdraw(id));
  EXPECT_NO_THROW(folders.give_back(id));
  EXPECT_EQ(folders.launch(id), std::nullopt);
}

TEST_F(RuntimeFoldersTest, AreAbandonedAfterAMinuteWithoutAStarter) {
  auto held = std::optional(folders.create(launch, std::nullopt));
  age(std::chrono::minutes(2));
  EXPECT_FALSE(folders.is_abandoned(id)) << "its starter lives";
  held.reset();
  EXPECT_TRUE(folders.is_abandoned(id));
  age(std::chrono::seconds(30));
  EXPECT_FALSE(folders.is_abandoned(id)) << "one may be just about to be started";
  EXPECT_FALSE(folders.is_abandoned(sample_id('c'))) << "there is none";
}

TEST_F(RuntimeFoldersTest, TakeNothingThatTheirOwnerPutThereForAStarter) {
  { const HeldLaunch held = folders.create(launch, std::nullopt); }
  const std::string lock = folders.folder(id) + "/starter.lock";
  ASSERT_EQ(::unlink(lock.c_str()), 0);
  ASSERT_EQ(::symlink("nowhere", lock.c_str()), 0);
  EXPECT_FALSE(folders.starter_alive(id));
  ASSERT_EQ(::unlink(lock.c_str()), 0);
  ASSERT_EQ(::mkfifo(lock.c_str(), 0600), 0);
  EXPECT_FALSE(folders.starter_alive(id));
  age(std::chrono::minutes(2));
  EXPECT_TRUE(folders.is_abandoned(id));
}

TEST_F(RuntimeFoldersTest, LoseWhatAStarterThatWasKilledLeftBesideThem) {
  const HeldLaunch held = folders.create(launch, std::nullopt);
  const std::string fresh = folders.folder(id) + ".launch";
  for (const std::string& path : {fresh, fresh + ".abcdef.tmp"}) {
    put_file(path, "TOKEN=secret");
    folders.remove_strays();
    EXPECT_TRUE(exists(path)) << "it may be just about to be renamed";
    const timespec long_ago[2]{{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), long_ago, 0), 0);
    folders.remove_strays();
    EXPECT_FALSE(exists(path));
  }
  EXPECT_TRUE(exists(held.folder));
}

TEST_F(RuntimeFoldersTest, AreRemovedWithAllThatTheHostLeft) {
  { const HeldLaunch held = folders.create(launch, std::nullopt); }
  put_file(folders.folder(id) + "/" + host_note_file, "{}");
  put_file(folders.folder(id) + "/" + control_socket, "");
  folders.remove(id);
  EXPECT_FALSE(exists(folders.folder(id)));
  EXPECT_NO_THROW(folders.remove(id));
}

TEST_F(RuntimeFoldersTest, ListOnlyWhatHasTheFormOfAnId) {
  EXPECT_THAT(folders.ids(), IsEmpty());
  const HeldLaunch held = folders.create(launch, std::nullopt);
  make_directories(temporary / "run/agentctl/other");
  make_directories(temporary / "run/agentctl/" + sample_id('c'));
  EXPECT_THAT(folders.ids(), UnorderedElementsAre(id, sample_id('c')));
}

TEST_F(RuntimeFoldersTest, ReadTheHostsNote) {
  const HeldLaunch held = folders.create(launch, std::nullopt);
  EXPECT_FALSE(folders.note(id).has_value());
  HostNote note;
  note.pid = 4711;
  put_file(held.folder + "/" + host_note_file, to_json(note));
  EXPECT_EQ(folders.note(id)->pid, 4711);
}

TEST_F(RuntimeFoldersTest, TakeNoNoteThatIsNone) {
  const HeldLaunch held = folders.create(launch, std::nullopt);
  const std::string file = held.folder + "/" + host_note_file;
  put_file(file, "{\"pid\":");
  EXPECT_FALSE(folders.note(id).has_value());
  put_file(file, "{\"invocation_id\":\"" + std::string(host_note_size_limit, 'x') + "\"}");
  EXPECT_FALSE(folders.note(id).has_value());
  remove_file(file);
  ASSERT_EQ(::symlink("/etc/passwd", file.c_str()), 0);
  EXPECT_FALSE(folders.note(id).has_value());
}

TEST_F(RuntimeFoldersTest, PlanAnAttemptForWhoeverItsHostRunsAs) {
  make_directories(folders.folder(id));
  const mode_t before = ::umask(077);
  folders.plan_attempt(id, {.not_before = sample_time('b'), .expires_at = {}});
  EXPECT_EQ(::umask(before), 077U) << "as it was";
  struct stat status {};
  ASSERT_EQ(::stat((folders.folder(id) + "/" + attempt_plan_file).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0644U);
}

TEST(RuntimeBase, IsOnTheTmpfsOfItsScope) {
  EXPECT_EQ(runtime_base(ManagerScope::system, "/run/user/1000"), "/run/agentctl");
  EXPECT_EQ(runtime_base(ManagerScope::user, "/run/user/1000"), "/run/user/1000/agentctl");
  EXPECT_EQ(RuntimeFolders("/run/user/1000/agentctl").parent(), "/run/user/1000");
}

}  // namespace
}  // namespace agentctl
