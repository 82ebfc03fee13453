#include "domain/restart.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "support/sample_records.hpp"

namespace agentctl {
namespace {

using Step = AfterEnd::Step;
using std::chrono::seconds;

// An attempt that started at 1 s and ended when the test says, as the recorder sees it.
struct Attempt {
  Record record = sample_record();
  EndEvidence evidence;

  explicit Attempt(RestartPolicy policy, int code = 3, std::int64_t ended_at = 2) {
    record.request.restart.policy = policy;
    evidence.note.emplace().started_at = sample_time(1);
    evidence.at = sample_time(ended_at);
    exits(code);
  }
  Attempt& exits(int code) {
    evidence.note->exit_code = code;
    evidence.service_result = code == 0 ? "success" : "exit-code";
    evidence.exit_code = "exited";
    evidence.exit_status = std::to_string(code);
    return *this;
  }
  AfterEnd after() const { return after_end(record, evidence, decide_end(record, evidence)); }
};

TEST(AfterEnd, TheFirstStartMustBecomeHealthyAndOthersAreTriedAgain) {
  Attempt attempt(RestartPolicy::always);
  attempt.record.request.health.emplace();
  EXPECT_EQ(attempt.after().step, Step::stay_ended);
  attempt.record.attempt = 2;
  EXPECT_EQ(attempt.after().step, Step::retry);
  attempt.record.attempt = 1;
  attempt.evidence.note->ready_at = sample_time(2);
  EXPECT_EQ(attempt.after().step, Step::retry);
}

TEST(AfterEnd, WhatWasUnhealthyIsRestartedUnlessItWasToStop) {
  Attempt attempt(RestartPolicy::on_failure, 0, 100);
  attempt.record.request.health.emplace().when_unhealthy = WhenUnhealthy::restart;
  attempt.evidence.note->ready_at = sample_time(2);
  EXPECT_EQ(attempt.after().step, Step::stay_ended) << "a success is not restarted";
  attempt.evidence.note->unhealthy = "unhealthy: refused";
  EXPECT_EQ(attempt.after().step, Step::retry);
  attempt.record.request.health->when_unhealthy = WhenUnhealthy::stop;
  EXPECT_EQ(attempt.after().step, Step::stay_ended);
}

TEST(AfterEnd, FollowsThePolicyAsSystemdDoes) {
  struct Row {
    const char* what;
    RestartPolicy policy;
    int code;
    Step step;
  };
  for (const Row& row : {Row{"no, success", RestartPolicy::no, 0, Step::stay_ended},
                         Row{"no, failure", RestartPolicy::no, 3, Step::stay_ended},
                         Row{"on-failure, success", RestartPolicy::on_failure, 0, Step::stay_ended},
                         Row{"on-failure, failure", RestartPolicy::on_failure, 3, Step::retry},
                         Row{"always, success", RestartPolicy::always, 0, Step::retry},
                         Row{"always, failure", RestartPolicy::always, 3, Step::retry},
                         Row{"on-failure, 78", RestartPolicy::on_failure, 78, Step::park},
                         Row{"always, 78", RestartPolicy::always, 78, Step::park},
                         Row{"no, 78", RestartPolicy::no, 78, Step::stay_ended}})
    EXPECT_EQ(Attempt(row.policy, row.code).after().step, row.step) << row.what;
}

TEST(AfterEnd, RestartsWhatASignalOrTheHostsDeathEnded) {
  Attempt killed(RestartPolicy::on_failure);
  killed.evidence.note->exit_code.reset();
  killed.evidence.note->exit_signal = SIGSEGV;
  killed.evidence.service_result = "core-dump";
  EXPECT_EQ(killed.after().step, Step::retry);
  // systemd takes SIGTERM for a clean end (systemd.service(5), SuccessExitStatus=).
  killed.evidence.note->exit_signal = SIGTERM;
  killed.evidence.service_result = "success";
  EXPECT_EQ(killed.after().step, Step::stay_ended);
  Attempt host_killed(RestartPolicy::on_failure);
  host_killed.evidence.note->exit_code.reset();
  host_killed.evidence.service_result = "signal";
  host_killed.evidence.exit_code = "killed";
  host_killed.evidence.exit_status = "KILL";
  EXPECT_EQ(host_killed.after().step, Step::retry);
}

TEST(AfterEnd, DoesNotRestartWhatSomebodyOrTheTimeLimitEnded) {
  const std::vector<std::pair<const char*, std::function<void(Attempt&)>>> stories{
      {"a stop",
       [](Attempt& attempt) {
         attempt.record.stop =
             StopRequest{.by = {.uid = 1000, .user = "ann", .pid = 1, .command = "x"}, .reason = {}, .at = {}};
         attempt.evidence.note->terminated_at = sample_time(2);
       }},
      {"systemctl stop",
       [](Attempt& attempt) {
         attempt.evidence.job = ManagerJob::stop;
         attempt.evidence.note->terminated_at = sample_time(2);
       }},
      {"the time limit",
       [](Attempt& attempt) {
         attempt.record.request.ttl = seconds(1);
         attempt.evidence.service_result = "timeout";
         attempt.evidence.note->terminated_at = sample_time(2);
       }},
      {"the host's own clock",
       [](Attempt& attempt) {
         attempt.record.request.ttl = seconds(1);
         attempt.evidence.note->expired = true;
       }},
      {"a command that is gone", [](Attempt& attempt) { attempt.evidence.note->start_status = 127; }},
      {"nobody's word but the host's", [](Attempt& attempt) { attempt.evidence.service_result.clear(); }},
  };
  for (const auto& [what, tell] : stories) {
    Attempt attempt(RestartPolicy::always);
    tell(attempt);
    EXPECT_EQ(attempt.after().step, Step::stay_ended) << what;
  }
}

TEST(AfterEnd, DoublesTheDelayOfEarlyEndsAndParksAtTheLimit) {
  Attempt attempt(RestartPolicy::on_failure);
  std::vector<std::int64_t> delays;
  for (int i = 0; i < 4; ++i) {
    const AfterEnd after = attempt.after();
    ASSERT_EQ(after.step, Step::retry) << i;
    EXPECT_EQ(after.early_ends, i + 1);
    delays.push_back(std::chrono::duration_cast<seconds>(after.retry_at - attempt.evidence.at).count());
    attempt.record.early_ends = after.early_ends;
  }
  EXPECT_EQ(delays, (std::vector<std::int64_t>{2, 4, 8, 16}));
  const AfterEnd parked = attempt.after();
  EXPECT_EQ(parked.step, Step::park);
  EXPECT_EQ(parked.reason, "ended 5 times within 10s of its start; the last time it exited with status 3");
}

TEST(AfterEnd, BeginsAnewAfterALongRun) {
  Attempt attempt(RestartPolicy::on_failure, 3, 11);
  attempt.record.early_ends = 4;
  const AfterEnd after = attempt.after();
  EXPECT_EQ(after.step, Step::retry);
  EXPECT_EQ(after.early_ends, 0);
  EXPECT_EQ(after.retry_at, attempt.evidence.at + seconds(2));
}

TEST(AfterEnd, WhatTheCommandLeftBehindMakesNoEarlyEndALongRun) {
  Attempt attempt(RestartPolicy::on_failure, 3, 20);
  EXPECT_EQ(attempt.after().early_ends, 0);
  attempt.evidence.note->exited_at = sample_time(2);
  EXPECT_EQ(attempt.after().early_ends, 1);
  EXPECT_EQ(attempt.after().retry_at, attempt.evidence.at + seconds(2)) << "the delay begins when it is all over";
}

TEST(AfterEnd, ParksOnACodeThatIsNeverRestarted) {
  Attempt attempt(RestartPolicy::always, 9);
  attempt.record.request.restart.never_on = {9};
  EXPECT_EQ(attempt.after().reason, "exited with status 9, which is never restarted");
}

TEST(AfterEnd, DoesNotRetryWhenNoTimeWouldBeLeft) {
  Attempt attempt(RestartPolicy::on_failure);
  attempt.record.request.ttl = seconds(4);
  EXPECT_EQ(attempt.after().step, Step::retry) << "the retry is at 4 s, the limit at 5 s";
  attempt.record.request.ttl = seconds(3);
  EXPECT_EQ(attempt.after().step, Step::stay_ended);
  attempt.record.first_started_at = sample_time(2);
  EXPECT_EQ(attempt.after().step, Step::retry) << "the limit counts from the first attempt";
}

TEST(RestartDelay, IsDoubledUpToItsMost) {
  const RestartRules rules{.policy = RestartPolicy::always, .delay = seconds(2), .max_delay = seconds(120)};
  EXPECT_EQ(restart_delay(rules, 0), seconds(2));
  EXPECT_EQ(restart_delay(rules, 1), seconds(2));
  EXPECT_EQ(restart_delay(rules, 6), seconds(64));
  EXPECT_EQ(restart_delay(rules, 7), seconds(120));
  EXPECT_EQ(restart_delay(rules, 1000), seconds(120));
}

TEST(RestartPolicyName, GoesToAndFro) {
  for (const RestartPolicy policy : {RestartPolicy::no, RestartPolicy::on_failure, RestartPolicy::always})
    EXPECT_EQ(parse_restart_policy(to_string(policy)), policy);
  EXPECT_EQ(parse_restart_policy("on-success"), std::nullopt);
}

}  // namespace
}  // namespace agentctl
