#include <boost/json.hpp>

#include "output/output_fixture.hpp"

namespace agentctl {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

using WhyTest = OutputOnBusTest;

TEST_F(WhyTest, OfAFailureTellsItsExitAndEachAttempt) {
  Record record = record_of("web", 3h);
  record.attempt = 3;
  End earlier;
  earlier.reason = "exited with status 4";
  earlier.started_at = record.created_at;
  earlier.ended_at = record.created_at + 5s;
  record.earlier_attempts = {earlier, earlier};
  add_ended(record, State::failed, "exited with status 3", 3);
  constexpr const char* expected = R"(web ({id})  failed, exited with status 3
  ended      {created}, after 0s
  exit       status 3, systemd result 'exit-code'
  restarts   2
  before     attempt 1 exited with status 4, after 5s
             attempt 2 exited with status 4, after 5s
)";
  EXPECT_THAT(agentctl({"why", "web"}),
              ended_with(0, filled(expected, {{"id", record.id}, {"created", format_local(record.created_at)}}), ""));
}

TEST_F(WhyTest, OfAStopTellsWhoAskedForIt) {
  Record record = record_of("web", 3h);
  record.stop = StopRequest{.by = {.uid = 7, .user = "bob", .pid = 8, .command = "bash\033[2J"},
                            .reason = "wrong branch",
                            .at = now()};
  add_ended(record, State::stopped, "stopped by bob: wrong branch", std::nullopt);
  EXPECT_THAT(agentctl({"why", "web"}).out, HasSubstr("  stopped by bob (pid 8, bash\\x1b[2J): wrong branch\n"));
}

TEST_F(WhyTest, OfALiveSessionTellsItsState) {
  add_live(record_of("web"));
  const Outcome outcome = agentctl({"why", "web"});
  EXPECT_THAT(outcome.out, HasSubstr("web ("));
  EXPECT_THAT(outcome.out, HasSubstr(")  running"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("exit ")));
}

TEST_F(WhyTest, InJsonIsTheSessionAndItsLastLines) {
  add_ended(record_of("web"), State::failed, "exited with status 3", 3);
  const auto object = boost::json::parse(agentctl({"why", "--json", "web"}).out).as_object();
  EXPECT_EQ(object.at("state"), "failed");
  EXPECT_TRUE(object.at("last_lines").is_array());
}

TEST_F(WhyTest, OfAStrangerIsNoSuchSession) {
  EXPECT_THAT(agentctl({"why", "nobody"}),
              ended_with(3, "", error_text("no such session 'nobody'", "agentctl list -a")));
}

}  // namespace
}  // namespace agentctl
