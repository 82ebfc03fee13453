#include "domain/hook.hpp"

#include <gmock/gmock.h>

#include "base/error.hpp"
#include "support/sample_records.hpp"

namespace agentctl {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

TEST(Hook, IsToldHowTheSessionEnded) {
  Record record = sample_record();
  record.request.project = "shop";
  record.end = sample_end(State::failed);
  record.end->exit = {.code = 3, .signal = {}, .result = "exit-code"};
  const auto facts = facts_of(make_session(record, {}, std::nullopt));
  EXPECT_THAT(facts, Contains("AGENTCTL_STATE=failed"));
  EXPECT_THAT(facts, Contains("AGENTCTL_EXIT_CODE=3"));
  EXPECT_THAT(facts, Contains("AGENTCTL_PROJECT=shop"));
  EXPECT_THAT(facts, Not(Contains(HasSubstr("SIGNAL"))));
  record.end->exit = {.code = {}, .signal = 11, .result = "signal"};
  EXPECT_THAT(facts_of(make_session(record, {}, std::nullopt)), Contains("AGENTCTL_EXIT_SIGNAL=SIGSEGV"));
}

TEST(Hook, ComesBackAsItWas) {
  const Hook hook{.command = "echo '\xff'", .cwd = "/tmp", .environment = {"A=1", "B=\n"}, .session = "{}\n"};
  const Hook back = parse_hook(to_json(hook));
  EXPECT_EQ(back.command, hook.command);
  EXPECT_EQ(back.cwd, hook.cwd);
  EXPECT_EQ(back.environment, hook.environment);
  EXPECT_EQ(back.session, hook.session);
  EXPECT_THROW(parse_hook("{}"), Error);
}

}  // namespace
}  // namespace agentctl
