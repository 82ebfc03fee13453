#include "app/queue.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/reconcile.hpp"
#include "app/sessions.hpp"
#include "app_fixture.hpp"
#include "base/fd.hpp"
#include "base/file.hpp"
#include "support/child_process.hpp"
#include "support/sync_log.hpp"
#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Error systemd_says(ErrorCode code) {
  return Error({.code = code, .context = "cannot start", .object = "unit", .reason = "no", .hint = {}});
}

// The start would cancel a stop that is under way: shutdown.target conflicts with all units.
Error systemd_goes_down() { return systemd_says(ErrorCode::conflict); }

class Queue : public AppTest {
 protected:
  Queue() { put_file(folder / "config.json", R"({"pool_cap": 1})"); }

  Record in_pool(const std::string& name, char id, Queued queued) {
    Record record = sample_record(name, sample_id(id));
    record.created_at = sample_time(id);
    record.boot_id = "another boot";
    record.request.pool.name = "build";
    record.queued = queued;
    return record;
  }

  /// One to persist, in this boot, whose second attempt has no unit.
  Record between_attempts(char id, State first) {
    Record record = in_pool("bot", id, Queued::no);
    record.boot_id = context.boot_id;
    record.request.persist = true;
    record.attempt = 2;
    record.earlier_attempts = {sample_end(first)};
    registry.create(record);
    store_launch(record);
    Launch launch;
    launch.record = record;
    runtime.create(launch, std::nullopt);
    return record;
  }

  void store_launch(const Record& record) {
    Launch launch;
    launch.record = record;
    launch.record.queued = Queued::no;
    launch.executable = "/bin/true";
    launch.environment = {"TOKEN=s3cret"};
    registry.store_launch(launch);
  }

  Record queue(const std::string& name, char id) {
    const Record record = in_pool(name, id, Queued::by_anyone);
    store_launch(record);
    registry.create(record, {.cap = 1, .pools = {}});
    return record;
  }

  Record hold_slot() {
    Record record = in_pool("holder", 'a', Queued::no);
    record.boot_id = context.boot_id;
    registry.create(record);
    engine.add_unit(record);
    return record;
  }

  void end_holder(const Record& holder) { end_session(holder, sample_end()); }

  std::optional<Record> live(const Record& record) { return registry.find_live(record.request.name, record.id); }
};

TEST_F(Queue, StartsTheNextWhenThereIsRoom) {
  const Record holder = hold_slot();
  const Record next = queue("next", 'b');
  EXPECT_THAT(start_waiting(context), IsEmpty());
  end_holder(holder);
  EXPECT_EQ(start_waiting(context).size(), 1U);
  EXPECT_EQ(engine.count("request agentctl-next.service"), 1U);
  EXPECT_EQ(engine.count("start "), 0U) << "it does not wait until it runs";
  EXPECT_EQ(live(next)->queued, Queued::no);
  EXPECT_EQ(live(next)->boot_id, context.boot_id);
  EXPECT_THAT(runtime.launch(next.id)->environment, ElementsAre("TOKEN=s3cret"));
  EXPECT_FALSE(registry.stored_launch(next.id).has_value()) << "nobody starts it again";
  EXPECT_THAT(start_waiting(context), IsEmpty());
}

TEST_F(Queue, AClaimIsOnTheDiskBeforeSystemdIsAsked) {
  const Record next = queue("next", 'b');
  registry.requeue(next);
  std::vector<std::string> synced;
  engine.on_start = [&](const UnitSpec&) -> StartResult {
    synced = take_synced();
    EXPECT_EQ(live(next)->queued, Queued::no);
    return {};
  };
  take_synced();
  EXPECT_EQ(start_waiting(context).size(), 1U);
  const std::string live_folder = folder / "state/live";
  EXPECT_THAT(synced, ElementsAre(live_folder + "/" + name_shard("next") + ".jsonl", live_folder));
}

TEST_F(Queue, KeepsTheLineWhenSystemdTakesNothingAndTellsIt) {
  const Record next = queue("next", 'b');
  registry.requeue(next);
  engine.on_start = [](const UnitSpec&) -> StartResult { throw systemd_goes_down(); };
  EXPECT_THAT(start_waiting(context), IsEmpty());
  EXPECT_EQ(live(next)->queued, Queued::by_anyone);
  EXPECT_TRUE(registry.stored_launch(next.id).has_value());
  ASSERT_THAT(registry.troubles(), testing::SizeIs(1));
  EXPECT_EQ(registry.troubles().front().path, next.unit);
  engine.on_start = nullptr;
  EXPECT_THAT(start_waiting(context), testing::SizeIs(1));
}

