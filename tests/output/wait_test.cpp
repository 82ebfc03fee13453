#include <boost/json.hpp>
#include <memory>

#include "output/output_fixture.hpp"

namespace agentctl {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class WaitTest : public OutputOnBusTest {
 protected:
  // Starts `wait` and returns when it listens to systemd and has looked at the units since: each look reads two
  // interfaces, and the first looks find the sessions.
  std::unique_ptr<Program> waiting(const Words& names) {
    Words all{"--user", "wait"};
    all.insert(all.end(), names.begin(), names.end());
    auto program = std::make_unique<Program>(start_of(all));
    EXPECT_TRUE(systemd.wait_for_call("GetAll", 4 * names.size()));
    return program;
  }
};

TEST_F(WaitTest, EndsWithTheStatusOfTheSession) {
  const Record record = add_live(record_of("web"));
  const auto program = waiting({"web"});
  end(record, State::failed, "exited with status 3", 3);
  EXPECT_THAT(program->finish(), ended_with(3, "", ""));
}

TEST_F(WaitTest, ForWhatHasEndedReturnsAtOnce) {
  add_ended(record_of("good"), State::exited, "exited with status 0", 0);
  add_ended(record_of("bad"), State::failed, "exited with status 3", 3);
  add_ended(record_of("late"), State::expired, "time limit of 1min reached", std::nullopt);
  EXPECT_THAT(agentctl({"wait", "good"}), ended_with(0, "", ""));
  EXPECT_THAT(agentctl({"wait", "good", "bad"}), ended_with(3, "", ""));
  EXPECT_THAT(agentctl({"wait", "late"}), ended_with(124, "", ""));
}

TEST_F(WaitTest, ForSeveralEndsWithTheFirstStatusThatIsNotZero) {
  const Record a = add_live(record_of("a"));
  const Record b = add_live(record_of("b"));
  const Record c = add_live(record_of("c"));
  const auto program = waiting({"a", "b", "c"});
  end(c, State::failed, "exited with status 4", 4);
  end(a, State::exited, "exited with status 0", 0);
  end(b, State::failed, "exited with status 3", 3);
  EXPECT_THAT(program->finish(), ended_with(3, "", ""));
}

TEST_F(WaitTest, AReloadOfSystemdIsNoEnd) {
  const Record record = add_live(record_of("web"));
  const auto program = waiting({"web"});
  systemd.reload();
  EXPECT_TRUE(systemd.wait_for_call("GetAll", 6));
  end(record, State::exited, "exited with status 0", 0);
  EXPECT_THAT(program->finish(), ended_with(0, "", ""));
}

TEST_F(WaitTest, GivesUpAtItsTimeout) {
  add_live(record_of("web"));
  add_live(record_of("api"));
  EXPECT_THAT(agentctl({"wait", "--timeout", "50ms", "web"}),
              ended_with(7, "", error_text("still waiting for 'web': not ended after 50ms", "agentctl status web")));
  EXPECT_THAT(agentctl({"wait", "--timeout", "50ms", "web", "api"}),
              ended_with(7, "",
                         error_text("still waiting for 'web, api': not ended after 50ms", "agentctl status web")));
  EXPECT_THAT(agentctl({"--json", "wait", "--timeout", "0", "web"}),
              ended_with(7, "",
                         R"({"error":{"code":"timed-out","message":"still waiting for 'web': not ended after 0",)"
                         R"("object":"web","reason":"not ended after 0","hint":"agentctl status web"}})"
                         "\n"));
}

TEST_F(WaitTest, ForReadyIsOverWhenItRuns) {
  add_live(record_of("web"));
  EXPECT_THAT(agentctl({"wait", "--for", "ready", "web"}), ended_with(0, "", ""));
  add_ended(record_of("gone"), State::exited, "exited with status 0", 0);
  EXPECT_THAT(agentctl({"wait", "--for", "ready", "gone"}), ended_with(1, "", ""));
  const Record slow = add_live(record_of("slow"), {.name = {}, .active_state = "activating", .sub_state = "start"});
  EXPECT_THAT(agentctl({"wait", "--for", "ready", "--timeout", "50ms", "slow"}),
              ended_with(7, "", error_text("still waiting for 'slow': not ready after 50ms", "agentctl status slow")));
}

TEST_F(WaitTest, ForHealthyNeedsAHealthCheck) {
  add_live(record_of("web"));
  EXPECT_THAT(agentctl({"wait", "--for", "healthy", "web"}),
              ended_with(4, "",
                         error_text("cannot wait for the health of session 'web': it has no health check",
                                    "agentctl wait --for ready web")));
}

TEST_F(WaitTest, InJsonPrintsTheSessionsAsTheyEnded) {
  const Record record = add_live(record_of("web"));
  end(record, State::failed, "exited with status 3", 3);
  const Outcome outcome = agentctl({"wait", "--json", "web"});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_EQ(boost::json::parse(outcome.out).at(0).at("state").as_string(), "failed");
}

// The statuses below 125 are the session's own.
TEST_F(WaitTest, ABusThatDiesMeanwhileIsAFailureOfAgentctl) {
  add_live(record_of("web"));
  const auto program = waiting({"web"});
  bus.kill();
  const Outcome outcome = program->finish();
  EXPECT_EQ(outcome.status, 125);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, testing::StartsWith("agentctl: cannot read "));
  EXPECT_THAT(outcome.err, HasSubstr("the bus closed the connection\nhint: agentctl doctor\n"));
}

}  // namespace
}  // namespace agentctl
