#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>

#include "base/file.hpp"
#include "host/control_client.hpp"
#include "host/host_fixture.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Strings = std::vector<std::string>;

/// What becomes of the command's output.
class SessionHostOutputTest : public HostTest {
 protected:
  std::string value(const FakeJournald::Fields& fields, const std::string& name) {
    const auto found = fields.find(name);
    return found == fields.end() ? "(none)" : found->second;
  }
  /// All bytes of one stream.
  std::string text(OutputStream stream) {
    std::string bytes;
    for (const LogEntry& entry : journald.log()) {
      std::string_view left = entry.text;
      for (const LogSegment& segment : entry.segments) {
        if (segment.stream == stream) bytes += left.substr(0, segment.size);
        left.remove_prefix(segment.size);
      }
    }
    return bytes;
  }
};

TEST_F(SessionHostOutputTest, SaysOfEachLineWhereItComesFrom) {
  launch.record.request.project = "shop";
  run_to_end("echo hello");
  ASSERT_EQ(journald.entries.size(), 2u);
  const auto& fields = journald.entries[0];
  EXPECT_EQ(value(fields, "MESSAGE"), "hello");
  EXPECT_EQ(value(fields, "PRIORITY"), "6");
  EXPECT_EQ(value(fields, "SYSLOG_IDENTIFIER"), "sh");
  EXPECT_EQ(value(fields, "AGENTCTL_SESSION"), "abcdefghijkl");
  EXPECT_EQ(value(fields, "AGENTCTL_NAME"), "web");
  EXPECT_EQ(value(fields, "AGENTCTL_PROJECT"), "shop");
  EXPECT_EQ(value(fields, "AGENTCTL_STREAM"), "stdout");
  EXPECT_EQ(value(fields, "AGENTCTL_PID"), std::to_string(note().pid));
  EXPECT_EQ(value(fields, "AGENTCTL_INVOCATION"), config.invocation_id);
  EXPECT_EQ(value(fields, "AGENTCTL_POSITION"), "0/0 0/0");
  EXPECT_EQ(value(fields, "AGENTCTL_SEGMENTS"), "(none)");
}

TEST_F(SessionHostOutputTest, EndsTheLogWithHowTheCommandEnded) {
  run_to_end("echo hello; exit 3");
  const auto& fields = journald.entries.back();
  EXPECT_EQ(value(fields, "MESSAGE"), "exited with status 3");
  EXPECT_EQ(value(fields, "AGENTCTL_EVENT"), "end");
  EXPECT_EQ(value(fields, "AGENTCTL_STREAM"), "(none)");
  EXPECT_EQ(value(fields, "AGENTCTL_POSITION"), "6/1 0/0");
  EXPECT_EQ(journald.comments, 1u) << "the message that shows that journald is done with the others";
}

TEST_F(SessionHostOutputTest, LogsNothingOfACommandThatSaysNothing) {
  run_to_end("exit 3");
  EXPECT_THAT(journald.entries, IsEmpty());
  EXPECT_EQ(journald.comments, 0u);
}

TEST_F(SessionHostOutputTest, NamesTheSignalThatEndedTheCommand) {
  run_to_end("echo x; kill -KILL $$");
  EXPECT_EQ(value(journald.entries.back(), "MESSAGE"), "was killed by SIGKILL");
}

TEST_F(SessionHostOutputTest, TellsStdoutFromStderr) {
  set_script("echo one; read x < fifo; echo two >&2; read x < fifo; echo three");
  start_until_ready();
  eventually([&] { return lines().size() == 1; }, "the first line");
  let_go();
  eventually([&] { return lines().size() == 2; }, "the second line");
  let_go();
  wait_for_end();
  EXPECT_THAT(lines(), ElementsAre("o:one", "e:two", "o:three"));
}

TEST_F(SessionHostOutputTest, KeepsEveryByte) {
  run_to_end(R"(printf 'nul \000 bad \377\376 utf8\n\n  \t\n'; printf 'no newline')");
  EXPECT_EQ(text(OutputStream::out), std::string("nul \0 bad \xff\xfe utf8\n\n  \t\nno newline", 33));
  EXPECT_EQ(lines().back(), "o:no newline~");
}

TEST_F(SessionHostOutputTest, KeepsAMillionLines) {
  run_to_end("seq 1 1000000; seq 1 1000000 >&2");
  const Strings found = lines();
  ASSERT_EQ(found.size(), 2'000'000u);
  int wrong = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    wrong += found[i] != "o:" + std::to_string(i + 1) ? 1 : 0;
    wrong += found[1'000'000 + i] != "e:" + std::to_string(i + 1) ? 1 : 0;
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_LT(journald.entries.size(), 150u);
  EXPECT_GT(journald.memfds, 5u);
  EXPECT_EQ(note().log_lost, 0u);
}

