#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <list>

#include "base/unix_socket.hpp"
#include "host/control_client.hpp"
#include "host/host_fixture.hpp"

namespace agentctl {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::SizeIs;

/// A client and a host that talk over the control socket.
class ControlTest : public HostTest {
 protected:
  /// Starts a host whose command runs `script` and then waits for let_go().
  void start(const std::string& script) {
    set_script(script);
    start_until_ready();
  }

  ControlClient connect() {
    auto client = ControlClient::connect(path(""));
    EXPECT_TRUE(client);
    return std::move(client.value());
  }
  Fd connect_raw() {
    const UnixAddress address(path(control_socket));
    Fd fd = make_unix_socket(SOCK_STREAM);
    EXPECT_EQ(::connect(fd.get(), address.get(), address.size), 0);
    return fd;
  }
  static std::string receive_until_closed(int fd) {
    std::string received;
    std::array<char, 4096> buffer;
    ssize_t n = 0;
    while ((n = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0)
      received.append(buffer.data(), static_cast<std::size_t>(n));
    return received;
  }
  /// Everything until the stream stops, of both streams; the journal is served meanwhile.
  std::string follow_to_end(ControlClient& client, ControlClient::Stop expected = ControlClient::Stop::end) {
    std::string text;
    for (;;) {
      pump();
      const auto event = client.next(std::chrono::milliseconds(20));
      if (!event) continue;
      if (const auto* stop = std::get_if<ControlClient::Stop>(&*event)) {
        EXPECT_EQ(*stop, expected);
        return text;
      }
      text += std::get<LogOutput>(*event).bytes;
    }
  }
  static void expect_error(const std::function<void()>& action, ErrorCode code, const std::string& reason) {
    try {
      action();
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
      EXPECT_THAT(error.reason(), testing::HasSubstr(reason));
    }
  }
};

TEST_F(ControlTest, ThereIsNoClientWithoutAHost) {
  EXPECT_FALSE(ControlClient::connect(path("")));
  EXPECT_FALSE(ControlClient::connect(path("missing")));
  start("read x < fifo");
  EXPECT_TRUE(ControlClient::connect(path("")));
  let_go();
  wait_for_end();
  EXPECT_FALSE(ControlClient::connect(path(""))) << "the socket of a host that has ended";
}

TEST_F(ControlTest, PassesExtendOnToTheManager) {
  start("read x < fifo");
  connect().extend(std::chrono::hours(1));
  pump();
  EXPECT_THAT(manager.messages, Contains("EXTEND_TIMEOUT_USEC=3600000000"));
  let_go();
  wait_for_end();
}

TEST_F(ControlTest, LengthensAStopThatComesLater) {
  start("trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done");
  connect().set_stop_timeout(std::chrono::seconds(60));
  pump();
  EXPECT_THAT(manager.messages, SizeIs(1));
  begin_stop();
  eventually([&] { return manager.messages.size() == 2; }, "the longer timeout");
  EXPECT_EQ(manager.messages[1], "EXTEND_TIMEOUT_USEC=60000000");
  eventually([&] { return !lines().empty(); }, "the trap is set");
  ::kill(note().pid, SIGTERM);
  wait_for_end();
}

TEST_F(ControlTest, LengthensAStopThatTheHostEndsItself) {
  launch.record.request.stop_timeout = std::chrono::milliseconds(50);
  start("trap '' TERM; echo up; while :; do sleep 0.01; done");
  eventually([&] { return !lines().empty(); }, "the trap is set");
  connect().set_stop_timeout(std::chrono::milliseconds(400));
  pump();
  begin_stop();
  wait_for_end();
  EXPECT_EQ(note().exit_signal, SIGKILL);
  EXPECT_GE(note().exited_at.value() - note().terminated_at.value(), std::chrono::milliseconds(390));
}

TEST_F(ControlTest, LengthensTheStopAndNotTheSigtermBeforeIt) {
  start("trap '' TERM; read x < fifo");
  ::kill(host, SIGTERM);
  connect().set_stop_timeout(std::chrono::seconds(60));
  connect().extend(std::chrono::hours(1));
  eventually([&] { return manager.messages.size() == 2; }, "an answer to what was asked after it");
  EXPECT_EQ(manager.messages[1], "EXTEND_TIMEOUT_USEC=3600000000");
  begin_stop();
  eventually([&] { return manager.messages.size() == 3; }, "the longer timeout");
  EXPECT_EQ(manager.messages[2], "EXTEND_TIMEOUT_USEC=60000000");
  let_go();
  wait_for_end();
}

TEST_F(ControlTest, LengthensAStopThatIsUnderWay) {
  start("trap '' TERM; read x < fifo");
  begin_stop();
  eventually([&] { return note().terminated_at.has_value(); }, "the stop");
  connect().set_stop_timeout(std::chrono::seconds(60));
  pump();
  EXPECT_THAT(manager.messages, Contains("EXTEND_TIMEOUT_USEC=60000000"));
  let_go();
  wait_for_end();
}

TEST_F(ControlTest, StreamsOutputFromWhereTheJournalEnds) {
  start("echo first; read x < fifo; echo second; echo third >&2");
  eventually([&] { return journald.entries.size() == 1; }, "the first line");
  ControlClient client = connect();
  const control::Following following = client.follow();
  EXPECT_EQ(following.position, (LogPosition{.out = {6, 1}, .err = {}}));
  EXPECT_EQ(following.pid, note().pid);
  EXPECT_EQ(following.invocation, config.invocation_id);
  let_go();
  EXPECT_EQ(follow_to_end(client), "second\nthird\n");
  wait_for_end();
}

TEST_F(ControlTest, SendsAFollowerWhatWaitsForTheJournalFirst) {
  config.journal.batch.burst = 1;
  config.journal.batch.interval = std::chrono::hours(1);
  config.journal.batch.partial_after = std::chrono::hours(1);
  start("echo logged; read x < fifo; echo waiting; echo too >&2; printf begun; echo x > told; read x < fifo; echo end");
  eventually([&] { return journald.entries.size() == 1; }, "the first line");
  let_go();
  eventually([&] { return file("told").has_value(); }, "all is written");
  ControlClient client = connect();
  const LogPosition start = client.follow().position;
  EXPECT_EQ(start, (LogPosition{.out = {7, 1}, .err = {}}));
  let_go();
  LogLineReader reader(LogLineReader::Start::beginning);
  std::vector<std::string> got;
  const LogSink sink = [&](const LogItem& item) { got.emplace_back(std::get<LogLine>(item).text); };
  reader.read(journald.log()[0], sink);
  EXPECT_TRUE(reader.has(start));
  for (;;) {
    pump();
    const auto event = client.next(std::chrono::milliseconds(20));
    if (!event) continue;
    if (std::holds_alternative<ControlClient::Stop>(*event)) break;
    reader.read(std::get<LogOutput>(*event), sink);
  }
  EXPECT_THAT(got, ElementsAre("logged", "waiting", "too", "begunend"));
  wait_for_end();
}

TEST_F(ControlTest, ShowsALineAtOnceThoughTheJournalGetsItLater) {
  config.journal.batch.burst = 1;
  config.journal.batch.interval = std::chrono::hours(1);
  start("echo logged; read x < fifo; echo live; read x < fifo2");
  eventually([&] { return journald.entries.size() == 1; }, "the first line");
  ControlClient client = connect();
  client.follow();
  let_go();
  std::optional<ControlClient::Event> event;
  eventually([&] { return (event = client.next({})).has_value(); }, "the line");
  EXPECT_EQ(std::get<LogOutput>(*event).bytes, "live\n");
  EXPECT_THAT(journald.entries, SizeIs(1));
  let_go("fifo2");
  wait_for_end();
}

TEST_F(ControlTest, ServesSeveralFollowers) {
  start("read x < fifo; seq 1 1000");
  std::list<ControlClient> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(connect());
  for (ControlClient& client : clients) client.follow();
  let_go();
  std::string expected;
  for (int i = 1; i <= 1000; ++i) expected += std::to_string(i) + "\n";
  for (ControlClient& client : clients) EXPECT_EQ(follow_to_end(client), expected);
  wait_for_end();
}

TEST_F(ControlTest, StreamsTheLastWordsOfLeftoversToo) {
  start("(trap '' TERM; read x < fifo2; echo last) & read x < fifo; echo main");
  ControlClient client = connect();
  client.follow();
  let_go();
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 0);
  let_go("fifo2");
  EXPECT_EQ(follow_to_end(client), "main\nlast\n");
}

TEST_F(ControlTest, SendsAFollowerThatIsTooSlowBackToTheJournal) {
  start("for i in $(seq 20); do read x < fifo; head -c 100000 /dev/zero | tr '\\0' '\\n'; done; read x < fifo2");
  ControlClient slow = connect();
  slow.follow();
  ControlClient quick = connect();
  quick.follow();
  std::size_t received = 0;
  for (std::size_t written = 100'000; written <= 2'000'000; written += 100'000) {
    let_go();
    while (received < written) {
      pump();
      const auto event = quick.next(std::chrono::milliseconds(20));
      if (!event) continue;
      ASSERT_TRUE(std::holds_alternative<LogOutput>(*event));
      received += std::get<LogOutput>(*event).bytes.size();
    }
  }
  const std::string part = follow_to_end(slow, ControlClient::Stop::overrun);
  EXPECT_GE(part.size(), 1u << 20);
  EXPECT_LT(part.size(), received);
  let_go("fifo2");
  wait_for_end();
}

TEST_F(ControlTest, DoesNotWaitForAFollowerThatDoesNotRead) {
  config.follower_limit = std::chrono::milliseconds(50);
  start("read x < fifo; head -c 900000 /dev/zero | tr '\\0' '\\n'");
  ControlClient client = connect();
  client.follow();
  let_go();
  wait_for_end();
  follow_to_end(client, ControlClient::Stop::overrun);
}

TEST_F(ControlTest, TellsALateFollowerThatItIsOver) {
  start("read x < fifo; echo last words");
  journald.fill_queue();
  let_go();
  while (!note().exited_at) ::poll(nullptr, 0, 1);
  // The host waits for journald, so it is still there.
  ControlClient client = connect();
  EXPECT_EQ(client.follow().position, LogPosition{});
  EXPECT_EQ(follow_to_end(client), "last words\n");
  wait_for_end();
}

TEST_F(ControlTest, AnswersWhatItDoesNotKnowWithAFailure) {
  start("read x < fifo");
  const Fd fd = connect_raw();
  std::string bytes;
  control::append_frame(bytes, control::Hello{99});
  control::append_frame(bytes, control::Unknown{50});
  control::append_frame(bytes, control::End{});
  control::append_frame(bytes, control::Extend{std::chrono::seconds(1)});
  ASSERT_EQ(::send(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  ::shutdown(fd.get(), SHUT_WR);
  control::FrameReader reader(control::frame_limit);
  reader.feed(receive_until_closed(fd.get()));
  EXPECT_EQ(std::get<control::Welcome>(reader.next().value()).version, 1u);
  EXPECT_EQ(std::get<control::Failure>(reader.next().value()).text, "unknown request");
  EXPECT_EQ(std::get<control::Failure>(reader.next().value()).text, "unknown request");
  EXPECT_TRUE(std::holds_alternative<control::Done>(reader.next().value()));
  let_go();
  wait_for_end();
}

TEST_F(ControlTest, WantsAHelloFirst) {
  start("read x < fifo");
  const Fd fd = connect_raw();
  std::string bytes;
  control::append_frame(bytes, control::Extend{std::chrono::seconds(1)});
  ::send(fd.get(), bytes.data(), bytes.size(), 0);
  control::FrameReader reader(control::frame_limit);
  reader.feed(receive_until_closed(fd.get()));
  EXPECT_EQ(std::get<control::Failure>(reader.next().value()).text, "the first request must be a hello");
  pump();
  EXPECT_THAT(manager.messages, SizeIs(1));
  let_go();
  wait_for_end();
}

TEST_F(ControlTest, ClosesAClientThatSendsGarbageAndNoOther) {
  start("read x < fifo");
  ControlClient client = connect();
  const Fd fd = connect_raw();
  ::send(fd.get(), "GET / HTTP/1.1\r\n\r\n", 18, 0);
  EXPECT_EQ(receive_until_closed(fd.get()), "");
  client.extend(std::chrono::seconds(1));
  let_go();
  wait_for_end();
}

TEST_F(ControlTest, LetsTheOldestConnectionGiveWay) {
  start("read x < fifo");
  std::vector<Fd> idle;
  for (int i = 0; i < 40; ++i) idle.push_back(connect_raw());
  connect().extend(std::chrono::seconds(1));
  EXPECT_EQ(receive_until_closed(idle.front().get()), "");
  let_go();
  wait_for_end();
}

TEST_F(ControlTest, RefusesOneFollowerTooManyAndKeepsTheOthers) {
  start("read x < fifo; echo to all");
  std::list<ControlClient> followers;
  for (int i = 0; i < 128; ++i) followers.emplace_back(connect()).follow();
  std::vector<Fd> idle;
  for (int i = 0; i < 40; ++i) idle.push_back(connect_raw());
  ControlClient late = connect();
  expect_error([&] { late.follow(); }, ErrorCode::failed, "128 others follow it already");
  late.extend(std::chrono::seconds(1));
  let_go();
  for (ControlClient& follower : followers) EXPECT_EQ(follow_to_end(follower), "to all\n");
  wait_for_end();
}

TEST_F(ControlTest, RefusesOtherUsers) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to be somebody else";
  start("read x < fifo");
  ASSERT_EQ(::chmod(path("").c_str(), 0755), 0);
  ASSERT_EQ(::chmod(path(control_socket).c_str(), 0666), 0);
  const pid_t other = ::fork();
  if (other == 0) {
    if (::setuid(65534) != 0) ::_exit(2);
    const Fd fd = connect_raw();
    std::string bytes;
    control::append_frame(bytes, control::Hello{});
    ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ::_exit(receive_until_closed(fd.get()).empty() ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(other, &status, 0), other);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  let_go();
  wait_for_end();
}

TEST_F(ControlTest, SaysThatTheHostDoesNotAnswer) {
  const UnixAddress address(path(control_socket));
  const Fd fd = make_unix_socket(SOCK_STREAM);
  ASSERT_EQ(::bind(fd.get(), address.get(), address.size), 0);
  ASSERT_EQ(::listen(fd.get(), 5), 0);
  expect_error([&] { ControlClient::connect(path(""), std::chrono::milliseconds(20)); }, ErrorCode::timed_out,
               "does not answer");
}

TEST_F(ControlTest, SaysThatTheAnswerMakesNoSense) {
  const UnixAddress address(path(control_socket));
  const Fd fd = make_unix_socket(SOCK_STREAM);
  ASSERT_EQ(::bind(fd.get(), address.get(), address.size), 0);
  ASSERT_EQ(::listen(fd.get(), 5), 0);
  const pid_t other = ::fork();
  if (other == 0) {
    const Fd client(::accept(fd.get(), nullptr, nullptr));
    std::array<char, 64> hello;
    ::recv(client.get(), hello.data(), hello.size(), 0);
    ::send(client.get(), "HTTP/1.1 400 Bad Request\r\n", 26, MSG_NOSIGNAL);
    ::_exit(0);
  }
  expect_error([&] { ControlClient::connect(path("")); }, ErrorCode::failed, "makes no sense");
  ::waitpid(other, nullptr, 0);
}

}  // namespace
}  // namespace agentctl
