#include "store/registry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "domain/naming.hpp"
#include "domain/session_json.hpp"
#include "support/child_process.hpp"
#include "support/sample_records.hpp"
#include "support/temporary_folder.hpp"
#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::vector<std::string> ids_of(const std::vector<Record>& records) {
  std::vector<std::string> ids;
  for (const Record& record : records) ids.push_back(record.id);
  return ids;
}

class RegistryTest : public testing::Test {
 protected:
  const std::string web_id = sample_id('b');
  const std::string api_id = sample_id('c');
  TemporaryFolder folder;
  std::string root = folder / "state/agentctl";
  Registry registry{root};

  std::string live_file(const std::string& name) const { return root + "/live/" + name_shard(name) + ".jsonl"; }
  std::string ended_file(const std::string& name, const std::string& id) const {
    return root + "/ended/" + name + "." + id + ".json";
  }
  void add_ended(const std::string& name, const std::string& id) {
    registry.finish(sample_record(name, id), sample_end());
  }
  std::vector<std::string> troubled() const {
    std::vector<std::string> paths;
    for (const RegistryTrouble& trouble : registry.troubles()) paths.push_back(trouble.path);
    return paths;
  }
};

TEST_F(RegistryTest, ThatDoesNotExistIsEmpty) {
  EXPECT_THAT(registry.live(), IsEmpty());
  EXPECT_THAT(registry.ended(), IsEmpty());
  EXPECT_THAT(registry.by_name("web"), IsEmpty());
  EXPECT_THAT(registry.by_id_prefix("a"), IsEmpty());
  EXPECT_FALSE(registry.has_ended("web", web_id));
  EXPECT_EQ(registry.update("web", web_id, [](Record&) { FAIL(); }), std::nullopt);
  EXPECT_FALSE(registry.remove_ended(sample_record()));
  EXPECT_THAT(registry.troubles(), IsEmpty());
  EXPECT_FALSE(exists(root));
}

TEST_F(RegistryTest, KeepsWhatWasCreated) {
  EXPECT_EQ(registry.create(sample_record("web", web_id)).rival, std::nullopt);
  EXPECT_EQ(registry.create(sample_record("api", api_id)).rival, std::nullopt);
  EXPECT_THAT(ids_of(registry.live()), UnorderedElementsAre(web_id, api_id));
  EXPECT_THAT(ids_of(registry.by_name("web")), ElementsAre(web_id));
  EXPECT_THAT(ids_of(registry.by_id_prefix(api_id)), ElementsAre(api_id));
  EXPECT_THAT(ids_of(registry.by_id_prefix("aaaa")), UnorderedElementsAre(web_id, api_id));
  EXPECT_THAT(ids_of(Registry(root).live()), UnorderedElementsAre(web_id, api_id));
  EXPECT_EQ(to_json(registry.by_name("web").front()), to_json(sample_record("web", web_id)));
}