TEST_F(Queue, LeavesAClaimToReconcileWhenSystemdDoesNotSayWhetherItHasTakenIt) {
  const Record next = queue("next", 'b');
  registry.requeue(next);
  engine.on_start = [&](const UnitSpec&) -> StartResult { throw systemd_says(ErrorCode::unreachable); };
  EXPECT_THAT(start_waiting(context), IsEmpty());
  EXPECT_EQ(live(next)->queued, Queued::no) << "it may run, and so it has its slot";
  EXPECT_TRUE(runtime.launch(next.id).has_value()) << "the host may be about to read it";
  EXPECT_THAT(registry.troubles(), testing::SizeIs(1)) << "the starter fails, and systemd calls reconcile";
  engine.on_start = nullptr;
  reconcile(context);
  EXPECT_EQ(engine.count("request agentctl-next.service"), 2U);
  EXPECT_EQ(live(next)->queued, Queued::no);
  reconcile(context);
  EXPECT_EQ(engine.count("request agentctl-next.service"), 2U) << "it runs once";
}

TEST_F(Queue, AStopThatComesBetweenTheClaimAndTheUnitStopsIt) {
  const Record next = queue("next", 'b');
  registry.requeue(next);
  const StopRequest stop{.by = context.asker, .reason = "enough", .at = sample_time(5)};
  engine.on_start = [&](const UnitSpec& spec) -> StartResult {
    registry.update("next", next.id, [&](Record& record) { record.stop = stop; });
    engine.units[spec.unit].state = {.unit = spec.unit, .description = spec.description};
    return {};
  };
  start_waiting(context);
  EXPECT_EQ(engine.count("stop agentctl-next.service"), 1U);
}

TEST_F(Queue, AStopOfWhatSystemdDidNotTakeIsNoStartLater) {
  const Record next = queue("next", 'b');
  registry.requeue(next);
  const StopRequest stop{.by = context.asker, .reason = "enough", .at = sample_time(5)};
  engine.on_start = [&](const UnitSpec&) -> StartResult {
    registry.update("next", next.id, [&](Record& record) { record.stop = stop; });
    throw systemd_goes_down();
  };
  start_waiting(context);
  engine.calls.clear();
  engine.on_start = nullptr;
  start_waiting(context);
  EXPECT_EQ(engine.count("request "), 0U);
  EXPECT_EQ(registry.find_ended("next", next.id)->end->reason, "cancelled by ann: enough");
}

TEST_F(Queue, WhatSystemdRefusesHasFailedAndMakesRoom) {
  const Record bad = queue("bad", 'b');
  registry.requeue(bad);
  const Record good = queue("good", 'c');
  engine.on_start = [&](const UnitSpec& spec) -> StartResult {
    if (spec.unit == bad.unit) throw systemd_says(ErrorCode::not_permitted);
    return {};
  };
  start_waiting(context);
  EXPECT_EQ(registry.find_ended("bad", bad.id)->end->state, State::failed);
  EXPECT_EQ(live(good)->queued, Queued::no);
}

TEST_F(Queue, OneThatCannotBeStartedFailsAloneAndHoldsUpNobody) {
  const Record unreadable = queue("unreadable", 'b');
  put_file(folder / "state/launches/" + unreadable.id + ".json", "{");
  const Record forgotten = queue("forgotten", 'c');
  registry.forget_launch(forgotten.id);
  const Record good = queue("good", 'd');
  registry.requeue(unreadable);
  EXPECT_EQ(start_waiting(context).size(), 1U);
  EXPECT_EQ(live(good)->queued, Queued::no);
  for (const Record& bad : {unreadable, forgotten}) {
    const auto ended = registry.find_ended(bad.request.name, bad.id);
    ASSERT_TRUE(ended.has_value()) << bad.request.name;
    EXPECT_EQ(ended->end->state, State::failed);
    EXPECT_THAT(ended->end->reason, HasSubstr(bad.id == forgotten.id ? "gone from the registry" : unreadable.id))
        << "it names the file";
    EXPECT_FALSE(runtime.exists(bad.id));
  }
}

TEST_F(Queue, WhatRanOutOfTimeWhileTheHostWasDownHasExpired) {
  Record late = in_pool("late", 'b', Queued::by_anyone);
  late.first_started_at = TimePoint{};
  late.request.ttl = std::chrono::hours(1);
  store_launch(late);
  registry.create(late, {.cap = 1, .pools = {}});
  registry.requeue(late);
  EXPECT_THAT(start_waiting(context), IsEmpty());
  EXPECT_EQ(registry.find_ended("late", late.id)->end->state, State::expired);
  EXPECT_EQ(engine.count("request "), 0U);
}

