#include "app/adopt.hpp"

#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "app_fixture.hpp"
#include "support/child_process.hpp"
#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

class Adopt : public AppTest {
 protected:
  Adopt() {
    context.asker.uid = ::geteuid();
    request.name = "old";
  }

  ChildProcess sleeper{[](const ChildProcess::Ready& ready) {
    ready();
    ::pause();
    return 0;
  }};
  SessionRequest request;
};

TEST_F(Adopt, PutsTheProcessIntoAScopeThatTakesMore) {
  ASSERT_TRUE(sleeper.await_ready());
  request.ttl = std::chrono::hours(1);
  const Session session = adopt_process(context, sleeper.pid(), request);
  ASSERT_EQ(engine.specs.size(), 1U);
  const UnitSpec& spec = engine.specs.front();
  EXPECT_EQ(spec.unit, "agentctl-old.scope");
  EXPECT_THAT(spec.processes, testing::ElementsAre(sleeper.pid()));
  EXPECT_TRUE(spec.can_attach);
  EXPECT_EQ(spec.when_unrecorded, "agentctl-reconcile@" + session.record.id + ".service");
  EXPECT_EQ(session.pid, sleeper.pid());
  EXPECT_EQ(session.record.request.kind, SessionKind::scope);
  EXPECT_EQ(session.expires_at, session.record.created_at + std::chrono::hours(1)) << "from now on";
  EXPECT_GE(engine.count("attach agentctl-old.scope " + std::to_string(sleeper.pid())), 1U)
      << "this engine has moved nobody, so it is asked again";
}

// systemd refuses the call when one of those that it names has ended since they were listed.
TEST_F(Adopt, OneThatEndsMeanwhileKeepsNoOtherOutside) {
  ChildProcess parent([](const ChildProcess::Ready& ready) {
    if (::fork() == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ready();
    }
    ::pause();
    return 0;
  });
  ASSERT_TRUE(parent.await_ready());
  std::vector<pid_t> moved;
  engine.on_attach = [&](const std::vector<pid_t>& processes) {
    if (processes.size() > 1)
      throw Error(
          {.code = ErrorCode::failed, .context = "attach", .object = {}, .reason = "no such process", .hint = {}});
    moved.push_back(processes.front());
  };
  adopt_process(context, parent.pid(), request);
  EXPECT_THAT(engine.specs.front().processes, testing::ElementsAre(parent.pid())) << "the others can end at any time";
  ASSERT_GE(moved.size(), 2U);
  EXPECT_EQ(moved[0], parent.pid()) << "what it starts from now on is inside";
  EXPECT_NE(moved[1], parent.pid());
}

TEST_F(Adopt, RefusesATreeThatAUsersManagerCannotMove) {
  if (::getuid() != 0) GTEST_SKIP() << "only root can start a process of another user";
  constexpr uid_t nobody = 65534;
  ChildProcess parent([](const ChildProcess::Ready& ready) {
    // Root's ends with the pipe: no signal of its parent's would reach it.
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) < 0) return 1;
    if (::fork() == 0) {
      ::close(ends[1]);
      char byte = 0;
      return static_cast<int>(::read(ends[0], &byte, 1));
    }
    // Else /proc says that it is root's: its memory may still hold root's secrets.
    if (::setuid(nobody) == 0 && ::prctl(PR_SET_DUMPABLE, 1) == 0) ready();
    ::pause();
    return 0;
  });
  ASSERT_TRUE(parent.await_ready());
  context.asker.uid = nobody;
  const Error error = thrown_by([&] { adopt_process(context, parent.pid(), request); });
  EXPECT_EQ(error.code(), ErrorCode::not_permitted);
  EXPECT_THAT(error.reason(), testing::EndsWith(", which descends from it, belongs to root"));
  expect_nothing_exists();
}

TEST_F(Adopt, LeavesNothingBehindWhenSystemdRefuses) {
  ASSERT_TRUE(sleeper.await_ready());
  engine.on_start = [](const UnitSpec&) -> StartResult { return {.started = false, .job_result = "failed"}; };
  EXPECT_EQ(thrown_by([&] { adopt_process(context, sleeper.pid(), request); }).code(), ErrorCode::failed);
  EXPECT_THAT(registry.live(), testing::IsEmpty());
  EXPECT_THAT(runtime.ids(), testing::IsEmpty());
}

TEST_F(Adopt, RefusesWhatIsNobodysOrSomebodyElses) {
  EXPECT_EQ(thrown_by([&] { adopt_process(context, 4194304, request); }).code(), ErrorCode::not_found);
  context.asker.uid = 4711;
  EXPECT_EQ(thrown_by([&] { adopt_process(context, sleeper.pid(), request); }).code(), ErrorCode::not_permitted);
  expect_nothing_exists();
}

}  // namespace
}  // namespace agentctl
