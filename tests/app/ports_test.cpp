#include "app/ports.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <optional>

#include "app_fixture.hpp"
#include "listening_port.hpp"

namespace agentctl {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Ports : public AppTest {
 protected:
  /// Somebody listens, and is this process.
  std::uint16_t listen(std::uint16_t port = 0) { return listener.emplace(port).number(); }

  LaunchOptions with_ports(const std::string& name, std::vector<std::uint16_t> ports) const {
    LaunchOptions wanted = options({"tool"}, name);
    wanted.request.ports = std::move(ports);
    return wanted;
  }
  Session start(LaunchOptions wanted) { return start_session(context, prepare_launch(context, std::move(wanted))); }
  std::vector<std::string> environment_of(const Session& session) {
    return runtime.launch(session.record.id).value().environment;
  }

  std::optional<ListeningPort> listener;
};

TEST_F(Ports, AreToldToTheProgram) {
  const std::uint16_t port = free_port();
  context.environment["PORT"] = "1";
  const std::string own = "PORT=" + std::to_string(port);
  const auto environment = environment_of(start(with_ports("web", {port})));
  EXPECT_THAT(environment, Contains(own));
  EXPECT_THAT(environment, Not(Contains("PORT=1"))) << "the caller's own is another program's";
}

TEST_F(Ports, AreNotToldOverWhatWasGiven) {
  LaunchOptions wanted = with_ports("web", {automatic_port});
  wanted.variables = {"PORT=1"};
  EXPECT_THAT(environment_of(start(std::move(wanted))), Contains("PORT=1"));
  EXPECT_THAT(environment_of(start(options({"tool"}, "api"))), Not(Contains(StartsWith("PORT="))));
}

TEST_F(Ports, ThatAreAutomaticAreInTheRecordAndTheLaunch) {
  const Session session = start(with_ports("web", {automatic_port, automatic_port}));
  const auto& ports = session.record.request.ports;
  ASSERT_EQ(ports.size(), 2U);
  EXPECT_GE(ports[0], 1024);
  EXPECT_NE(ports[0], ports[1]);
  EXPECT_EQ(stored(session.record).request.ports, ports);
  EXPECT_EQ(runtime.launch(session.record.id).value().record.request.ports, ports);
  EXPECT_THAT(environment_of(session), Contains("PORT=" + std::to_string(ports[0])));
  EXPECT_THAT(environment_of(session),
              Contains("AGENTCTL_PORTS=" + std::to_string(ports[0]) + " " + std::to_string(ports[1])));
}

TEST_F(Ports, OfAnotherSessionAreRefused) {
  const std::uint16_t port = free_port();
  const std::string name = "port " + std::to_string(port);
  start(with_ports("api", {port}));
  for (const Existing existing : {Existing::refuse, Existing::replace, Existing::reuse}) {
    LaunchOptions wanted = with_ports("web", {port});
    wanted.existing = existing;
    const Error error = thrown_by([&] { start(wanted); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_THAT(error.what(), StartsWith("cannot start session 'web': " + name + " is held by session 'api' ("));
    EXPECT_EQ(error.hint(), "agentctl " + name);
  }
  EXPECT_EQ(registry.live().size(), 1U);
  EXPECT_EQ(runtime.ids().size(), 1U) << "a refusal changes nothing";
}

TEST_F(Ports, OfAStrangerAreRefused) {
  const std::uint16_t port = listen();
  const Error error = thrown_by([&] { start(with_ports("web", {port})); });
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_THAT(error.reason(), HasSubstr("port " + std::to_string(port) + " is in use by '"));
  EXPECT_THAT(error.reason(), HasSubstr("(pid " + std::to_string(::getpid())));
  EXPECT_TRUE(registry.live().empty());
  EXPECT_TRUE(runtime.ids().empty());
}

TEST_F(Ports, OfAStrangerAreRefusedAlsoWhenItCameWhileTheSessionWaited) {
  put_file(folder / "config.json", R"({"pool_cap": 1})");
  const auto in_pool = [&](const std::string& name, std::vector<std::uint16_t> ports) {
    LaunchOptions wanted = with_ports(name, std::move(ports));
    wanted.request.pool.name = "build";
    return wanted;
  };
  const Session holder = start(in_pool("holder", {}));
  const std::uint16_t port = free_port();
  engine.on_inspect = [&](const std::string& unit) {
    if (unit != holder.record.unit || engine.units.erase(unit) == 0) return;
    listen(port);
    runtime.remove(holder.record.id);
  };
  const Error error = thrown_by([&] { start(in_pool("web", {port})); });
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_THAT(error.reason(), HasSubstr("port " + std::to_string(port) + " is in use by '"));
  EXPECT_TRUE(registry.live().empty());
  EXPECT_TRUE(runtime.ids().empty());
}

TEST_F(Ports, OfAStrangerSaveTheOneThatWouldBeReplaced) {
  start(options({"tool"}, "web"));
  LaunchOptions wanted = with_ports("web", {listen()});
  wanted.existing = Existing::replace;
  EXPECT_EQ(thrown_by([&] { start(wanted); }).code(), ErrorCode::conflict);
  EXPECT_EQ(engine.count("stop "), 0U);
}

TEST_F(Ports, OfAnEndedSessionAreFree) {
  const std::uint16_t port = free_port();
  const Session first = start(with_ports("api", {port}));
  end_session(first.record, sample_end());
  EXPECT_EQ(start(with_ports("web", {port})).state, State::running);
  const Session second = start(with_ports("late", {automatic_port}));
  engine.units.erase(second.record.unit);
  runtime.remove(second.record.id);
  EXPECT_EQ(start(with_ports("later", {second.record.request.ports[0]})).state, State::running)
      << "one that died without a recorder";
}

TEST_F(Ports, AreLookedUp) {
  const std::uint16_t port = free_port();
  EXPECT_TRUE(find_port_use(context, port).is_free());
  start(with_ports("web", {port}));
  const PortUse held = find_port_use(context, port);
  ASSERT_TRUE(held.holder);
  EXPECT_EQ(held.holder->record.request.name, "web");
  EXPECT_TRUE(held.listeners.empty());
  const PortUse used = find_port_use(context, listen());
  EXPECT_FALSE(used.holder);
  ASSERT_EQ(used.listeners.size(), 1U);
  EXPECT_EQ(used.listeners[0].address, "127.0.0.1");
  EXPECT_EQ(used.listeners[0].pid, ::getpid());
  EXPECT_FALSE(used.listeners[0].session);
}

}  // namespace
}  // namespace agentctl
