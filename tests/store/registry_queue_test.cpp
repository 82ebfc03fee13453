#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "base/file.hpp"
#include "store/registry.hpp"
#include "support/child_process.hpp"
#include "support/sample_records.hpp"
#include "support/sync_log.hpp"
#include "support/temporary_folder.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const PoolLimits two{.cap = 2, .pools = {}};

class RegistryQueue : public testing::Test {
 protected:
  static Record in_pool(const std::string& name, char id, Queued queued = Queued::by_anyone) {
    Record record = sample_record(name, sample_id(id));
    record.created_at = sample_time(id);
    record.request.pool.name = "build";
    record.queued = queued;
    return record;
  }

  std::string claim(Hold hold = Hold::held) {
    const auto record = registry.claim_next(
        two, [&](Record&) { return hold; }, gone);
    return record ? record->request.name : "";
  }

  std::vector<Record> gone;

  TemporaryFolder folder;
  Registry registry{folder / "state"};
};

TEST_F(RegistryQueue, APowerCutDoesNotBringBackWhatWasStoppedOrCancelled) {
  Record bot = sample_record("bot");
  bot.request.persist = true;
  Record queued = in_pool("queued", 'c');
  Record step = sample_record("step", sample_id('d'));
  step.flow = FlowStep{.flow = "f", .flow_id = sample_id('f'), .step = "s"};
  for (const Record& record : {bot, queued, step}) {
    const std::string& name = record.request.name;
    const std::string shard = folder / "state/live/" + name_shard(name) + ".jsonl";
    const std::string live = folder / "state/live";
    take_synced();
    registry.create(record, {.cap = 0, .pools = {}});
    EXPECT_THAT(take_synced(), ElementsAre(shard, live));
    registry.update(name, record.id, [](Record& stored) { stored.attempt = 2; });
    EXPECT_THAT(take_synced(), ElementsAre(shard, live));
    name == "queued" ? registry.cancel(record, sample_end()) : registry.finish(record, sample_end());
    EXPECT_THAT(take_synced(),
                ElementsAre(folder / "state/ended/" + name + "." + record.id + ".json", folder / "state/ended"));
  }
}

TEST_F(RegistryQueue, WhatNeedNotSurviveAPowerCutIsNotSyncedButBesideWhatMust) {
  const auto start_and_end = [&](const std::string& name) {
    take_synced();
    registry.create(sample_record(name));
    registry.update(name, sample_record().id, [](Record& record) { record.attempt = 2; });
    registry.finish(sample_record(name), sample_end());
    return take_synced();
  };
  EXPECT_THAT(start_and_end("plain"), IsEmpty());
  registry.create(in_pool("queued", 'c'), {.cap = 0, .pools = {}});
  std::string neighbour = "a";
  while (name_shard(neighbour) != name_shard("queued")) neighbour += "a";
  const std::string shard = folder / "state/live/" + name_shard("queued") + ".jsonl";
  const std::string live = folder / "state/live";
  EXPECT_THAT(start_and_end(neighbour), ElementsAre(shard, live, shard, live, shard, live));
}

TEST_F(RegistryQueue, GivesASlotWhileThereIsOneAndThenAPlaceInLine) {
  EXPECT_FALSE(registry.create(in_pool("a", 'a'), two).queued);
  EXPECT_FALSE(registry.create(in_pool("b", 'b'), two).queued);
  EXPECT_TRUE(registry.create(in_pool("c", 'c'), two).queued);
  EXPECT_EQ(registry.find_live("a", sample_id('a'))->queued, Queued::no);
  EXPECT_EQ(registry.find_live("c", sample_id('c'))->queued, Queued::by_anyone);
}

TEST_F(RegistryQueue, ClaimsEachOnceInOrder) {
  for (const char id : {'a', 'b', 'c', 'd', 'e'}) registry.create(in_pool(std::string(1, id), id), two);
  EXPECT_EQ(claim(), "") << "both slots are held";
  registry.finish(in_pool("b", 'b'), sample_end());
  EXPECT_EQ(claim(), "c");
  EXPECT_EQ(claim(), "");
  EXPECT_EQ(registry.find_live("c", sample_id('c'))->queued, Queued::no);
  registry.finish(in_pool("a", 'a'), sample_end());
  registry.finish(in_pool("c", 'c'), sample_end());
  EXPECT_EQ(claim(), "d");
  EXPECT_EQ(claim(), "e");
}

TEST_F(RegistryQueue, WhoeverComesLaterDoesNotOvertake) {
  registry.create(in_pool("a", 'a'), two);
  registry.create(in_pool("b", 'b'), two);
  registry.create(in_pool("c", 'c'), two);
  registry.finish(in_pool("a", 'a'), sample_end());
  EXPECT_TRUE(registry.create(in_pool("d", 'd'), two).queued) << "c is before it, though nobody has started it yet";
  Record urgent = in_pool("e", 'e');
  urgent.request.pool.priority = 1;
  EXPECT_FALSE(registry.create(urgent, two).queued);
}

