#include "app/reconcile.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "app_fixture.hpp"
#include "base/file.hpp"
#include "support/child_process.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Reconcile : public AppTest {
 protected:
  Launch launch_of(const Record& record) const {
    Launch launch;
    launch.record = record;
    launch.executable = "/bin/sleep";
    launch.registry = registry.root();
    return launch;
  }
  /// A folder whose starter has gone without a word.
  void leave_folder(const Record& record) { runtime.create(launch_of(record), std::nullopt); }
  void age(const std::string& id) const {
    const timespec times[2]{{.tv_sec = 1000, .tv_nsec = 0}, {.tv_sec = 1000, .tv_nsec = 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, runtime.folder(id).c_str(), times, 0), 0);
  }
  static std::vector<std::string> ids(const std::vector<Record>& records) {
    std::vector<std::string> found;
    for (const Record& record : records) found.push_back(record.id);
    return found;
  }
};

TEST_F(Reconcile, FindsNothingToDoWhereAllIsWell) {
  const Record record = add_session("web");
  leave_folder(record);
  add_ended("old", 'c');
  const ReconcileReport report = reconcile(context);
  EXPECT_THAT(report.ended, IsEmpty());
  EXPECT_THAT(report.removed, IsEmpty());
  EXPECT_THAT(report.restored, IsEmpty());
  EXPECT_TRUE(runtime.launch(record.id).has_value());
  EXPECT_FALSE(stored(record).end.has_value());
}

TEST_F(Reconcile, EndsWhatAnEarlierBootLeftAsLostWithTheEvidence) {
  Record record = sample_record("web");
  record.boot_id = "ffffffffffffffffffffffffffffffff";
  registry.create(record);
  const ReconcileReport report = reconcile(context);
  ASSERT_THAT(ids(report.ended), ElementsAre(record.id));
  EXPECT_EQ(report.ended.front().end->state, State::lost);
  EXPECT_EQ(stored(record).end->state, State::lost);
  EXPECT_EQ(stored(record).end->reason, "the host went down while it ran (boot ffffffff, now 01234567)");
  EXPECT_EQ(engine.count("forget agentctl-web.service"), 1U) << "its moved time limit must not be the next one's";
}

TEST_F(Reconcile, TakesWhatIsOnTheRuntimeTmpfsForThisBootsWhateverTheBootIdSays) {
  Record record = sample_record("web");
  record.boot_id = "ffffffffffffffffffffffffffffffff";
  registry.create(record);
  HostNote note;
  note.started_at = sample_time(1);
  note.exit_code = 0;
  put_note(record, note);
  reconcile(context);
  EXPECT_EQ(stored(record).end->state, State::exited);
  EXPECT_FALSE(exists(runtime.folder(record.id)));
}

TEST_F(Reconcile, LeavesASessionAloneThatLivesThoughTheBootIdDiffers) {
  Record record = sample_record("web");
  record.boot_id = "ffffffffffffffffffffffffffffffff";
  registry.create(record);
  leave_folder(record);
  engine.add_unit(record);
  EXPECT_EQ(reconcile_record(context, record), std::nullopt);
  EXPECT_TRUE(runtime.launch(record.id).has_value());
  EXPECT_FALSE(stored(record).end.has_value());
}

TEST_F(Reconcile, TakesTheHostsWordForHowItEndedWhenTheRecorderWasKilled) {
  const Record record = add_record("web");
  leave_folder(record);
  HostNote note;
  note.pid = 4711;
  note.invocation_id = "i1";
  note.started_at = sample_time(1);
  note.exit_signal = SIGSEGV;
  note.core_dumped = true;
  note.exited_at = sample_time(8);
  note.log_lost = 2;
  put_note(record, note);
  reconcile(context);
  const End end = *stored(record).end;
  EXPECT_EQ(end.state, State::failed);
  EXPECT_EQ(end.reason, "killed by SIGSEGV (core dumped)");
  EXPECT_EQ(end.ended_at, sample_time(8));
  EXPECT_EQ(end.log_lost, 2U);
}

TEST_F(Reconcile, KeepsTheStatusOfACommandThatCouldNotBeRun) {
  const Record record = add_record("web");
  leave_folder(record);
  HostNote note;
  note.start_error = "cannot run '/x': Exec format error";
  note.start_status = 126;
  put_note(record, note);
  reconcile(context);
  EXPECT_EQ(stored(record).end->reason, "cannot run '/x': Exec format error");
  EXPECT_EQ(stored(record).end->exit.code, 126);
}

TEST_F(Reconcile, KnowsThatAStopWasAskedForWhenTheRecorderWasKilled) {
  const Record record = add_record("web");
  registry.update("web", record.id, [&](Record& live) {
    live.stop = StopRequest{.by = context.asker, .reason = "enough", .at = sample_time(5)};
  });
  HostNote note;
  note.started_at = sample_time(1);
  note.terminated_at = sample_time(5);
  note.exit_signal = SIGTERM;
  put_note(record, note);
  reconcile(context);
  EXPECT_EQ(stored(record).end->state, State::stopped);
  EXPECT_EQ(stored(record).end->reason, "stopped by ann: enough");
}

TEST_F(Reconcile, CallsItLostWhenNobodyCanSayHowItEnded) {
  const Record record = add_record("web");
  HostNote note;
  note.started_at = sample_time(1);
  put_note(record, note);
  reconcile(context);
  EXPECT_EQ(stored(record).end->state, State::lost);
  EXPECT_EQ(stored(record).end->reason, "its unit is gone and no recorder could say how it ended");
}

