#include "store/live_records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "domain/naming.hpp"
#include "domain/session_json.hpp"
#include "support/sample_records.hpp"
#include "support/temporary_folder.hpp"
#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::vector<std::string> names_of(const LoadedRecords& loaded) {
  std::vector<std::string> names;
  for (const Record& record : loaded.records) names.push_back(record.request.name);
  return names;
}

// Three names of one shard, so that they share a file.
std::vector<std::string> neighbours() {
  std::vector<std::string> names;
  for (int i = 0; names.size() < 3; ++i)
    if (std::string name = "s" + std::to_string(i); name_shard(name) == '7') names.push_back(std::move(name));
  return names;
}

class LiveRecordsTest : public testing::Test {
 protected:
  TemporaryFolder folder;
  LiveRecords live{folder.path()};
  const std::vector<std::string> names = neighbours();
  const std::string file = folder / "7.jsonl";

  void put(std::size_t which) {
    live.put(sample_record(names.at(which), sample_id(static_cast<char>('b' + static_cast<int>(which)))));
  }
  void put_all() {
    for (std::size_t i = 0; i < names.size(); ++i) put(i);
  }
};

TEST_F(LiveRecordsTest, NeedNoFolder) {
  LiveRecords none(folder / "none");
  EXPECT_THAT(none.all().records, IsEmpty());
  EXPECT_THAT(none.by_name("web").records, IsEmpty());
  EXPECT_EQ(none.find("web", sample_id('b')), std::nullopt);
  EXPECT_NO_THROW(none.remove("web", sample_id('b')));
  EXPECT_THAT(none.all().troubles, IsEmpty());
}

TEST_F(LiveRecordsTest, AreALineEach) {
  put_all();
  const std::string content = get_file(file);
  EXPECT_EQ(std::count(content.begin(), content.end(), '\n'), 3);
  EXPECT_THAT(names_of(live.all()), ElementsAre(names[0], names[1], names[2]));
  EXPECT_THAT(names_of(live.by_name(names[1])), ElementsAre(names[1]));
  EXPECT_THAT(names_of(live.by_id_prefix(sample_id('d'))), ElementsAre(names[2]));
  EXPECT_TRUE(live.find(names[0], sample_id('b')).has_value());
  EXPECT_FALSE(live.find(names[0], sample_id('c')).has_value()) << "that is another's id";
}

TEST_F(LiveRecordsTest, AreReplacedAndRemovedAlone) {
  put_all();
  Record changed = sample_record(names[1], sample_id('c'));
  changed.attempt = 7;
  live.put(changed);
  EXPECT_EQ(live.find(names[1], sample_id('c')).value().attempt, 7);
  live.remove(names[0], sample_id('b'));
  EXPECT_THAT(names_of(live.all()), UnorderedElementsAre(names[1], names[2]));
  live.remove(names[1], sample_id('c'));
  live.remove(names[2], sample_id('d'));
  EXPECT_FALSE(exists(file)) << "an empty file is none";
}

TEST_F(LiveRecordsTest, LoseABrokenLineAloneSayWhichAndKeepIt) {
  for (const std::string& garbage : {std::string("{"), std::string(100, '\0'), std::string("{}"),
                                     to_json(sample_record("x", sample_id('x'))).substr(0, 100)}) {
    ::unlink(file.c_str());
    put(0);
    put_file(file, get_file(file) + garbage + "\n");
    put(1);
    const LoadedRecords loaded = live.all();
    EXPECT_THAT(names_of(loaded), ElementsAre(names[0], names[1]));
    ASSERT_EQ(loaded.troubles.size(), 1U) << garbage;
    EXPECT_EQ(loaded.troubles.front().path, file + ":2");
    EXPECT_FALSE(loaded.troubles.front().reason.empty());
    live.remove(names[0], sample_id('b'));
    EXPECT_THAT(get_file(file), testing::StartsWith(garbage + "\n"));
  }
}

TEST_F(LiveRecordsTest, GoOnAfterALineThatWasCutShort) {
  put(0);
  put_file(file, get_file(file) + "{\"schema\":1,\"id\":\"");
  put(1);
  EXPECT_THAT(names_of(live.all()), ElementsAre(names[0], names[1]));
  EXPECT_EQ(live.all().troubles.size(), 1U);
}

TEST_F(LiveRecordsTest, AreFoundHoweverTheirLineIsWritten) {
  put_all();
  std::string content = get_file(file);
  for (std::size_t at = 0; (at = content.find("{\"schema\":1,", at)) != std::string::npos; at += 14)
    content.replace(at, 12, "{ \"schema\": 1, ");
  put_file(file, content);
  EXPECT_THAT(names_of(live.by_name(names[1])), ElementsAre(names[1]));
  live.remove(names[1], sample_id('c'));
  EXPECT_THAT(names_of(live.all()), ElementsAre(names[0], names[2]));
}

TEST_F(LiveRecordsTest, AreReadWhereTheyBelongOnly) {
  put(0);
  put_file(folder / "8.jsonl", get_file(file));
  const LoadedRecords loaded = live.all();
  EXPECT_EQ(loaded.records.size(), 1U);
  ASSERT_EQ(loaded.troubles.size(), 1U);
  EXPECT_EQ(loaded.troubles.front().path, folder / "8.jsonl:1");
}

TEST_F(LiveRecordsTest, TellOfFilesThatAreNotTheirs) {
  put(0);
  for (const char* name : {"g.jsonl", "7.json", "77.jsonl", ".jsonl", ".hidden"}) put_file(folder / name, "{}");
  EXPECT_EQ(live.all().records.size(), 1U);
  EXPECT_EQ(live.all().troubles.size(), 5U);
}

TEST_F(LiveRecordsTest, AreNotLedAstrayByALinkOrAFifo) {
  put(0);
  ASSERT_EQ(::symlink("/etc/passwd", (folder / "1.jsonl").c_str()), 0);
  ASSERT_EQ(::mkfifo((folder / "2.jsonl").c_str(), 0600), 0);
  EXPECT_EQ(live.all().records.size(), 1U);
  EXPECT_EQ(live.all().troubles.size(), 2U);
}

TEST_F(LiveRecordsTest, TakeNothingThatCouldNotBeReadAgain) {
  Record large = sample_record("web", sample_id('b'));
  large.request.command.push_back(std::string(15u << 20, 'x'));
  for (const char id : std::string("bcde")) {
    large.id = sample_id(id);
    live.put(large);
  }
  large.id = sample_id('f');
  EXPECT_THAT(thrown_by([&] { live.put(large); }).reason(), testing::HasSubstr("has no room for it"));
  EXPECT_EQ(live.all().records.size(), 4U) << "what was there is read as before";
  live.remove("web", sample_id('b'));
  large.request.command.back().resize(16u << 20);
  EXPECT_EQ(thrown_by([&] { live.put(large); }).reason(), "it is too large");
  EXPECT_EQ(live.all().records.size(), 3U);
}

TEST_F(LiveRecordsTest, LeaveAFileAloneThatCannotBeReadWhole) {
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_EQ(thrown_by([&] { put(0); }).object(), file);
  struct stat status {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_TRUE(S_ISFIFO(status.st_mode));
}

}  // namespace
}  // namespace agentctl
