#include "output/output_fixture.hpp"

namespace agentctl {
namespace {

using testing::HasSubstr;

/// Without any bus: to check a file asks nobody.
using FlowCheckTest = OutputTest;

TEST_F(FlowCheckTest, SaysThatNothingIsWrong) {
  put_file(
      path("work/release.json"),
      R"({"name": "release", "steps": [{"name": "build", "command": ["true"]}, {"name": "ship", "command": ["true"]}]})");
  EXPECT_THAT(agentctl({"flow", "run", "--check", "release.json"}),
              ended_with(0, "release: 2 steps, nothing wrong\n", ""));
  EXPECT_THAT(agentctl({"flow", "run", "--check", "--json", "release.json"}),
              ended_with(0, "{\"ok\":true,\"name\":\"release\",\"steps\":2}\n", ""));
  EXPECT_FALSE(exists(path("state/agentctl"))) << "nothing was made";
}

TEST_F(FlowCheckTest, SaysWhatIsWrongAndWhere) {
  put_file(path("work/release.json"), R"({"name": "release", "steps": []})");
  EXPECT_THAT(agentctl({"flow", "run", "--check", "release.json"}),
              ended_with(2, "", HasSubstr("invalid 'release.json': /steps: must be 1 to 256 steps")));
}

}  // namespace
}  // namespace agentctl