TEST_F(Reconcile, IsNotMisledByANoteThatIsGarbage) {
  const Record record = add_record("web");
  leave_folder(record);
  put_file(runtime.folder(record.id) + "/" + host_note_file, "{\"exit_code\":");
  EXPECT_THAT(ids(reconcile(context).ended), ElementsAre(record.id));
}

TEST_F(Reconcile, EndsWhatAStarterLeftWhenItWasKilled) {
  const Record record = add_record("web");
  ChildProcess starter([&](const ChildProcess::Ready& ready) {
    const HeldLaunch held = runtime.create(launch_of(record), std::nullopt);
    ready();
    ::pause();
    return 0;
  });
  ASSERT_TRUE(starter.await_ready());
  EXPECT_THAT(reconcile(context).ended, IsEmpty()) << "its starter is at it";
  EXPECT_TRUE(runtime.launch(record.id).has_value());
  starter.kill();
  EXPECT_THAT(ids(reconcile(context).ended), ElementsAre(record.id));
  EXPECT_EQ(stored(record).end->reason, "it was never started: the agentctl that asked for it was gone");
  EXPECT_FALSE(exists(runtime.folder(record.id)));
}

TEST_F(Reconcile, GivesTheLaunchBackToAUnitThatComesUpAfterAll) {
  const Record record = add_record("web");
  leave_folder(record);
  // systemd had the call of the dead starter, and the unit appears just now.
  int looks = 0;
  engine.on_inspect = [&](const std::string&) {
    if (++looks == 1) return;
    EXPECT_FALSE(runtime.launch(record.id).has_value()) << "taken away first, so that no host can start in between";
    engine.add_unit(record, Activity::activating);
  };
  EXPECT_EQ(reconcile_record(context, record), std::nullopt);
  EXPECT_TRUE(runtime.launch(record.id).has_value());
  EXPECT_FALSE(stored(record).end.has_value());
}

TEST_F(Reconcile, LeavesTheLaunchToAHostThatIsAboutToReadIt) {
  const Record record = add_record("web");
  leave_folder(record);
  engine.add_unit(record, Activity::activating);
  engine.on_inspect = [&](const std::string&) { EXPECT_TRUE(runtime.launch(record.id).has_value()); };
  EXPECT_EQ(reconcile_record(context, record), std::nullopt);
}

TEST_F(Reconcile, DoesNotEndWhatARecorderHasJustEnded) {
  const Record record = add_record("web");
  registry.finish(record, sample_end(State::stopped));
  EXPECT_EQ(reconcile_record(context, record), std::nullopt);
  EXPECT_EQ(stored(record).end->state, State::stopped);
}

TEST_F(Reconcile, WritesARecordAgainThatALiveUnitHasLost) {
  const Record record = sample_record("web");
  leave_folder(record);
  engine.add_unit(record);
  const ReconcileReport report = reconcile(context);
  EXPECT_THAT(ids(report.restored), ElementsAre(record.id));
  ASSERT_EQ(registry.live().size(), 1U);
  EXPECT_THAT(registry.live().front().request.command, ElementsAre("sleep", "60"));
  EXPECT_THAT(reconcile(context).restored, IsEmpty());
}

TEST_F(Reconcile, LeavesARecordToTheRegistryThatItIsKeptIn) {
  Launch launch = launch_of(sample_record("web"));
  launch.registry = "/another/state";
  runtime.create(launch, std::nullopt);
  engine.add_unit(launch.record);
  EXPECT_THAT(reconcile(context).restored, IsEmpty());
  EXPECT_THAT(registry.live(), IsEmpty());
}

TEST_F(Reconcile, DoesNotBringBackARecordThatHasEndedWhileItsUnitGoesDown) {
  const Record record = add_ended("web");
  leave_folder(record);
  engine.add_unit(record, Activity::deactivating);
  EXPECT_THAT(reconcile(context).restored, IsEmpty());
  EXPECT_THAT(registry.live(), IsEmpty());
}

TEST_F(Reconcile, DoesNotMakeUpARecordFromAUnitAlone) {
  engine.add_unit(sample_record("web"));
  EXPECT_THAT(reconcile(context).restored, IsEmpty());
  EXPECT_THAT(registry.live(), IsEmpty());
}

TEST_F(Reconcile, RemovesFoldersOfNobodyWhenTheyAreOldEnough) {
  const Record young = sample_record("young", sample_id('c'));
  const Record old = sample_record("old", sample_id('d'));
  leave_folder(young);
  leave_folder(old);
  age(old.id);
  const ReconcileReport report = reconcile(context);
  EXPECT_THAT(report.removed, ElementsAre(old.id));
  EXPECT_TRUE(exists(runtime.folder(young.id)));
  EXPECT_FALSE(exists(runtime.folder(old.id)));
}

TEST_F(Reconcile, IsNotHeldUpByAFolderThatASessionHasMadeImmovable) {
  const Record stuck = sample_record("stuck", sample_id('c'));
  const Record old = sample_record("old", sample_id('d'));
  for (const Record& record : {stuck, old}) leave_folder(record);
  make_directories(runtime.folder(stuck.id) + "/made by the session");
  for (const Record& record : {stuck, old}) age(record.id);
  const Record dead = add_record("web", 'b');
  make_directories(runtime.folder(dead.id) + "/made by the session");
  const ReconcileReport report = reconcile(context);
  EXPECT_THAT(ids(report.ended), ElementsAre(dead.id));
  EXPECT_THAT(report.removed, ElementsAre(old.id));
}

TEST_F(Reconcile, MayBeDoneTwice) {
  add_record("web");
  EXPECT_EQ(reconcile(context).ended.size(), 1U);
  EXPECT_EQ(reconcile(context).ended.size(), 0U);
}

}  // namespace
}  // namespace agentctl
