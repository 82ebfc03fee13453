#include "app/sessions.hpp"

#include <gmock/gmock.h>

#include "app_fixture.hpp"
#include "domain/naming.hpp"
#include "domain/session_json.hpp"

namespace agentctl {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ListSessions : public AppTest {
 protected:
  std::vector<Session> list(SessionFilter filter = {}) { return list_sessions(context, filter); }
  std::vector<Session> list_all() { return list({.project = {}, .group = {}, .states = {}, .ended = true}); }
  Record add_in(const std::string& name, char id, const std::string& project, const std::string& group) {
    Record record = sample_record(name, sample_id(id));
    record.created_at = sample_time(id);
    record.request.project = project;
    record.request.group = group;
    registry.create(record);
    engine.add_unit(record);
    return record;
  }
};

TEST_F(ListSessions, IsEmptyWhereNothingWasEverStarted) {
  EXPECT_THAT(list_all(), IsEmpty());
  EXPECT_FALSE(exists(registry.root()));
}

TEST_F(ListSessions, ShowsWhatLivesOldestFirst) {
  add_session("two", 'c');
  add_session("one", 'b');
  add_ended("old", 'a');
  EXPECT_THAT(ids_of(list()), ElementsAre(sample_id('b'), sample_id('c')));
}

TEST_F(ListSessions, CostsOneCallToSystemdHoweverManyLive) {
  for (char id = 'b'; id <= 'k'; ++id) add_session(std::string("s") + id, id);
  engine.calls.clear();
  EXPECT_EQ(list().size(), 10U);
  EXPECT_THAT(engine.calls, ElementsAre("list"));
}

TEST_F(ListSessions, ShowsEndedOnesWhenAsked) {
  add_session("web", 'c');
  add_ended("old", 'b', State::failed);
  const auto sessions = list_all();
  EXPECT_THAT(ids_of(sessions), ElementsAre(sample_id('b'), sample_id('c')));
  EXPECT_EQ(sessions.front().state, State::failed);
}

TEST_F(ListSessions, LetsThroughWhatTheFilterNames) {
  add_in("a", 'b', "shop", "g1");
  add_in("b", 'c', "shop", "g2");
  add_in("c", 'd', "bank", "g1");
  add_ended("e", 'e', State::failed);
  add_ended("f", 'f', State::exited);
  EXPECT_THAT(ids_of(list({.project = "shop", .group = {}, .states = {}, .ended = false})),
              ElementsAre(sample_id('b'), sample_id('c')));
  EXPECT_THAT(ids_of(list({.project = "shop", .group = "g1", .states = {}, .ended = true})),
              ElementsAre(sample_id('b')));
  EXPECT_THAT(ids_of(list({.project = {}, .group = "g1", .states = {}, .ended = false})),
              ElementsAre(sample_id('b'), sample_id('d')));
  EXPECT_THAT(list({.project = "none", .group = {}, .states = {}, .ended = true}), IsEmpty());
  EXPECT_THAT(ids_of(list({.project = {}, .group = {}, .states = {State::failed}, .ended = false})),
              ElementsAre(sample_id('e')));
  EXPECT_THAT(ids_of(list({.project = {}, .group = {}, .states = {State::exited, State::failed}, .ended = false})),
              ElementsAre(sample_id('e'), sample_id('f')));
  EXPECT_THAT(ids_of(list({.project = "bank", .group = {}, .states = {State::running}, .ended = true})),
              ElementsAre(sample_id('d')));
}

TEST_F(ListSessions, WritesDownTheEndOfARecordWithoutAUnitAndShowsItOnce) {
  const Record lost = add_record("web");
  EXPECT_THAT(list(), IsEmpty());
  EXPECT_EQ(stored(lost).end->state, State::lost);
  EXPECT_THAT(ids_of(list_all()), ElementsAre(lost.id));
}

TEST_F(ListSessions, ShowsOnceWhatItFindsToHaveEndedItself) {
  const Record lost = add_record("web");
  EXPECT_THAT(ids_of(list_all()), ElementsAre(lost.id));
}

TEST_F(ListSessions, ShowsOnceWhatIsInBothFoldersAfterACrash) {
  const Record ended = add_ended("web", 'b', State::failed);
  Record before = ended;
  before.end.reset();
  LiveRecords(registry.root() + "/live").put(before);
  const auto sessions = list_all();
  EXPECT_THAT(ids_of(sessions), ElementsAre(ended.id));
  EXPECT_EQ(sessions.front().state, State::failed);
  EXPECT_THAT(list(), IsEmpty());
}

TEST_F(ListSessions, ShowsOnceASessionWhoseUnitIsStillGoingDown) {
  const Record ended = add_ended("web");
  engine.add_unit(ended, Activity::deactivating);
  EXPECT_THAT(ids_of(list_all()), ElementsAre(ended.id));
  EXPECT_THAT(list(), IsEmpty());
}

TEST_F(ListSessions, LeavesARecordAloneWhoseStarterLives) {
  const Record record = add_record("web");
  Launch launch;
  launch.record = record;
  const HeldLaunch held = runtime.create(launch, std::nullopt);
  const auto sessions = list();
  ASSERT_EQ(sessions.size(), 1U);
  EXPECT_EQ(sessions.front().state, State::starting);
  EXPECT_FALSE(stored(record).end.has_value());
}

TEST_F(ListSessions, IgnoresUnitsThatAreNotOfASession) {
  UnitDetails foreign;
  foreign.state = {.unit = "agentctl-web.service", .description = "my own thing", .activity = Activity::active};
  engine.units["agentctl-web.service"] = foreign;
  EXPECT_THAT(list_all(), IsEmpty());
}

TEST_F(ListSessions, DoesNotTakeTheUnitOfAnotherSessionForThisOne) {
  const Record old = add_record("web", 'b');
  engine.add_unit(sample_record("web", sample_id('c')));
  const auto sessions = list();
  EXPECT_THAT(ids_of(sessions), ElementsAre(sample_id('c'))) << "shown from its unit";
  EXPECT_EQ(stored(old).end->state, State::lost);
}

TEST_F(ListSessions, ShowsAUnitWhoseRecordWasLost) {
  engine.add_unit(sample_record("web"));
  const auto sessions = list();
  ASSERT_EQ(sessions.size(), 1U);
  EXPECT_EQ(sessions.front().record.request.name, "web");
  EXPECT_EQ(sessions.front().state, State::running);
  EXPECT_EQ(sessions.front().reason, "its record was lost; shown from the unit");
  EXPECT_FALSE(sessions.front().recorded);
}

TEST_F(ListSessions, ShowsALostRecordFromItsLaunchIfThatIsStillThere) {
  Launch launch;
  launch.record = sample_record("web");
  launch.executable = "/bin/sleep";
  runtime.create(launch, std::nullopt);
  engine.add_unit(launch.record);
  ASSERT_EQ(list().size(), 1U);
  EXPECT_THAT(list().front().record.request.command, ElementsAre("sleep", "60"));
  EXPECT_EQ(list().front().record.created_by.user, "ann");
}

TEST_F(ListSessions, LosesABrokenRecordAloneAndStillShowsItsUnit) {
  add_session("web", 'b');
  const Record broken = add_session("api", 'c');
  put_file(registry.root() + "/live/" + name_shard("api") + ".jsonl", "{");
  EXPECT_THAT(ids_of(list()), testing::UnorderedElementsAre(sample_id('b'), broken.id));
  EXPECT_EQ(registry.troubles().size(), 1U);
}

TEST_F(ListSessions, IsShownWhatTheHostNotedOfALiveSession) {
  const Record record = add_session("web");
  HostNote note;
  note.pid = 4711;
  note.started_at = sample_time(1);
  put_note(record, note);
  EXPECT_EQ(list().front().pid, 4711);
  put_file(runtime.folder(record.id) + "/" + host_note_file, "garbage");
  EXPECT_EQ(list().front().pid, std::nullopt) << "a note that is none costs what it would have said";
}

TEST_F(ListSessions, CountsATimeLimitFromTheStartHoweverLittleIsRead) {
  Record record = sample_record("web");  // made long before it is started: it waited, or was restarted
  record.request.ttl = std::chrono::hours(1);
  registry.create(record);
  engine.add_unit(record);
  HostNote note;
  note.started_at = record.created_at + std::chrono::minutes(50);
  put_note(record, note);
  for (const Detail detail : {Detail::notes, Detail::records})
    EXPECT_EQ(list_sessions(context, {}, detail).front().expires_at, *note.started_at + std::chrono::hours(1));
}

TEST_F(ListSessions, ShowsTheTruthWhenItCannotBeWrittenDown) {
  add_session("web", 'c');
  add_record("gone", 'b');
  put_file(registry.root() + "/ended", "in the way");
  const auto sessions = list_all();
  EXPECT_THAT(ids_of(sessions), ElementsAre(sample_id('b'), sample_id('c')));
  EXPECT_EQ(sessions.front().state, State::lost);
  EXPECT_EQ(find_session(context, "gone").state, State::lost);
}

class FindSession : public AppTest {
 protected:
  std::string id_of(const std::string& name) { return find_session(context, name).record.id; }
  Error refusal(const std::string& name) {
    return thrown_by([&] { find_session(context, name); });
  }
};

TEST_F(FindSession, PrefersTheLiveOneOfANameToALaterOneThatHasEnded) {
  add_session("web", 'b');
  Record later = sample_record("web", sample_id('z'));
  later.created_at = sample_time(9'000);
  registry.finish(later, sample_end());
  EXPECT_EQ(id_of("web"), sample_id('b'));
}

TEST_F(FindSession, TakesTheLatestOfThoseThatHaveEnded) {
  add_ended("web", 'c');
  add_ended("web", 'd');
  add_ended("web", 'b');
  EXPECT_EQ(id_of("web"), sample_id('d'));
}

TEST_F(FindSession, FindsByIdAndByABeginningThatOnlyOneHas) {
  registry.create(sample_record("web", "bcdefghijk23"));
  registry.create(sample_record("api", "bcxefghijk23"));
  for (const char* name : {"bcdefghijk23", "bcdefg", "bcd"}) EXPECT_EQ(id_of(name), "bcdefghijk23") << name;
}

TEST_F(FindSession, NamesTheCandidatesOfABeginningThatSeveralHave) {
  registry.create(sample_record("web", "bcdefghijk23"));
  registry.create(sample_record("api", "bcxefghijk23"));
  const Error error = refusal("bc");
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_THAT(error.reason(), HasSubstr("bcdefghijk23 (web)"));
  EXPECT_THAT(error.reason(), HasSubstr("bcxefghijk23 (api)"));
}

TEST_F(FindSession, PrefersANameToTheBeginningOfAnId) {
  add_session("aaaa", 'b');
  add_session("web", 'c');
  EXPECT_EQ(id_of("aaaa"), sample_id('b'));
}

TEST_F(FindSession, NeverTakesANumberThatMightBeAPid) {
  const Record record = add_session("web");
  HostNote note;
  note.pid = 4711;
  put_note(record, note);
  for (const char* name : {"4711", "1", "0", "2", "23"}) EXPECT_EQ(refusal(name).code(), ErrorCode::not_found) << name;
}

TEST_F(FindSession, SaysSoWhenThereIsNone) {
  add_session("web");
  for (const char* name :
       {"", "we", "webs", "WEB", "agentctl-web.service", "aaaaaaaaaaaz", "../web", "aaaaaaaaaaabx"}) {
    const Error error = refusal(name);
    EXPECT_EQ(error.code(), ErrorCode::not_found) << name;
    EXPECT_EQ(error.hint(), "agentctl list -a") << name;
  }
  EXPECT_STREQ(refusal("\x1b[2J").what(), "no such session '\\x1b[2J'");
}

TEST_F(FindSession, FindsALiveUnitWhoseRecordWasLost) {
  add_ended("web", 'b');
  engine.add_unit(sample_record("web", sample_id('c')));
  const Session session = find_session(context, "web");
  EXPECT_EQ(session.record.id, sample_id('c'));
  EXPECT_EQ(session.state, State::running);
}

TEST_F(FindSession, FindsALiveUnitWhoseRecordWasLostByItsId) {
  engine.add_unit(sample_record("web", "bcdefghijk23"));
  engine.add_unit(sample_record("api", "bcxefghijk23"));
  engine.add_unit(sample_record("old", "cdefghijk234"), Activity::failed);
  for (const char* name : {"bcdefghijk23", "bcd"}) {
    const Session session = find_session(context, name);
    EXPECT_EQ(session.record.request.name, "web") << name;
    EXPECT_EQ(session.state, State::running);
    EXPECT_FALSE(session.recorded);
  }
  const Error error = refusal("bc");
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_THAT(error.reason(), AllOf(HasSubstr("bcdefghijk23 (web)"), HasSubstr("bcxefghijk23 (api)")));
  EXPECT_EQ(refusal("cdefghijk234").code(), ErrorCode::not_found) << "its unit does not live";
}

TEST_F(FindSession, DoesNotTakeAUnitThatIsGoingDownForALiveSession) {
  const Record ended = add_ended("web", 'b', State::failed);
  engine.add_unit(ended, Activity::deactivating);
  EXPECT_EQ(find_session(context, "web").state, State::failed);
}

TEST_F(FindSession, WritesDownAnEndThatNobodyElseDid) {
  const Record record = add_record("web");
  const Session session = find_session(context, "web");
  EXPECT_EQ(session.state, State::lost);
  EXPECT_EQ(stored(record).end->reason, session.reason);
}

TEST_F(FindSession, SeesAnEndThatTheRecorderWroteInBetween) {
  const Record record = add_session("web");
  engine.on_inspect = [&](const std::string&) {
    engine.on_inspect = nullptr;
    end_session(record, sample_end(State::failed));
  };
  EXPECT_EQ(find_session(context, "web").state, State::failed);
}

TEST_F(FindSession, FindsEachOfSeveralOnceAndAllBeforeAnythingIsDone) {
  const Record record = add_session("web", 'b');
  add_session("api", 'c');
  EXPECT_THAT(ids_of(find_sessions(context, {"api", "web", record.id, "api"})),
              ElementsAre(sample_id('c'), sample_id('b')));
  EXPECT_EQ(thrown_by([&] { find_sessions(context, {"api", "nope"}); }).object(), "nope");
}

TEST_F(FindSession, ReadsWhatALiveSessionUses) {
  const Record record = add_session("web");
  const std::string group = engine.control_group(slice_name(record.request), record.unit);
  engine.usages[group] = {.cpu_ns = 1, .memory_bytes = 2, .memory_peak_bytes = 3, .processes = 4};
  Session session = find_session(context, "web");
  read_usage(context, session);
  EXPECT_EQ(session.usage.memory_bytes, 2U);
  EXPECT_EQ(session.usage.processes, 4U);
}

TEST_F(FindSession, KeepsWhatAnEndedOneHasUsed) {
  const Record record = add_ended("web");
  engine.usages[engine.control_group(slice_name(record.request), record.unit)] = {
      .cpu_ns = 99, .memory_bytes = {}, .memory_peak_bytes = {}, .processes = {}};
  Session session = find_session(context, "web");
  read_usage(context, session);
  EXPECT_EQ(session.usage.cpu_ns, std::nullopt) << "that is a later session's group";
}

TEST_F(FindSession, RequiresALiveOneWhereOnlyThatWillDo) {
  add_ended("web", 'b', State::expired);
  const Session session = find_session(context, "web");
  const Error error = thrown_by([&] { require_live(session, "cannot extend session"); });
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_STREQ(error.what(), "cannot extend session 'web': it has ended (expired)");
}

}  // namespace
}  // namespace agentctl