TEST_F(Queue, AnotherWhoListensByNowIsNamed) {
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&name), &size), 0);

  Record next = in_pool("next", 'b', Queued::by_anyone);
  next.request.ports = {ntohs(name.sin_port)};
  store_launch(next);
  registry.create(next, {.cap = 1, .pools = {}});
  registry.requeue(next);
  const Record behind = queue("behind", 'c');
  EXPECT_EQ(start_waiting(context).size(), 1U);
  const std::string reason = registry.find_ended("next", next.id)->end->reason;
  EXPECT_THAT(reason, testing::StartsWith("port " + std::to_string(ntohs(name.sin_port)) + " is in use by '"));
  EXPECT_THAT(reason, testing::EndsWith("(pid " + std::to_string(::getpid()) + ")"));
  EXPECT_EQ(registry.find_ended("next", next.id)->end->state, State::failed);
  EXPECT_FALSE(runtime.exists(next.id));
  EXPECT_EQ(live(behind)->queued, Queued::no);
}

TEST_F(Queue, OneThatSystemdDoesNotTakeNowHoldsUpNoOther) {
  const Record first = queue("first", 'b');
  const Record second = queue("second", 'c');
  registry.requeue(first);
  registry.requeue(second);
  // Something of somebody else's has the unit's name, and keeps it.
  engine.on_start = [&](const UnitSpec& spec) -> StartResult {
    if (spec.unit == first.unit) throw systemd_says(ErrorCode::conflict);
    engine.add_unit(second);
    return {};
  };
  const auto started = start_waiting(context);
  ASSERT_EQ(started.size(), 1U);
  EXPECT_EQ(started.front().id, second.id);
  EXPECT_EQ(live(first)->queued, Queued::by_anyone);
  EXPECT_EQ(engine.count("request agentctl-first.service"), 2U) << "once more, in case it was just being unloaded";
  EXPECT_THAT(registry.troubles(), testing::SizeIs(1)) << "who started what follows must come back";
}

TEST_F(Queue, TheEndOfAWaitThatWasAbandonedIsFollowedLikeAnyOther) {
  hold_slot();
  Record waiter = in_pool("waiter", 'b', Queued::by_asker);
  waiter.request.on_end = "true";
  registry.create(waiter, {.cap = 1, .pools = {}});
  end_holder(*registry.find_live("holder", sample_id('a')));
  start_waiting(context);
  EXPECT_EQ(registry.find_ended("waiter", waiter.id)->end->state, State::cancelled);
  ASSERT_EQ(engine.helpers.size(), 1U);
  EXPECT_THAT(engine.helpers.front().unit, testing::StartsWith("agentctl-on-end.waiter."));
}

TEST_F(Queue, OneThatIsStillBeingQueuedIsLeftToItsAgentctl) {
  const Record next = queue("next", 'b');
  registry.requeue(next);
  ChildProcess queuer([&](const ChildProcess::Ready& ready) {
    Launch launch;
    launch.record = next;
    const HeldLaunch held = runtime.create(launch, std::nullopt);
    ready();
    ::pause();
    return 0;
  });
  ASSERT_TRUE(queuer.await_ready());
  EXPECT_THAT(start_waiting(context), IsEmpty());
  queuer.kill();
  EXPECT_EQ(start_waiting(context).size(), 1U) << "what a dead one left behind is in nobody's way";
}

TEST_F(Queue, ABrokenConfigurationStartsNothing) {
  registry.requeue(queue("next", 'b'));
  put_file(folder / "config.json", "{");
  follow_end(context, in_pool("ended", 'z', Queued::no));
  EXPECT_EQ(engine.count("request "), 0U);
  ASSERT_THAT(registry.troubles(), testing::SizeIs(1));
  EXPECT_EQ(registry.troubles().front().path, folder / "config.json");
}

TEST_F(Queue, AWaitThatIsTooLongNamesTheHoldersAndLeavesNothing) {
  hold_slot();
  PreparedLaunch prepared;
  prepared.launch.record = in_pool("next", 'b', Queued::by_asker);
  const HeldLaunch held = runtime.create(prepared.launch, std::nullopt);
  ASSERT_TRUE(registry.create(prepared.launch.record, {.cap = 1, .pools = {}}).queued);
  const Error error = thrown_by([&] { wait_for_turn(context, prepared, microseconds(1000)); });
  EXPECT_EQ(error.code(), ErrorCode::timed_out);
  EXPECT_THAT(error.reason(), HasSubstr("1 of 1 slots of pool 'build' are held by 'holder'"));
  EXPECT_FALSE(live(prepared.launch.record).has_value());
  EXPECT_THAT(registry.ended(), IsEmpty());
}

