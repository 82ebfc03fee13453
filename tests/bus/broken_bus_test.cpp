#include <csignal>

#include "base/system.hpp"
#include "base/unix_socket.hpp"
#include "base/user.hpp"
#include "bus/bus_fixture.hpp"

namespace agentctl {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Exchange = FakeSystemd::Exchange;

using BrokenBusTest = BusTest;

TEST_F(BrokenBusTest, NoBusIsUnreachableAndTellsTheWay) {
  SystemdEngine engine(ManagerScope::user, "/nonexistent");
  const Error error = thrown_by([&] { engine.connect(); });
  EXPECT_EQ(error.code(), ErrorCode::unreachable);
  EXPECT_STREQ(error.what(),
               "cannot reach your systemd user manager over 'unix:path=/nonexistent/bus': No such file or directory");
  EXPECT_EQ(error.hint(), way_to_user_manager("/nonexistent", ::getuid(), user_name(::getuid())));
}

TEST_F(BrokenBusTest, ABusThatNobodyServesAnyMoreIsUnreachable) {
  bus_.kill();
  const Error error = thrown_by([&] { engine_.connect(); });
  EXPECT_EQ(error.code(), ErrorCode::unreachable);
  EXPECT_THAT(error.what(), HasSubstr("Connection refused"));
}

TEST_F(BrokenBusTest, ABusThatIsNoBusIsUnreachable) {
  TemporaryFolder folder;
  const UnixAddress address(folder / "bus");
  const Fd listener = make_unix_socket(SOCK_STREAM);
  ASSERT_EQ(::bind(listener.get(), address.get(), address.size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  auto answer = std::async(std::launch::async, [&] {
    const Fd peer(::accept(listener.get(), nullptr, nullptr));
    EXPECT_EQ(::send(peer.get(), "nonsense\r\n", 10, MSG_NOSIGNAL), 10);
  });
  SystemdEngine engine(ManagerScope::user, folder.path());
  EXPECT_EQ(thrown_by([&] { bounded([&] { engine.connect(); }); }).code(), ErrorCode::unreachable);
}

TEST_F(BrokenBusTest, NoSystemBusIsUnreachable) {
  ::setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
  SystemdEngine engine(ManagerScope::system, "/nonexistent");
  const Error error = thrown_by([&] { engine.connect(); });
  ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
  EXPECT_EQ(error.code(), ErrorCode::unreachable);
  EXPECT_STREQ(error.what(), "cannot reach the system's systemd over 'the system bus': No such file or directory");
  EXPECT_EQ(error.hint(), "agentctl doctor");
}

TEST_F(BrokenBusTest, ABusWithoutSystemdIsUnreachable) {
  systemd_.leave();
  const Error error = thrown_by([&] { engine_.list(); });
  EXPECT_EQ(error.code(), ErrorCode::unreachable);
  EXPECT_EQ(error.hint(), "agentctl doctor");
  EXPECT_THAT(error.what(), StartsWith("cannot list 'agentctl-*': "));
}

TEST_F(BrokenBusTest, ARuntimeFolderMayHaveAnyName) {
  TemporaryFolder folder;
  const std::string odd = folder / "a b,c;d=e%f'\"g:ü";
  const PrivateBus bus(odd);
  FakeSystemd systemd(bus.address());
  SystemdEngine engine(ManagerScope::user, odd);
  EXPECT_THAT(engine.list(), testing::IsEmpty());
}

TEST_F(BrokenBusTest, ABusThatDiesWhileAJobRunsIsUnreachable) {
  systemd_.on("StartTransientUnit", [](Exchange& exchange) { exchange.reply_job(); });
  auto start = std::async(std::launch::async, [&] { return engine_.start(service_spec()); });
  ASSERT_TRUE(systemd_.wait_for_call("StartTransientUnit"));
  bus_.kill();
  ASSERT_EQ(start.wait_for(patience), std::future_status::ready);
  const Error error = thrown_by([&] { start.get(); });
  EXPECT_EQ(error.code(), ErrorCode::unreachable);
  EXPECT_EQ(error.hint(), "agentctl doctor");
}

TEST_F(BrokenBusTest, ABusThatDiesDuringACallIsUnreachable) {
  systemd_.on("StartTransientUnit", [](Exchange&) {});
  auto start = std::async(std::launch::async, [&] { return engine_.start(service_spec()); });
  ASSERT_TRUE(systemd_.wait_for_call("StartTransientUnit"));
  bus_.kill();
  ASSERT_EQ(start.wait_for(patience), std::future_status::ready);
  EXPECT_EQ(thrown_by([&] { start.get(); }).code(), ErrorCode::unreachable);
}

TEST_F(BrokenBusTest, ASystemdThatGoesDuringACallIsUnreachable) {
  systemd_.on("StartTransientUnit", [](Exchange&) {});
  auto start = std::async(std::launch::async, [&] { return engine_.start(service_spec()); });
  ASSERT_TRUE(systemd_.wait_for_call("StartTransientUnit"));
  systemd_.leave();
  ASSERT_EQ(start.wait_for(patience), std::future_status::ready);
  const Error error = thrown_by([&] { start.get(); });
  EXPECT_EQ(error.code(), ErrorCode::unreachable);
  EXPECT_THAT(error.what(), StartsWith("cannot start 'agentctl-web.service': "));
}

// A systemd that re-executes itself leaves the bus for a moment, and what it had been asked gets no reply.
FakeSystemd::Script lose_the_first_reply(const char* method) {
  return [=](Exchange& exchange) {
    if (exchange.systemd().calls(method).size() == 1) return exchange.fail("org.freedesktop.DBus.Error.NoReply", "");
    exchange.proceed();
  };
}

TEST_F(BrokenBusTest, AQuestionWhoseAnswerWasLostIsAskedAgain) {
  systemd_.set_unit({.name = "agentctl-web.service"});
  for (const char* method : {"ListUnitsByPatterns", "GetAll", "Get"}) systemd_.on(method, lose_the_first_reply(method));
  EXPECT_EQ(engine_.list().size(), 1);
  EXPECT_TRUE(engine_.inspect("agentctl-web.service"));
  EXPECT_EQ(engine_.manager_property("SystemState"), "running");
}

TEST_F(BrokenBusTest, AStartWhoseAnswerWasLostIsNotMadeAgain) {
  systemd_.on("StartTransientUnit", lose_the_first_reply("StartTransientUnit"));
  EXPECT_EQ(thrown_by([&] { bounded([&] { return engine_.start(service_spec()); }); }).code(), ErrorCode::unreachable);
  EXPECT_EQ(systemd_.calls("StartTransientUnit").size(), 1);
}

TEST_F(BrokenBusTest, ASystemdThatNeverAnswersIsUnreachable) {
  ::setenv("SYSTEMD_BUS_TIMEOUT", "200ms", 1);
  systemd_.on("ListUnitsByPatterns", [](Exchange&) {});
  const Error error = thrown_by([&] { bounded([&] { return engine_.list(); }); });
  EXPECT_EQ(error.code(), ErrorCode::unreachable);
  EXPECT_STREQ(error.what(), "cannot list 'agentctl-*': systemd does not answer");
}

TEST_F(BrokenBusTest, AfterTheBusDiedEveryCallIsUnreachable) {
  engine_.connect();
  bus_.kill();
  EXPECT_EQ(thrown_by([&] { engine_.list(); }).code(), ErrorCode::unreachable);
  EXPECT_EQ(thrown_by([&] { engine_.inspect("agentctl-web.service"); }).code(), ErrorCode::unreachable);
  EXPECT_EQ(thrown_by([&] { engine_.stop({"agentctl-web.service"}); }).code(), ErrorCode::unreachable);
  EXPECT_EQ(thrown_by([&] { engine_.kill("agentctl-web.service", SIGTERM); }).code(), ErrorCode::unreachable);
  EXPECT_EQ(thrown_by([&] { engine_.restart("agentctl-web.service"); }).code(), ErrorCode::unreachable);
  EXPECT_EQ(thrown_by([&] { engine_.start(service_spec()); }).code(), ErrorCode::unreachable);
  EXPECT_EQ(thrown_by([&] { engine_.watch({"agentctl-web.service"}); }).code(), ErrorCode::unreachable);
}

}  // namespace
}  // namespace agentctl