TEST_F(RegistryTest, IsForItsOwnerOnly) {
  registry.create(sample_record());
  struct stat status {};
  ASSERT_EQ(::stat(live_file("web").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  ASSERT_EQ(::stat(root.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
}

TEST_F(RegistryTest, GivesTheHolderOfANameThatIsTaken) {
  registry.create(sample_record("web", web_id));
  const auto holder = registry.create(sample_record("web", api_id)).rival;
  ASSERT_TRUE(holder.has_value());
  EXPECT_EQ(holder->id, web_id);
  EXPECT_THAT(ids_of(registry.live()), ElementsAre(web_id));
}

TEST_F(RegistryTest, GivesTheHolderOfAKeyUnderAnotherName) {
  Record holder = sample_record("web", web_id);
  holder.request.exclusive = "deploy";
  registry.create(holder);
  Record wanted = sample_record("api", api_id);
  EXPECT_EQ(registry.create(wanted).rival, std::nullopt);
  registry.discard(wanted);
  wanted.request.exclusive = "deploy";
  EXPECT_EQ(registry.create(wanted).rival.value().id, web_id);
  registry.finish(holder, sample_end());
  EXPECT_EQ(registry.create(wanted).rival, std::nullopt);
}

TEST_F(RegistryTest, FreesTheNameWhenItsHolderHasEnded) {
  registry.create(sample_record("web", web_id));
  EXPECT_TRUE(registry.finish(sample_record("web", web_id), sample_end()));
  EXPECT_EQ(registry.create(sample_record("web", api_id)).rival, std::nullopt);
  EXPECT_THAT(ids_of(registry.by_name("web")), UnorderedElementsAre(web_id, api_id));
}

TEST_F(RegistryTest, ChangesALiveRecord) {
  registry.create(sample_record());
  const auto changed = registry.update("web", web_id, [](Record& record) { record.attempt = 7; });
  ASSERT_TRUE(changed.has_value());
  EXPECT_EQ(changed->attempt, 7);
  EXPECT_EQ(registry.live().front().attempt, 7);
}

TEST_F(RegistryTest, DoesNotChangeARecordThatHasEndedOrIsGone) {
  registry.create(sample_record());
  registry.finish(sample_record(), sample_end());
  EXPECT_EQ(registry.update("web", web_id, [](Record&) { FAIL(); }), std::nullopt);
  EXPECT_EQ(registry.update("web", api_id, [](Record&) { FAIL(); }), std::nullopt);
}

TEST_F(RegistryTest, LeavesARecordAsItWasWhenTheChangeFails) {
  registry.create(sample_record());
  EXPECT_THROW(registry.update("web", web_id,
                               [](Record& record) {
                                 record.attempt = 7;
                                 throw std::runtime_error("half-way");
                               }),
               std::runtime_error);
  EXPECT_EQ(registry.live().front().attempt, 1);
  EXPECT_TRUE(registry.update("web", web_id, [](Record&) {}).has_value()) << "the lock was let go of";
}

TEST_F(RegistryTest, EndsARecordOnceAndForEver) {
  registry.create(sample_record());
  EXPECT_TRUE(registry.finish(sample_record(), sample_end(State::failed)));
  EXPECT_FALSE(registry.finish(sample_record(), sample_end(State::exited)));
  EXPECT_THAT(registry.live(), IsEmpty());
  ASSERT_EQ(registry.ended().size(), 1U);
  EXPECT_EQ(registry.ended().front().end->state, State::failed);
  EXPECT_TRUE(registry.has_ended("web", web_id));
}

TEST_F(RegistryTest, EndsTheRecordAsItIsStoredAndNotAsItWasRead) {
  registry.create(sample_record());
  const Record read_before = registry.live().front();
  registry.update("web", web_id, [](Record& record) { record.attempt = 2; });
  registry.finish(read_before, sample_end());
  EXPECT_EQ(registry.ended().front().attempt, 2);
}

TEST_F(RegistryTest, WritesTheEndOfARecordThatItHasLost) {
  EXPECT_TRUE(registry.finish(sample_record(), sample_end()));
  EXPECT_THAT(ids_of(registry.ended()), ElementsAre(web_id));
}

TEST_F(RegistryTest, TakesTheEndForTrueAfterACrashBetweenItsTwoSteps) {
  registry.create(sample_record());
  const std::string live = get_file(live_file("web"));
  registry.finish(sample_record(), sample_end(State::failed));
  put_file(live_file("web"), live);

  ASSERT_EQ(registry.by_name("web").size(), 1U);
  EXPECT_EQ(registry.by_name("web").front().end->state, State::failed);
  ASSERT_EQ(registry.by_id_prefix(web_id).size(), 1U);
  EXPECT_TRUE(registry.by_id_prefix(web_id).front().end.has_value());
  EXPECT_TRUE(registry.has_ended("web", web_id));
  EXPECT_EQ(registry.create(sample_record("web", api_id)).rival, std::nullopt) << "the name is free";
  EXPECT_FALSE(registry.finish(sample_record(), sample_end(State::exited)));
  EXPECT_THAT(ids_of(registry.live()), ElementsAre(api_id)) << "finishing again tidies up";
  EXPECT_EQ(registry.ended().front().end->state, State::failed);
}

TEST_F(RegistryTest, LosesABrokenRecordAloneAndSaysSo) {
  add_ended("web", web_id);
  add_ended("api", api_id);
  const std::string whole = get_file(ended_file("web", web_id));
  for (const std::string& garbage :
       {std::string(), std::string("{"), std::string(100, '\0'), whole.substr(0, 100), std::string("{}")}) {
    put_file(ended_file("web", web_id), garbage);
    Registry again(root);
    EXPECT_THAT(ids_of(again.ended()), ElementsAre(api_id));
    ASSERT_EQ(again.troubles().size(), 1U);
    EXPECT_EQ(again.troubles().front().path, ended_file("web", web_id));
    EXPECT_FALSE(again.troubles().front().reason.empty());
    EXPECT_TRUE(exists(ended_file("web", web_id))) << "it is not silently dropped";
  }
}

TEST_F(RegistryTest, TellsATroubleOnceHoweverOftenItIsMet) {
  registry.create(sample_record());
  put_file(live_file("web"), "{");
  put_file(root + "/live/notes.txt", "mine");
  registry.live();
  registry.by_name("web");
  registry.by_id_prefix("a");
  EXPECT_THAT(troubled(), UnorderedElementsAre(live_file("web") + ":1", root + "/live/notes.txt"));
}

TEST_F(RegistryTest, ReadsHundredsAndLosesOnlyWhatIsBroken) {
  add_ended("web", web_id);
  std::vector<std::string> expected{web_id};
  std::vector<std::string> broken;
  for (int i = 0; i < 450; ++i) {
    std::string id = sample_id('c');
    for (int digit = 10, rest = i; digit > 6; --digit, rest /= 10)
      id[static_cast<std::size_t>(digit)] = static_cast<char>('b' + rest % 10);
    const std::string name = "s" + std::to_string(i);
    const bool is_broken = i % 100 == 7;
    Record record = sample_record(name, id);
    record.end = sample_end();
    put_file(ended_file(name, id), is_broken ? "{" : to_json(record));
    (is_broken ? broken : expected).push_back(is_broken ? ended_file(name, id) : id);
  }
  EXPECT_THAT(ids_of(registry.ended()), testing::UnorderedElementsAreArray(expected));
  EXPECT_THAT(troubled(), testing::UnorderedElementsAreArray(broken));
}

TEST_F(RegistryTest, TellsOfFilesThatAreNoRecords) {
  add_ended("web", web_id);
  for (const char* name : {"web.json", "Web.aaaaaaaaaaab.json", "web.aaaaaaaaaaab.json.orig", ".hidden", "a.b.c.json"})
    put_file(root + "/ended/" + name, "{}");
  EXPECT_THAT(ids_of(registry.ended()), ElementsAre(web_id));
  EXPECT_EQ(registry.troubles().size(), 5U);
}

TEST_F(RegistryTest, MindsNoTemporaryFileOfAnotherWriter) {
  registry.create(sample_record());
  add_ended("api", api_id);
  put_file(live_file("web") + ".x4k2ab.tmp", "{\"sch");
  put_file(ended_file("api", api_id) + ".x4k2ab.tmp", "{\"sch");
  EXPECT_EQ(registry.live().size(), 1U);
  EXPECT_EQ(registry.ended().size(), 1U);
  EXPECT_THAT(registry.troubles(), IsEmpty());
}

TEST_F(RegistryTest, TakesNoFileForAnotherSessionsRecord) {
  add_ended("web", web_id);
  put_file(ended_file("api", api_id), get_file(ended_file("web", web_id)));
  put_file(ended_file("web", sample_id('d')), get_file(ended_file("web", web_id)));
  EXPECT_THAT(ids_of(registry.ended()), ElementsAre(web_id));
  ASSERT_EQ(registry.troubles().size(), 2U);
  EXPECT_EQ(registry.troubles().front().reason, "its content is another session's");
}

TEST_F(RegistryTest, TakesNoRecordWithoutAnEndForOneThatHasEnded) {
  registry.create(sample_record("web", web_id));
  registry.finish(sample_record("web", web_id), sample_end());
  put_file(ended_file("web", web_id), to_json(sample_record("web", web_id)));
  EXPECT_THAT(registry.ended(), IsEmpty());
  EXPECT_THAT(troubled(), ElementsAre(ended_file("web", web_id)));
}

TEST_F(RegistryTest, IsNotLedAstrayByALinkOrAFifo) {
  add_ended("web", web_id);
  ASSERT_EQ(::symlink("/etc/passwd", ended_file("link", sample_id('d')).c_str()), 0);
  ASSERT_EQ(::mkfifo(ended_file("fifo", sample_id('e')).c_str(), 0600), 0);
  EXPECT_THAT(ids_of(registry.ended()), ElementsAre(web_id));
  EXPECT_EQ(registry.troubles().size(), 2U);
}

TEST_F(RegistryTest, RefusesARecordThatIsTooLarge) {
  add_ended("web", web_id);
  ASSERT_EQ(::truncate(ended_file("web", web_id).c_str(), static_cast<off_t>(record_size_limit) + 1), 0);
  EXPECT_THAT(registry.ended(), IsEmpty());
  EXPECT_EQ(registry.troubles().front().reason, "the file is too large");
}

TEST_F(RegistryTest, ForgetsAnEndedRecord) {
  registry.create(sample_record());
  EXPECT_FALSE(registry.remove_ended(sample_record())) << "it lives";
  registry.finish(sample_record(), sample_end());
  EXPECT_TRUE(registry.remove_ended(sample_record()));
  EXPECT_FALSE(registry.remove_ended(sample_record()));
  EXPECT_THAT(registry.by_name("web"), IsEmpty());
}

TEST_F(RegistryTest, DiscardsALaunchThatWasRefused) {
  registry.create(sample_record());
  registry.discard(sample_record());
  EXPECT_THAT(registry.live(), IsEmpty());
  EXPECT_NO_THROW(registry.discard(sample_record()));
}

TEST_F(RegistryTest, ThatIsReadOnlyCanBeReadAndSaysWhyItCannotBeChanged) {
  registry.create(sample_record());
  for (const std::string& path : {folder.path(), folder / "state", root, root + "/live"}) ::chmod(path.c_str(), 0555);
  ::chmod(live_file("web").c_str(), 0444);
  ::chmod((root + "/lock").c_str(), 0444);
  const auto is_denied = [](const std::function<void()>& change) {
    try {
      change();
    } catch (const Error& error) {
      return error.code() == ErrorCode::not_permitted && !error.object().empty();
    }
    return false;
  };
  ChildProcess stranger = as_stranger([&] {
    Registry theirs(root);
    return ids_of(theirs.live()) == std::vector{web_id} && theirs.troubles().empty() &&
           is_denied([&] { theirs.create(sample_record("api", api_id)); }) &&
           is_denied([&] { theirs.update("web", web_id, [](Record&) {}); }) &&
           is_denied([&] { theirs.finish(sample_record(), sample_end()); });
  });
  EXPECT_EQ(stranger.wait(), 0);
  EXPECT_THAT(ids_of(registry.live()), ElementsAre(web_id));
  for (const std::string& path : {folder.path(), folder / "state", root, root + "/live"}) ::chmod(path.c_str(), 0755);
}

TEST_F(RegistryTest, ThatCannotBeReadIsATroubleAndNotEmpty) {
  registry.create(sample_record());
  ::chmod((root + "/live").c_str(), 0);
  ::chmod(root.c_str(), 0755);
  ::chmod((folder / "state").c_str(), 0755);
  ::chmod(folder.path().c_str(), 0755);
  ChildProcess stranger = as_stranger([&] {
    Registry theirs(root);
    return theirs.live().empty() && theirs.troubles().size() == 1 && theirs.troubles().front().path == root + "/live";
  });
  EXPECT_EQ(stranger.wait(), 0);
  ::chmod((root + "/live").c_str(), 0700);
}

TEST_F(RegistryTest, GivesANameToExactlyOneOfManyWhoWantIt) {
  std::vector<ChildProcess> starters;
  for (char last = 'a'; last < 'a' + 20; ++last)
    starters.emplace_back([this, last](const ChildProcess::Ready&) {
      Registry own(root);
      const auto holder = own.create(sample_record("web", sample_id(last))).rival;
      if (!holder) return 0;
      return holder->request.name == "web" && holder->id != sample_id(last) ? 1 : 2;
    });
  int winners = 0;
  int losers = 0;
  for (ChildProcess& starter : starters) {
    const int status = WEXITSTATUS(starter.wait());
    winners += status == 0 ? 1 : 0;
    losers += status == 1 ? 1 : 0;
  }
  EXPECT_EQ(winners, 1);
  EXPECT_EQ(losers, 19);
  EXPECT_EQ(registry.live().size(), 1U);
}

TEST_F(RegistryTest, LosesNoChangeOfWritersAtTheSameTime) {
  registry.create(sample_record());
  std::vector<ChildProcess> writers;
  for (int i = 0; i < 4; ++i)
    writers.emplace_back([this](const ChildProcess::Ready&) {
      Registry own(root);
      for (int turn = 0; turn < 25; ++turn)
        if (!own.update("web", web_id, [](Record& record) { ++record.attempt; })) return 1;
      return 0;
    });
  for (ChildProcess& writer : writers) EXPECT_EQ(writer.wait(), 0);
  EXPECT_EQ(registry.live().front().attempt, 101);
}

TEST_F(RegistryTest, EndsARecordOnceAmongSeveralWhoTry) {
  registry.create(sample_record());
  std::vector<ChildProcess> recorders;
  for (int i = 0; i < 8; ++i)
    recorders.emplace_back(
        [this](const ChildProcess::Ready&) { return Registry(root).finish(sample_record(), sample_end()) ? 1 : 0; });
  int wrote = 0;
  for (ChildProcess& recorder : recorders) wrote += WEXITSTATUS(recorder.wait());
  EXPECT_EQ(wrote, 1);
  EXPECT_EQ(registry.ended().size(), 1U);
}

TEST(RegistryPlace, IsTheSystemsOrTheUsers) {
  EXPECT_EQ(registry_place(ManagerScope::system, "/root", "/ignored").root, "/var/lib/agentctl");
  EXPECT_EQ(registry_place(ManagerScope::user, "/home/ann", nullptr).root, "/home/ann/.local/state/agentctl");
  EXPECT_EQ(registry_place(ManagerScope::user, "/home/ann", "/state").root, "/state/agentctl");
  EXPECT_EQ(registry_place(ManagerScope::user, "/home/ann", "").root, "/home/ann/.local/state/agentctl");
  EXPECT_EQ(registry_place(ManagerScope::user, "/home/ann", "relative").root, "/home/ann/.local/state/agentctl");
}

class RegistryOfAShell : public testing::Test {
 protected:
  RegistryPlace of_shell() const { return registry_place(ManagerScope::user, home, (home + "/state").c_str()); }
  RegistryPlace of_manager() const { return registry_place(ManagerScope::user, home, nullptr); }

  TemporaryFolder folder;
  std::string home = folder.path();
};

TEST_F(RegistryOfAShell, IsFoundByWhoDoesNotSeeItsVariables) {
  Registry(of_shell()).create(sample_record());
  EXPECT_EQ(of_shell().root, home + "/state/agentctl");
  EXPECT_EQ(Registry(of_manager()).live().size(), 1U);
  EXPECT_TRUE(Registry(of_manager()).finish(sample_record(), sample_end()));
  EXPECT_EQ(Registry(of_shell()).ended().size(), 1U);
}

TEST_F(RegistryOfAShell, IsTheOneThatIsThereAlready) {
  Registry(of_manager()).create(sample_record());
  EXPECT_EQ(of_shell().root, of_manager().root);
  EXPECT_EQ(Registry(of_shell()).live().size(), 1U);
}

TEST_F(RegistryOfAShell, IsMadeAnewWhereItsFolderIsGone) {
  Registry(of_shell()).create(sample_record());
  std::filesystem::remove_all(home + "/state");
  Registry(of_manager()).create(sample_record());
  EXPECT_EQ(Registry(of_manager()).live().size(), 1U);
  EXPECT_FALSE(std::filesystem::is_symlink(of_manager().root));
}

TEST_F(RegistryOfAShell, GetsTheLinkOfOneThatIsGone) {
  Registry(of_shell()).create(sample_record());
  std::filesystem::remove_all(home + "/state");
  const RegistryPlace other{.root = home + "/other/agentctl", .link = of_manager().root};
  Registry(other).create(sample_record());
  EXPECT_EQ(Registry(of_manager()).live().size(), 1U);
}

TEST_F(RegistryOfAShell, GoesWithoutALinkAndSaysSo) {
  put_file(home + "/.local", "in the way");
  Registry registry(of_shell());
  registry.create(sample_record());
  EXPECT_EQ(registry.live().size(), 1U);
  ASSERT_EQ(registry.troubles().size(), 1U);
  EXPECT_EQ(registry.troubles().front().path, of_manager().root);
}

}  // namespace
}  // namespace agentctl