TEST_F(Queue, AHolderThatHasEndedWithoutItsRecorderIsFoundByWhoWaits) {
  const Record holder = hold_slot();
  engine.units.erase(holder.unit);
  PreparedLaunch prepared;
  prepared.launch.record = in_pool("next", 'b', Queued::by_asker);
  const HeldLaunch held = runtime.create(prepared.launch, std::nullopt);
  ASSERT_TRUE(registry.create(prepared.launch.record, {.cap = 1, .pools = {}}).queued);
  wait_for_turn(context, prepared, std::chrono::seconds(10));
  EXPECT_EQ(live(prepared.launch.record)->queued, Queued::no);
}

TEST_F(Queue, AClaimWhoseStarterDiedGoesBackInLineUnlessItsHostCameUp) {
  for (const bool came_up : {false, true}) {
    Record claimed = queue("next", 'b');
    registry.update("next", claimed.id, [&](Record& record) {
      record.queued = Queued::no;
      record.boot_id = context.boot_id;
      claimed = record;
    });
    Launch launch;
    launch.record = claimed;
    { const HeldLaunch held = runtime.create(launch, std::nullopt); }
    if (came_up) put_note(claimed, {});
    engine.on_start = [](const UnitSpec&) -> StartResult { throw systemd_goes_down(); };
    reconcile(context);
    if (came_up) {
      EXPECT_EQ(registry.find_ended("next", claimed.id)->end->state, State::lost) << "it may have run";
    } else {
      EXPECT_EQ(live(claimed)->queued, Queued::by_anyone);
      registry.discard(claimed);
      runtime.remove(claimed.id);
    }
  }
}

TEST_F(Queue, WhatIsToPersistIsQueuedOnceAfterAReboot) {
  Record record = in_pool("bot", 'b', Queued::no);
  record.request.persist = true;
  record.request.ttl = std::chrono::hours(24 * 365 * 100);
  registry.create(record);
  store_launch(record);
  engine.on_start = [](const UnitSpec&) -> StartResult { throw systemd_says(ErrorCode::unreachable); };
  reconcile(context);
  reconcile(context);
  const auto queued = live(record);
  ASSERT_TRUE(queued.has_value());
  EXPECT_EQ(queued->attempt, 2);
  EXPECT_EQ(queued->earlier_attempts.at(0).state, State::lost);
  EXPECT_EQ(queued->first_started_at, record.created_at) << "a reboot does not renew the limit";
}

TEST_F(Queue, WhatWasToStopWhenTheHostWentDownDoesNotGoOn) {
  Record record = in_pool("bot", 'b', Queued::no);
  record.request.persist = true;
  record.stop = StopRequest{.by = context.asker, .reason = "enough", .at = sample_time(5)};
  registry.create(record);
  store_launch(record);
  reconcile(context);
  EXPECT_EQ(registry.find_ended("bot", record.id)->end->state, State::lost);
  EXPECT_EQ(engine.count("request "), 0U);
}

TEST_F(Queue, WhatIsStoppedBetweenTwoAttemptsIsNotStartedAgain) {
  for (const bool by_agentctl : {true, false}) {
    const Record record = between_attempts(by_agentctl ? 'b' : 'c', State::failed);
    // Written by who stops it after the record was read.
    if (by_agentctl)
      registry.update("bot", record.id, [&](Record& live) {
        live.stop = StopRequest{.by = context.asker, .reason = {}, .at = sample_time(5)};
      });
    ASSERT_TRUE(reconcile_record(context, record).has_value());
    const End end = *registry.find_ended("bot", record.id)->end;
    EXPECT_EQ(end.state, State::stopped);
    EXPECT_EQ(end.reason, by_agentctl
                              ? "stopped by ann"
                              : "stopped before its next attempt began: with systemctl, or by systemd's start limit");
    EXPECT_EQ(engine.count("request "), 0U);
  }
}

TEST_F(Queue, WhatItsManagerTookBetweenTwoAttemptsGoesOn) {
  const Record record = between_attempts('b', State::failed);
  engine.started = *sample_end().ended_at + std::chrono::seconds(1);
  EXPECT_EQ(reconcile_record(context, record), std::nullopt);
  EXPECT_EQ(live(record)->queued, Queued::by_anyone);
}