TEST_F(SessionHostOutputTest, KeepsALineOfManyMegabytes) {
  run_to_end("head -c 10000000 /dev/zero | tr '\\0' x; echo; echo short");
  const Strings found = lines();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].size(), 2u + 10'000'000);
  EXPECT_EQ(found[0].find_first_not_of('x', 2), std::string::npos);
  EXPECT_EQ(found[1], "o:short");
}

TEST_F(SessionHostOutputTest, KeepsLinesOfStreamsThatAlternate) {
  run_to_end("i=0; while [ $i -lt 3000 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done");
  const Strings found = lines();
  ASSERT_EQ(found.size(), 6000u);
  int outs = 0;
  int errs = 0;
  for (const std::string& line : found) {
    const bool is_out = line[0] == 'o';
    EXPECT_EQ(line.substr(2), (is_out ? "o" : "e") + std::to_string(is_out ? outs++ : errs++));
  }
}

TEST_F(SessionHostOutputTest, LogsALineWithoutNewlineWhenNothingFollows) {
  set_script("printf 'name? '; read x < fifo");
  config.journal.batch.partial_after = std::chrono::milliseconds(50);
  start_until_ready();
  eventually([&] { return lines() == Strings{"o:name? ~"}; }, "the prompt");
  let_go();
  wait_for_end();
}