TEST_F(RegistryQueue, WhatIsGoneLeavesTheLineAndWhatIsBusyKeepsItsPlace) {
  for (const char id : {'a', 'b', 'c', 'd'}) registry.create(in_pool(std::string(1, id), id, Queued::by_asker), two);
  registry.finish(in_pool("a", 'a'), sample_end());
  const auto hold = [](Record& record) {
    if (record.request.name != "c") return Hold::held;
    record.end = sample_end(State::expired);
    return Hold::gone;
  };
  const auto claimed = registry.claim_next(two, hold, gone);
  ASSERT_TRUE(claimed.has_value());
  EXPECT_EQ(claimed->request.name, "d");
  EXPECT_EQ(registry.find_ended("c", sample_id('c'))->end->state, State::expired);
  ASSERT_EQ(gone.size(), 1U) << "whoever asked tells those that wait for its end";
  EXPECT_EQ(gone.front().id, sample_id('c'));
  EXPECT_EQ(gone.front().end->state, State::expired);
  registry.finish(in_pool("b", 'b'), sample_end());
  registry.create(in_pool("e", 'e'), {.cap = 1, .pools = {}});
  EXPECT_EQ(claim(Hold::busy), "");
  EXPECT_EQ(claim(), "e");
}

TEST_F(RegistryQueue, CancelIsForWhatWaitsOnly) {
  for (const char id : {'a', 'b', 'c', 'd'}) registry.create(in_pool(std::string(1, id), id), two);
  EXPECT_FALSE(registry.cancel(in_pool("a", 'a'), sample_end(State::cancelled))) << "it was claimed";
  EXPECT_TRUE(registry.cancel(in_pool("c", 'c'), sample_end(State::cancelled)));
  EXPECT_FALSE(registry.cancel(in_pool("c", 'c'), sample_end(State::cancelled)));
  EXPECT_TRUE(registry.cancel(in_pool("d", 'd'), std::nullopt));
  EXPECT_FALSE(registry.find_ended("d", sample_id('d')).has_value()) << "a refusal leaves nothing";
  EXPECT_EQ(registry.live().size(), 2U);
}

TEST_F(RegistryQueue, KeepsALaunchForItsOwnerAloneUntilTheEnd) {
  Launch launch;
  launch.record = in_pool("a", 'a');
  launch.executable = "/bin/true";
  launch.environment = {"TOKEN=s3cret"};
  registry.store_launch(launch);
  struct stat status {};
  ASSERT_EQ(::stat((folder / "state/launches/" + launch.record.id + ".json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_THAT(registry.stored_launch(launch.record.id)->environment, ElementsAre("TOKEN=s3cret"));
  registry.create(launch.record, two);
  registry.finish(launch.record, sample_end());
  EXPECT_FALSE(registry.stored_launch(launch.record.id).has_value());
}

TEST_F(RegistryQueue, ForgetsLaunchesThatNobodyWillStart) {
  for (const char id : {'a', 'b', 'c'}) {
    Launch launch;
    launch.record = in_pool(std::string(1, id), id);
    launch.executable = "/bin/true";
    registry.store_launch(launch);
    const timespec old[] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
    const std::string path = folder / "state/launches/" + launch.record.id + ".json";
    if (id != 'c') {
      ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), old, 0), 0);
    }
  }
  registry.create(in_pool("a", 'a'), two);
  EXPECT_THAT(registry.forget_abandoned_launches(), ElementsAre(sample_id('b')))
      << "a has its record, and that of c may be just about to be written";
  EXPECT_TRUE(registry.stored_launch(sample_id('a')).has_value());
  EXPECT_FALSE(registry.stored_launch(sample_id('b')).has_value());
  EXPECT_TRUE(registry.stored_launch(sample_id('c')).has_value());
}

TEST_F(RegistryQueue, WhatAKilledWriterLeftIsRemovedWhenItIsOld) {
  registry.create(in_pool("a", 'a'), two);
  const std::string stray = registry.root() + "/live/a.jsonl.abcdef.tmp";
  put_file(stray, "{");
  registry.remove_strays();
  EXPECT_TRUE(exists(stray));
  const timespec long_ago[2]{{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, stray.c_str(), long_ago, 0), 0);
  registry.remove_strays();
  EXPECT_FALSE(exists(stray));
  EXPECT_EQ(registry.live().size(), 1U);
}

TEST_F(RegistryQueue, OfManyAtOnceNoMoreThanTheSlotsAreClaimed) {
  const std::string root = folder / "state";
  std::vector<ChildProcess> starters;
  for (char id = 'a'; id < 'a' + 20; ++id)
    starters.emplace_back([&, id](const ChildProcess::Ready&) {
      Registry own(root);
      return own.create(in_pool(std::string(1, id), id), two).queued ? 1 : 0;
    });
  int started = 0;
  for (ChildProcess& starter : starters) started += starter.wait() == 0 ? 1 : 0;
  EXPECT_LE(started, 2);
  while (!claim().empty()) ++started;
  EXPECT_EQ(started, 2) << "whoever came while an earlier one was about to be written is behind it";
}