TEST_F(Queue, WhatARebootHasQueuedAndNobodyStartedIsStarted) {
  const Record record = between_attempts('b', State::lost);
  EXPECT_EQ(reconcile_record(context, record), std::nullopt);
  EXPECT_EQ(engine.count("request agentctl-bot.service"), 1U);
}

TEST_F(Queue, WhatIsToPersistGoesOnThoughItsManagerWentDownWithoutAWord) {
  for (const bool folder_stayed : {false, true}) {
    Record record = in_pool("bot", folder_stayed ? 'b' : 'c', Queued::no);
    record.boot_id = context.boot_id;
    record.request.persist = true;
    registry.create(record);
    store_launch(record);
    HostNote note;
    note.started_at = sample_time(9);
    if (folder_stayed) put_note(record, note);
    EXPECT_EQ(reconcile_record(context, record), std::nullopt);
    const auto queued = live(record);
    ASSERT_TRUE(queued.has_value());
    EXPECT_EQ(queued->queued, Queued::by_anyone);
    EXPECT_EQ(queued->attempt, 2);
    EXPECT_EQ(queued->earlier_attempts.at(0).state, State::lost);
    EXPECT_EQ(queued->earlier_attempts.at(0).reason, folder_stayed
                                                         ? "its unit is gone and no recorder could say how it ended"
                                                         : "its user manager went down while it ran");
    EXPECT_EQ(queued->first_started_at, folder_stayed ? sample_time(9) : record.created_at);
    registry.discard(record);
  }
}

TEST_F(Queue, WhatHadNoTimeLeftIsNotStartedAgain) {
  Record record = in_pool("bot", 'b', Queued::no);
  record.request.persist = true;
  record.created_at = now() - std::chrono::hours(2);
  record.request.ttl = std::chrono::hours(1);
  registry.create(record);
  reconcile(context);
  EXPECT_TRUE(registry.has_ended("bot", record.id));
}

TEST_F(Queue, AHookIsHandedItsCommandInAFile) {
  Record record = in_pool("web", 'b', Queued::no);
  record.request.on_end = "echo s3cret";
  registry.finish(record, sample_end(State::failed));
  follow_end(context, with_end(record, sample_end(State::failed)));
  ASSERT_EQ(engine.helpers.size(), 1U);
  const HelperSpec& helper = engine.helpers.front();
  EXPECT_THAT(helper.unit, testing::MatchesRegex("agentctl-on-end\\.web\\.[a-z2-7]+\\.service"));
  ASSERT_EQ(helper.command.size(), 2U);
  EXPECT_THAT(read_file(helper.command[1] + "/" + hook_file, 1 << 20).value(), HasSubstr("echo s3cret"));
  reconcile(context);
  EXPECT_EQ(engine.helpers.size(), 1U) << "it has run";
}

TEST_F(Queue, AHookThatNobodyCameToIsRunByReconcile) {
  Record killed = in_pool("killed", 'b', Queued::no);
  killed.request.on_end = "true";
  registry.finish(killed, sample_end(State::failed));
  Record removed = in_pool("removed", 'c', Queued::no);
  removed.request.on_end = "true";
  registry.finish(removed, sample_end(State::failed));
  registry.remove_ended(removed);
  reconcile(context);
  ASSERT_EQ(engine.helpers.size(), 1U);
  EXPECT_THAT(engine.helpers.front().unit, testing::StartsWith("agentctl-on-end.killed."));
  EXPECT_THAT(list_directory(folder / "state/hooks"), IsEmpty());
  reconcile(context);
  EXPECT_EQ(engine.helpers.size(), 1U);
}

TEST_F(Queue, WhatGoesOnAfterARebootIsBeforeWhoJustWaits) {
  for (const bool by_reconcile : {false, true}) {
    const Record plain = in_pool("plain", by_reconcile ? 'a' : 'b', Queued::no);
    registry.create(plain);
    Record bot = in_pool("bot", by_reconcile ? 'c' : 'd', Queued::no);
    bot.request.persist = true;
    registry.create(bot);
    store_launch(bot);
    const Record waiter = queue("waiter", by_reconcile ? 'e' : 'f');
    // As `list` does, which meets them in any order.
    by_reconcile ? void(reconcile(context)) : void(reconcile_record(context, plain));
    EXPECT_TRUE(registry.has_ended("plain", plain.id));
    EXPECT_EQ(live(bot)->queued, Queued::no);
    EXPECT_EQ(live(bot)->attempt, 2);
    EXPECT_EQ(live(waiter)->queued, Queued::by_anyone);
    for (const Record& record : {bot, waiter}) {
      registry.discard(record);
      engine.units.erase(record.unit);
    }
  }
}

}  // namespace
}  // namespace agentctl
