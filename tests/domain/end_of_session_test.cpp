#include "domain/end_of_session.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <set>

#include "support/sample_records.hpp"

namespace agentctl {
namespace {

using std::chrono::minutes;

const StopRequest stop_request{.by = {.uid = 1000, .user = "ann", .pid = 5, .command = "zsh"}, .reason = "", .at = {}};
const Asker asker{.uid = 1000, .user = "bob", .pid = 6, .command = "sh"};

/// What systemd and the host say in one story.
struct Evidence : EndEvidence {
  /// $SERVICE_RESULT, $EXIT_CODE, $EXIT_STATUS.
  Evidence(std::string result, std::string code, std::string status) {
    service_result = std::move(result);
    exit_code = std::move(code);
    exit_status = std::move(status);
    invocation_id = "i1";
    at = sample_time(100);
    note = HostNote{};
    note->pid = 4711;
    note->started_at = sample_time(1);
  }
  Evidence& command_exited(int status) {
    note->exit_code = status;
    return *this;
  }
  Evidence& command_killed(int signal, bool core = false) {
    note->exit_signal = signal;
    note->core_dumped = core;
    return *this;
  }
  Evidence& manager_sent_term() {
    note->terminated_at = sample_time(90);
    return *this;
  }
  Evidence& during(ManagerJob manager_job) {
    job = manager_job;
    return *this;
  }
  Evidence& never_started() {
    note->started_at.reset();
    note->pid = 0;
    return *this;
  }
  Evidence& could_not_run(int status, std::string text) {
    never_started();
    note->start_status = status;
    note->start_error = std::move(text);
    return *this;
  }
  Evidence& without_note() {
    note.reset();
    return *this;
  }
};

struct Story {
  const char* what;
  Evidence evidence;
  std::function<void(Record&)> asked;
  State state;
  std::string reason;
  std::optional<int> code;
  std::optional<int> signal;
  int status;  ///< that `wait` ends with
};

void nothing(Record&) {}
void stop(Record& record) { record.stop = stop_request; }
void stop_with_reason(Record& record) {
  record.stop = stop_request;
  record.stop->reason = "wrong branch";
}
void ttl(Record& record) { record.request.ttl = minutes(15); }
void short_ttl(Record& record) { record.request.ttl = minutes(1); }
void extended(Record& record) {
  ttl(record);
  record.expires_at = sample_time(1) + minutes(90);
}
void ttl_and_stop(Record& record) {
  ttl(record);
  stop(record);
}
void restart(Record& record) { record.restart_by = asker; }
void restart_then_stop(Record& record) {
  restart(record);
  stop(record);
}

// The stories, each in few lines: what happens, the evidence, what was asked, and what is said of it.
// clang-format off
std::vector<Story> by_itself() {
  return {
      {"the command exits with 0", Evidence("success", "exited", "0").command_exited(0), nothing, State::exited,
       "exited with status 0", 0, {}, 0},
      {"the command exits with 3", Evidence("exit-code", "exited", "3").command_exited(3), nothing, State::failed,
       "exited with status 3", 3, {}, 3},
      {"the command exits with 255", Evidence("exit-code", "exited", "255").command_exited(255), nothing, State::failed,
       "exited with status 255", 255, {}, 255},
      {"the command segfaults and dumps core", Evidence("exit-code", "exited", "139").command_killed(SIGSEGV, true), nothing,
       State::failed, "killed by SIGSEGV (core dumped)", {}, SIGSEGV, 139},
      {"somebody else kills the command with SIGKILL", Evidence("signal", "killed", "KILL").command_killed(SIGKILL),
       nothing, State::failed, "killed by SIGKILL", {}, SIGKILL, 137},
      {"a signal without a name kills it", Evidence("exit-code", "exited", "188").command_killed(60), nothing,
       State::failed, "killed by signal 60", {}, 60, 188},
      {"the session host alone is killed", Evidence("signal", "killed", "KILL"), nothing, State::failed,
       "its session host was killed by SIGKILL", {}, SIGKILL, 137},
      {"the session host alone crashes", Evidence("core-dump", "dumped", "SEGV"), nothing, State::failed,
       "its session host was killed by SIGSEGV", {}, SIGSEGV, 139},
      {"the kernel kills for memory", Evidence("oom-kill", "killed", "KILL").command_killed(SIGKILL), nothing, State::failed,
       "out of memory: killed by the kernel", {}, SIGKILL, 137},
      {"the host left no note and the unit exited with 4", Evidence("exit-code", "exited", "4").without_note(), nothing,
       State::failed, "exited with status 4", 4, {}, 4},
      {"the host left no note and the unit was killed", Evidence("signal", "killed", "ABRT").without_note(), nothing,
       State::failed, "killed by SIGABRT", {}, SIGABRT, 134},
      {"the host left no note and dumped core", Evidence("core-dump", "dumped", "SEGV").without_note(), nothing,
       State::failed, "killed by SIGSEGV (core dumped)", {}, SIGSEGV, 139},
      {"systemd could not even start the host", Evidence("resources", "", "").without_note(), nothing, State::failed,
       "systemd result 'resources'", {}, {}, 1},
  };
}

std::vector<Story> not_started() {
  return {
      {"the command vanished before it could be run",
       Evidence("exit-code", "exited", "127").could_not_run(127, "cannot run '/x': No such file or directory"), nothing,
       State::failed, "cannot run '/x': No such file or directory", 127, {}, 127},
      {"the command may not be run",
       Evidence("exit-code", "exited", "126").could_not_run(126, "cannot run '/x': Permission denied"), nothing,
       State::failed, "cannot run '/x': Permission denied", 126, {}, 126},
      {"it could not be run, and the recorder was killed too", Evidence("", "", "").could_not_run(127, "cannot run '/x'"),
       nothing, State::failed, "cannot run '/x'", 127, {}, 127},
      {"it could not be run, and a stop was asked for", Evidence("exit-code", "exited", "127").could_not_run(127, "gone"),
       stop, State::failed, "gone", 127, {}, 127},
      {"the start times out", Evidence("timeout", "killed", "TERM").never_started().manager_sent_term(), nothing,
       State::failed, "did not start in time", {}, SIGTERM, 143},
      {"the start times out although a limit is set", Evidence("timeout", "killed", "TERM").never_started(), ttl,
       State::failed, "did not start in time", {}, SIGTERM, 143},
      {"the start times out before the host has written anything", Evidence("timeout", "killed", "KILL").without_note(),
       nothing, State::failed, "did not start in time", {}, SIGKILL, 137},
      {"a stop comes while it starts and times out",
       Evidence("timeout", "killed", "KILL").never_started().during(ManagerJob::stop), nothing, State::stopped,
       "stopped with systemctl", {}, SIGKILL, 137},
  };
}

// The recorder was killed, so that nobody has systemd's word; the host had noted SIGTERM 89 s after the start.
std::vector<Story> without_recorder() {
  return {
      {"its time was up", Evidence("", "", "").command_killed(SIGTERM).manager_sent_term(), short_ttl, State::expired,
       "time limit of 1min reached", {}, SIGTERM, 124},
      {"its time was not up", Evidence("", "", "").command_killed(SIGTERM).manager_sent_term(), ttl, State::failed,
       "killed by SIGTERM", {}, SIGTERM, 143},
  };
}

std::vector<Story> stopped() {
  return {
      {"agentctl stop", Evidence("success", "exited", "0").command_killed(SIGTERM).manager_sent_term(), stop,
       State::stopped, "stopped by ann", {}, SIGTERM, 143},
      {"agentctl stop with a reason", Evidence("success", "exited", "0").command_killed(SIGTERM).manager_sent_term(),
       stop_with_reason, State::stopped, "stopped by ann: wrong branch", {}, SIGTERM, 143},
      {"agentctl stop of a command that handles SIGTERM and exits with 0",
       Evidence("success", "exited", "0").command_exited(0).manager_sent_term(), stop, State::stopped, "stopped by ann", 0,
       {}, 0},
      {"agentctl stop of a command that handles SIGTERM and exits with 3",
       Evidence("exit-code", "exited", "3").command_exited(3).manager_sent_term(), stop, State::stopped, "stopped by ann",
       3, {}, 3},
      {"agentctl stop of a command that ignores SIGTERM",
       Evidence("timeout", "killed", "KILL").manager_sent_term().during(ManagerJob::stop), stop, State::stopped,
       "stopped by ann", {}, SIGKILL, 137},
      {"agentctl stop of a command with a limit that ignores SIGTERM",
       Evidence("timeout", "killed", "KILL").manager_sent_term().during(ManagerJob::stop), ttl_and_stop, State::stopped,
       "stopped by ann", {}, SIGKILL, 137},
      {"agentctl stop --timeout 0: SIGKILL to all, before the host could write that it was told",
       Evidence("signal", "killed", "KILL"), stop, State::stopped, "stopped by ann", {}, SIGKILL, 137},
      {"agentctl stop without a limit, and the stop job could not be seen",
       Evidence("timeout", "killed", "KILL").manager_sent_term(), stop, State::stopped, "stopped by ann", {}, SIGKILL, 137},
      {"systemctl stop", Evidence("success", "exited", "0").command_killed(SIGTERM).manager_sent_term().during(ManagerJob::stop),
       nothing, State::stopped, "stopped with systemctl", {}, SIGTERM, 143},
      {"systemctl stop of a command that ignores SIGTERM",
       Evidence("timeout", "killed", "KILL").manager_sent_term().during(ManagerJob::stop), nothing, State::stopped,
       "stopped with systemctl", {}, SIGKILL, 137},
      {"systemctl stop of a command with a limit that ignores SIGTERM",
       Evidence("timeout", "killed", "KILL").manager_sent_term().during(ManagerJob::stop), ttl, State::stopped,
       "stopped with systemctl", {}, SIGKILL, 137},
      {"systemctl stop without a limit, and the stop job could not be seen",
       Evidence("timeout", "killed", "KILL").manager_sent_term(), nothing, State::stopped, "stopped with systemctl", {},
       SIGKILL, 137},
      {"systemctl stop, and the host left no note",
       Evidence("success", "killed", "TERM").without_note().during(ManagerJob::stop), nothing, State::stopped,
       "stopped with systemctl", {}, SIGTERM, 143},
      {"systemctl kill: SIGTERM, but nobody stops the unit",
       Evidence("success", "exited", "0").command_killed(SIGTERM).manager_sent_term(), nothing, State::failed,
       "killed by SIGTERM", {}, SIGTERM, 143},
      {"a stop was asked for, never reached systemd, and the command exits by itself",
       Evidence("success", "exited", "0").command_exited(0), stop, State::exited, "exited with status 0", 0, {}, 0},
      {"a stop was asked for, never reached systemd, and the command crashes later",
       Evidence("exit-code", "exited", "139").command_killed(SIGSEGV), stop, State::failed, "killed by SIGSEGV", {}, SIGSEGV,
       139},
  };
}

std::vector<Story> by_the_manager() {
  return {
      {"the time limit", Evidence("timeout", "exited", "0").command_killed(SIGTERM).manager_sent_term(), ttl,
       State::expired, "time limit of 15min reached", {}, SIGTERM, 124},
      {"the time limit of a command that handles SIGTERM and exits with 0",
       Evidence("timeout", "exited", "0").command_exited(0).manager_sent_term(), ttl, State::expired,
       "time limit of 15min reached", 0, {}, 124},
      {"the time limit of a command that ignores SIGTERM", Evidence("timeout", "killed", "KILL").manager_sent_term(), ttl,
       State::expired, "time limit of 15min reached", {}, SIGKILL, 124},
      {"a time limit that was extended",
       Evidence("timeout", "exited", "0").command_killed(SIGTERM).manager_sent_term(), extended, State::expired,
       "time limit of 15min, extended to 1h 30min, reached", {}, SIGTERM, 124},
      {"the time limit, and the host left no note", Evidence("timeout", "killed", "KILL").without_note(), ttl,
       State::expired, "time limit of 15min reached", {}, SIGKILL, 124},
      {"the time limit, long after a stop that never reached systemd",
       Evidence("timeout", "exited", "0").command_killed(SIGTERM).manager_sent_term(), ttl_and_stop, State::expired,
       "time limit of 15min reached", {}, SIGTERM, 124},
      {"agentctl restart",
       Evidence("success", "exited", "0").command_killed(SIGTERM).manager_sent_term().during(ManagerJob::restart), restart,
       State::restarting, "restarted by bob", {}, SIGTERM, 143},
      {"agentctl restart of a command that ignores SIGTERM",
       Evidence("timeout", "killed", "KILL").manager_sent_term().during(ManagerJob::restart), restart, State::restarting,
       "restarted by bob", {}, SIGKILL, 137},
      {"systemctl restart",
       Evidence("success", "exited", "0").command_killed(SIGTERM).manager_sent_term().during(ManagerJob::restart), nothing,
       State::restarting, "restarted with systemctl", {}, SIGTERM, 143},
      {"a restart was asked for, never reached systemd, and the command exits",
       Evidence("exit-code", "exited", "1").command_exited(1), restart, State::failed, "exited with status 1", 1, {}, 1},
      {"a restart was asked for, and then a stop wins",
       Evidence("success", "exited", "0").command_killed(SIGTERM).manager_sent_term().during(ManagerJob::stop),
       restart_then_stop, State::stopped, "stopped by ann", {}, SIGTERM, 143},
      {"the host is shut down",
       Evidence("success", "exited", "0").command_killed(SIGTERM).manager_sent_term().during(ManagerJob::shutdown), nothing,
       State::lost, "the host or its user manager was shut down", {}, SIGTERM, 143},
      {"the host is shut down, and the command ignores SIGTERM",
       Evidence("timeout", "killed", "KILL").manager_sent_term().during(ManagerJob::shutdown), nothing, State::lost,
       "the host or its user manager was shut down", {}, SIGKILL, 137},
      {"the command exits by itself just before the host is shut down",
       Evidence("success", "exited", "0").command_exited(0).during(ManagerJob::shutdown), nothing, State::exited,
       "exited with status 0", 0, {}, 0},
  };
}
// clang-format on

TEST(EndOfSession, IsWhatTheEvidenceSays) {
  std::set<std::string> told;
  for (const auto& chapter : {by_itself(), not_started(), without_recorder(), stopped(), by_the_manager()}) {
    for (const Story& story : chapter) {
      EXPECT_TRUE(told.insert(story.what).second) << story.what;
      Record record = sample_record();
      story.asked(record);
      const End end = decide_end(record, story.evidence);
      EXPECT_STREQ(to_string(end.state), to_string(story.state)) << story.what;
      EXPECT_EQ(end.reason, story.reason) << story.what;
      EXPECT_EQ(end.exit.code, story.code) << story.what;
      EXPECT_EQ(end.exit.signal, story.signal) << story.what;
      EXPECT_EQ(end.exit.result, story.evidence.service_result) << story.what;
      EXPECT_EQ(exit_status_of(end), story.status) << story.what;
    }
  }
}

TEST(EndOfSession, KeepsWhatTheHostNoted) {
  Evidence evidence = Evidence("success", "exited", "0").command_exited(0);
  evidence.note->log_lost = 17;
  const End end = decide_end(sample_record(), evidence);
  EXPECT_EQ(end.started_at, sample_time(1));
  EXPECT_EQ(end.ended_at, sample_time(100));
  EXPECT_EQ(end.pid, 4711);
  EXPECT_EQ(end.invocation_id, "i1");
  EXPECT_EQ(end.log_lost, 17U);
}

TEST(ManagerJob, IsAskedForOnlyWhenItDecides) {
  struct Row {
    const char* what;
    Evidence evidence;
    std::function<void(Record&)> asked;
    bool needed;
  };
  const std::vector<Row> table{
      {"it exited by itself", Evidence("success", "exited", "0").command_exited(0), nothing, false},
      {"it was killed by somebody", Evidence("signal", "killed", "KILL").command_killed(SIGKILL), nothing, false},
      {"it was stopped as asked", Evidence("success", "exited", "0").manager_sent_term(), stop, false},
      {"it could not be run", Evidence("timeout", "exited", "127").could_not_run(127, "gone"), stop, false},
      {"SIGTERM came, and nobody said why", Evidence("success", "exited", "0").manager_sent_term(), nothing, true},
      {"a stop and a time limit look alike", Evidence("timeout", "killed", "KILL").manager_sent_term(), stop, true},
      {"a restart was asked for", Evidence("success", "exited", "0").command_exited(0), restart, true},
      {"the host left no note", Evidence("success", "exited", "0").without_note(), nothing, true},
  };
  for (const Row& row : table) {
    Record record = sample_record();
    row.asked(record);
    EXPECT_EQ(needs_manager_job(record, row.evidence), row.needed) << row.what;
  }
}

TEST(LostSession, AfterARebootSaysWhichBootItDiedWith) {
  const Record record = sample_record();
  HostNote note;
  note.started_at = sample_time(1);
  note.pid = 4711;
  note.log_lost = 2;
  const End end = decide_lost(record, note, "ffffffffeeeeeeee", sample_time(9));
  EXPECT_EQ(end.state, State::lost);
  EXPECT_EQ(end.reason, "the host went down while it ran (boot 01234567, now ffffffff)");
  EXPECT_EQ(end.started_at, sample_time(1));
  EXPECT_EQ(end.ended_at, sample_time(9));
  EXPECT_EQ(end.pid, 4711);
  EXPECT_EQ(end.log_lost, 2U);
  EXPECT_EQ(exit_status_of(end), 1);
}

TEST(LostSession, TellsOneThatRanFromOneThatNeverDid) {
  const Record record = sample_record();
  HostNote note;
  note.started_at = sample_time(1);
  EXPECT_EQ(decide_lost(record, note, record.boot_id, {}).reason,
            "its unit is gone and no recorder could say how it ended");
  EXPECT_EQ(decide_lost(record, {}, record.boot_id, {}).reason,
            "it was never started: the agentctl that asked for it was gone");
}

TEST(LostSession, ThatSomebodyAskedToStopWasStopped) {
  Record record = sample_record();
  stop_with_reason(record);
  EXPECT_EQ(decide_lost(record, {}, record.boot_id, {}).state, State::stopped);
  EXPECT_EQ(decide_lost(record, {}, record.boot_id, {}).reason, "stopped by ann: wrong branch");
  EXPECT_EQ(decide_lost(record, {}, "another boot", {}).state, State::lost) << "the reboot may have come first";
}

TEST(LostSession, KeepsHowTheCommandEndedWhenTheHostSawIt) {
  HostNote note;
  note.started_at = sample_time(1);
  note.exit_code = 3;
  note.exited_at = sample_time(5);
  const End end = decide_lost(sample_record(), note, "another boot", sample_time(900));
  EXPECT_EQ(end.exit.code, 3);
  EXPECT_EQ(end.ended_at, sample_time(5));
}

TEST(Expiry, IsTheStartAndTheLimitUnlessItWasExtended) {
  Record record = sample_record();
  EXPECT_EQ(expiry(record, sample_time(10)), std::nullopt);
  record.request.ttl = forever;
  EXPECT_EQ(expiry(record, sample_time(10)), std::nullopt);
  record.request.ttl = minutes(1);
  EXPECT_EQ(expiry(record, sample_time(10)), sample_time(70));
  EXPECT_EQ(expiry(record, std::nullopt), sample_time(60));  // not started yet: counted from its creation
  record.expires_at = sample_time(500);
  EXPECT_EQ(expiry(record, sample_time(10)), sample_time(500));
}

TEST(ExitStatus, OfASessionStoppedBeforeItRanIsThatOfSigterm) {
  End end;
  end.state = State::stopped;
  EXPECT_EQ(exit_status_of(end), 143);
}

TEST(SignalName, IsTheUsualOne) {
  EXPECT_EQ(signal_name(SIGSEGV), "SIGSEGV");
  EXPECT_EQ(signal_name(SIGHUP), "SIGHUP");
  EXPECT_EQ(signal_name(60), "signal 60");
}

TEST(EndOfAChecked, BeforeItWasHealthyIsAFailure) {
  Record record = sample_record();
  record.request.health.emplace();
  Evidence early("protocol", "exited", "0");
  early.command_exited(0);
  End end = decide_end(record, early);
  EXPECT_EQ(end.state, State::failed);
  EXPECT_EQ(end.reason, "exited with status 0 before it was healthy");
  EXPECT_FALSE(end.ready_at.has_value());
  Evidence late("success", "exited", "0");
  late.command_exited(0);
  late.note->ready_at = sample_time(2);
  end = decide_end(record, late);
  EXPECT_EQ(end.state, State::exited);
  EXPECT_EQ(end.ready_at, sample_time(2));
}

TEST(EndOfAChecked, SaysWhyItWasEnded) {
  Record record = sample_record();
  record.request.health.emplace();
  Evidence evidence("exit-code", "exited", "125");
  evidence.command_killed(SIGTERM);
  evidence.note->unhealthy = "not healthy within 1min: refused";
  const End end = decide_end(record, evidence);
  EXPECT_EQ(end.state, State::failed);
  EXPECT_EQ(end.reason, "not healthy within 1min: refused");
  EXPECT_EQ(end.exit.signal, SIGTERM);
}

TEST(GraceLeft, CountsFromTheManagersSigterm) {
  using std::chrono::seconds;
  Record record = sample_record();
  record.request.stop_timeout = seconds(15);
  HostNote note;
  EXPECT_EQ(grace_left(record, std::nullopt, sample_time(100)), seconds(15)) << "nobody says when it came";
  EXPECT_EQ(grace_left(record, note, sample_time(100)), seconds(15));
  note.terminated_at = sample_time(90);
  EXPECT_EQ(grace_left(record, note, sample_time(100)), seconds(5));
  EXPECT_EQ(grace_left(record, note, sample_time(200)), seconds(0));
  note.terminated_at = sample_time(1'000'000);
  EXPECT_EQ(grace_left(record, note, sample_time(100)), seconds(15)) << "the note is the session's own word";
  record.request.stop_timeout = forever;
  EXPECT_EQ(grace_left(record, note, sample_time(100)), forever);
}

TEST(GraceLeft, IsThatOfTheStopWhenItHasOne) {
  using std::chrono::seconds;
  Record record = sample_record();
  record.request.stop_timeout = seconds(15);
  record.stop = stop_request;
  HostNote note;
  note.terminated_at = sample_time(90);
  EXPECT_EQ(grace_left(record, note, sample_time(100)), seconds(5));
  record.stop->timeout = seconds(60);
  EXPECT_EQ(grace_left(record, note, sample_time(100)), seconds(50));
  record.stop->timeout = seconds(1);
  EXPECT_EQ(grace_left(record, note, sample_time(100)), seconds(0));
}

}  // namespace
}  // namespace agentctl
