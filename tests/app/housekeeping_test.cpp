#include "app/housekeeping.hpp"

#include <gmock/gmock.h>

#include "app/sessions.hpp"
#include "app_fixture.hpp"

namespace agentctl {
namespace {

using testing::IsEmpty;

class Housekeeping : public AppTest {
 protected:
  std::vector<std::string> left() {
    std::vector<std::string> names;
    for (const Record& record : registry.ended()) names.push_back(record.request.name);
    return names;
  }
  Record add_ended_ago(const std::string& name, char id, microseconds ago) {
    Record record = add_record(name, id);
    End end = sample_end();
    end.ended_at = now() - ago;
    registry.finish(record, end);
    return record;
  }
};

TEST_F(Housekeeping, ForgetsSessionsByName) {
  add_ended("one", 'b');
  add_ended("two", 'c');
  remove_sessions(context, find_sessions(context, {"one"}));
  EXPECT_THAT(left(), testing::ElementsAre("two"));
}

TEST_F(Housekeeping, ForgetsNoneWhenOneOfThemLives) {
  add_ended("one", 'b');
  add_session("two", 'c');
  const Error error = thrown_by([&] { remove_sessions(context, find_sessions(context, {"one", "two"})); });
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_STREQ(error.what(), "cannot remove session 'two': it is running");
  EXPECT_EQ(error.hint(), "agentctl stop two");
  EXPECT_THAT(left(), testing::ElementsAre("one"));
}

TEST_F(Housekeeping, ForgetsNoneBeforeItsUnitIsGone) {
  const Record record = add_ended_ago("one", 'b', std::chrono::seconds(1));
  engine.add_unit(record, Activity::deactivating);
  bool was_kept = false;
  engine.meanwhile(record.unit, [&] {
    was_kept = registry.has_ended("one", record.id);
    engine.units.erase(record.unit);
  });
  EXPECT_EQ(prune(context, microseconds(0)).size(), 1U);
  EXPECT_TRUE(was_kept) << "its recorder may still read it, and list would show the unit of a session without a record";
  EXPECT_THAT(left(), IsEmpty());
}

TEST_F(Housekeeping, PrunesWhatEndedLongAgo) {
  add_ended_ago("hour", 'b', std::chrono::hours(1));
  add_ended_ago("day", 'c', std::chrono::hours(24));
  add_session("live", 'd');
  EXPECT_THAT(prune(context, std::chrono::hours(48)), IsEmpty());
  const auto forgotten = prune(context, std::chrono::hours(2));
  ASSERT_EQ(forgotten.size(), 1U);
  EXPECT_EQ(forgotten[0].request.name, "day");
  EXPECT_THAT(left(), testing::ElementsAre("hour"));
  EXPECT_EQ(prune(context, microseconds(0)).size(), 1U);
  EXPECT_EQ(registry.live().size(), 1U) << "what lives is never pruned";
}

TEST_F(Housekeeping, PrunesByItsBeginningWhatDoesNotSayWhenItEnded) {
  Record record = sample_record();
  record.created_at = now() - std::chrono::hours(3);
  End end = sample_end();
  end.ended_at.reset();
  registry.finish(record, end);
  EXPECT_THAT(prune(context, std::chrono::hours(4)), IsEmpty());
  EXPECT_EQ(prune(context, std::chrono::hours(2)).size(), 1U);
}

}  // namespace
}  // namespace agentctl