class RegistryFlows : public RegistryQueue {
 protected:
  Flow make_flow() {
    Flow flow;
    flow.id = sample_id('f');
    flow.name = flow.key = "release";
    for (const char id : {'a', 'b', 'c'}) {
      Step step;
      step.name = std::string(1, id);
      step.session = "release-" + step.name;
      step.session_id = sample_id(id);
      if (id != 'a') step.needs = {std::string(1, static_cast<char>(id - 1))};
      flow.steps.push_back(step);
      Record record = sample_record(step.session, step.session_id);
      record.created_at = sample_time(id);
      record.queued = Queued::by_anyone;
      record.flow = FlowStep{.flow = flow.name, .flow_id = flow.id, .step = step.name};
      records.push_back(record);
    }
    return flow;
  }

  std::vector<State> states(const Flow& flow) {
    std::vector<State> all;
    for (const StepStanding& standing : registry.standings(flow)) all.push_back(standing.state);
    return all;
  }

  std::vector<Record> records;
  std::vector<Record> cancelled;
};

TEST_F(RegistryFlows, AStepIsClaimedWhenWhatItNeedsHasEndedWell) {
  const Flow flow = make_flow();
  ASSERT_EQ(registry.create_flow(flow, records), std::nullopt);
  EXPECT_EQ(claim(), "release-a");
  EXPECT_EQ(claim(), "");
  registry.finish(records[0], sample_end(State::exited));
  EXPECT_EQ(claim(), "release-b");
  EXPECT_EQ(claim(), "");
  EXPECT_THAT(states(flow), ElementsAre(State::exited, State::running, State::queued));
}

TEST_F(RegistryFlows, AFailureCancelsTheRestAndEndsTheFlowOnce) {
  const Flow flow = make_flow();
  ASSERT_EQ(registry.create_flow(flow, records), std::nullopt);
  EXPECT_EQ(claim(), "release-a");
  EXPECT_FALSE(registry.advance_flow(flow, cancelled).end.has_value());
  registry.finish(records[0], sample_end(State::failed));
  const Flow ended = registry.advance_flow(flow, cancelled);
  ASSERT_TRUE(ended.end.has_value());
  EXPECT_EQ(ended.end->state, FlowState::failed);
  EXPECT_EQ(cancelled.size(), 2U);
  EXPECT_THAT(registry.live_flows(), IsEmpty());
  EXPECT_EQ(to_json(registry.advance_flow(flow, cancelled)), to_json(ended)) << "terminal is terminal";
  EXPECT_FALSE(registry.update_flow(flow, [](Flow& changed) { changed.open_gates = {"x"}; }).has_value());
  EXPECT_EQ(cancelled.size(), 2U);
  EXPECT_EQ(registry.flows().size(), 1U);
}

TEST_F(RegistryFlows, AKeyANameAndTheNamesOfItsStepsAreClaimedAtOnce) {
  const Flow flow = make_flow();
  registry.create(sample_record("release-b", sample_id('z')));
  EXPECT_THAT(registry.create_flow(flow, records).value(), testing::HasSubstr("name 'release-b' of step 'b' is held"));
  EXPECT_EQ(registry.live().size(), 1U) << "a refusal changes nothing";
  registry.discard(sample_record("release-b", sample_id('z')));
  ASSERT_EQ(registry.create_flow(flow, records), std::nullopt);
  Flow other = flow;
  other.id = sample_id('g');
  EXPECT_THAT(registry.create_flow(other, {}).value(), testing::HasSubstr("a flow of that name lives"));
  other.name = "other";
  EXPECT_THAT(registry.create_flow(other, {}).value(), testing::HasSubstr("flow 'release' with that key lives"));
}

TEST_F(RegistryFlows, StepsWhoseFlowWasNeverWrittenAreCancelled) {
  make_flow();
  for (const Record& record : records) registry.create(record);
  EXPECT_EQ(claim(), "");
  EXPECT_THAT(registry.live(), IsEmpty());
  EXPECT_EQ(registry.find_ended("release-a", sample_id('a'))->end->reason, "its flow was never begun");
}

TEST_F(RegistryFlows, AFlowThatCannotBeReadStartsNothingAndCancelsNothing) {
  const Flow flow = make_flow();
  ASSERT_EQ(registry.create_flow(flow, records), std::nullopt);
  write_file(folder / ("state/flows/release." + flow.id + ".json"), "garbage");
  EXPECT_EQ(claim(), "");
  EXPECT_EQ(registry.live().size(), 3U);
  EXPECT_THAT(registry.troubles(), testing::Not(IsEmpty()));
}

}  // namespace
}  // namespace agentctl