TEST_F(SessionHostOutputTest, AppendsToFiles) {
  launch.record.request.stdout_file = path("out.log");
  launch.record.request.stderr_file = path("err.log");
  launch.umask = 022;
  write_file(path("out.log"), "before\n", 0600);
  run_to_end("printf 'a\\000b\\n'; echo wrong >&2; printf rest");
  EXPECT_EQ(file("out.log"), std::string("before\na\0b\nrest", 15));
  EXPECT_EQ(file("err.log"), "wrong\n");
  struct stat status {};
  ASSERT_EQ(::stat(path("err.log").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0644u);
  EXPECT_EQ(lines().size(), 3u) << "and to the journal all the same";
}

TEST_F(SessionHostOutputTest, BeginsItsFileAnewAtTheLimit) {
  // Both streams by two names of one file, which is renamed once.
  launch.record.request.stdout_file = path("all.log");
  launch.record.request.stderr_file = path("./all.log");
  launch.record.request.log_max = 4096;
  run_to_end("seq 1000 1500; seq 2000 2500 >&2");
  const std::string all = file("all.log.1").value() + file("all.log").value();
  EXPECT_EQ(all.size(), 2U * 501 * 5);
  EXPECT_LE(file("all.log.1").value().size(), 4096U);
  EXPECT_THAT(file("all.log").value(), HasSubstr("\n2500\n"));
  EXPECT_EQ(lines().size(), 2U * 501);
}

TEST_F(SessionHostOutputTest, SaysOnceThatAFileCannotBeWritten) {
  launch.record.request.stdout_file = "/dev/full";
  set_script("echo one; read x < fifo; echo two");
  start_until_ready();
  eventually([&] { return lines().size() == 1; }, "the first line");
  let_go();
  wait_for_end();
  EXPECT_THAT(lines(), ElementsAre("o:one", "o:two"));
  int notices = 0;
  for (const LogEntry& entry : journald.log()) {
    if (entry.kind != LogEntryKind::notice) continue;
    ++notices;
    EXPECT_EQ(entry.text, "agentctl: output is missing in '/dev/full': No space left on device");
  }
  EXPECT_EQ(notices, 1);
}

TEST_F(SessionHostOutputTest, DoesNotWaitForAFifoThatNobodyReads) {
  launch.record.request.stdout_file = path("fifo");
  EXPECT_EQ(WEXITSTATUS(run_to_end("true")), 125);
  EXPECT_THAT(note().start_error, HasSubstr("No such device or address"));
}

TEST_F(SessionHostOutputTest, CarriesTheLastWordsOfProcessesThatTheCommandLeftBehind) {
  const int status = run_to_end("echo main; (trap '' TERM; read x < fifo; echo last; printf words) & exit 9");
  EXPECT_EQ(WEXITSTATUS(status), 9) << "the unit ends with its command";
  eventually([&] { return lines() == Strings{"o:main"}; }, "what it said before");
  let_go();
  eventually([&] { return !journald.log().empty() && journald.log().back().kind == LogEntryKind::end; }, "the end");
  EXPECT_THAT(lines(), ElementsAre("o:main", "o:last", "o:words~"));
}

TEST_F(SessionHostOutputTest, DoesNotLetOutputWaitForItsTurnOnceTheSessionIsStopped) {
  config.journal.batch.burst = 1;
  config.journal.batch.interval = std::chrono::hours(1);
  set_script("trap '' TERM; echo one; read x < fifo; echo two; read x < fifo2; echo three; read x < fifo");
  start_until_ready();
  eventually([&] { return lines().size() == 1; }, "the first line");
  begin_stop();
  eventually([&] { return note().terminated_at.has_value(); }, "the note");
  let_go();
  eventually([&] { return lines().size() == 2; }, "the second line");
  let_go("fifo2");
  eventually([&] { return lines().size() == 3; }, "the third line");
  let_go();
  wait_for_end();
}

TEST_F(SessionHostOutputTest, LetsOutputWaitForItsTurnAfterASigtermThatIsNoStop) {
  config.journal.batch.burst = 1;
  config.journal.batch.interval = std::chrono::hours(1);
  config.hurried_interval = std::chrono::microseconds(1);
  set_script("trap '' TERM; echo one; read x < fifo; echo two; read x < fifo2; echo three; read x < fifo");
  start_until_ready();
  eventually([&] { return lines().size() == 1; }, "the first line");
  ControlClient client = ControlClient::connect(path("")).value();
  client.follow();
  ::kill(host, SIGTERM);
  for (const char* fifo : {"fifo", "fifo2"}) {
    let_go(fifo);
    EXPECT_TRUE(client.next(std::chrono::minutes(1))) << "the host has read the next line";
  }
  let_go();
  wait_for_end();
  EXPECT_THAT(lines(), ElementsAre("o:one", "o:two", "o:three"));
  EXPECT_EQ(journald.entries.size(), 3u) << "the first line, the two that waited, and the end";
}

TEST_F(SessionHostOutputTest, LetsNothingWaitWhenSigkillIsDue) {
  config.journal.batch.burst = 1;
  config.journal.batch.interval = std::chrono::hours(1);
  config.hurried_interval = std::chrono::hours(1);
  set_script("trap '' TERM; echo one; read x < fifo; echo two; read x < fifo");
  start_until_ready();
  eventually([&] { return lines().size() == 1; }, "the first line");
  begin_stop();
  let_go();
  eventually([&] { return lines().size() == 2; }, "the second line");
  let_go();
  wait_for_end();
}

TEST_F(SessionHostOutputTest, HoldsTheCommandUpWhileJournaldIsBusy) {
  set_script("read x < fifo; head -c 20000000 /dev/zero | tr '\\0' '\\n'; echo done > finished");
  start_until_ready();
  ControlClient client = ControlClient::connect(path("")).value();
  client.follow();
  journald.fill_queue();
  let_go();
  // What the host has read goes to its followers at once: when no more comes, it reads no more.
  std::size_t read = 0;
  while (const auto event = client.next(std::chrono::milliseconds(300))) {
    ASSERT_TRUE(std::holds_alternative<LogOutput>(*event));
    read += std::get<LogOutput>(*event).bytes.size();
  }
  EXPECT_GE(read, 1u << 20);
  EXPECT_LT(read, 2u << 20);
  EXPECT_FALSE(file("finished"));
  wait_for_end();
  EXPECT_EQ(text(OutputStream::out).size(), 20'000'000u);
  EXPECT_EQ(note().log_lost, 0u);
}

TEST_F(SessionHostOutputTest, KeepsOutputWhileJournaldIsAway) {
  config.journal.retry = std::chrono::milliseconds(10);
  journald.stop();
  set_script("echo before; read x < fifo; echo after");
  start_until_ready();
  journald.start();
  eventually([&] { return lines() == Strings{"o:before"}; }, "what was said while journald was away");
  journald.stop();
  journald.start();
  let_go();
  wait_for_end();
  EXPECT_THAT(lines(), ElementsAre("o:before", "o:after"));
}

TEST_F(SessionHostOutputTest, DropsAndCountsOutputWhenJournaldStaysAway) {
  config.journal.retry = std::chrono::milliseconds(10);
  config.journal.absent_limit = std::chrono::milliseconds(30);
  journald.stop();
  set_script("seq 1 400000; read x < fifo; echo after");
  start_until_ready();
  eventually([&] { return note().log_lost == 400'000; }, "all of it is lost");
  journald.start();
  let_go();
  wait_for_end();
  EXPECT_THAT(lines(), ElementsAre("[400000 lost]", "o:after"));
  EXPECT_EQ(note().log_lost, 400'000u);
}

TEST_F(SessionHostOutputTest, EndsInTimeWhenJournaldTakesNothing) {
  config.end_limit = std::chrono::milliseconds(100);
  journald.fill_queue();
  set_script("i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done; exit 8");
  write_launch();
  start_host();
  int status = 0;
  ASSERT_EQ(::waitpid(host, &status, 0), host);
  host = 0;
  EXPECT_EQ(WEXITSTATUS(status), 8);
  EXPECT_EQ(note().log_lost, 2000u);
}

}  // namespace
}  // namespace agentctl
