#include <sys/stat.h>
#include <unistd.h>

#include "output/output_fixture.hpp"

namespace agentctl {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// Without any bus: to check a file asks nobody.
class ApplyCheckTest : public OutputTest {
 protected:
  std::string put(const std::string& specs) {
    put_file(path("work/services.json"), R"({"specs": [)" + specs + R"(], "written_by": "ripley"})");
    return "services.json";
  }
  static std::string spec(const std::string& name, const std::string& members = {}) {
    return R"({"name": ")" + name +
           R"(", "cmd": "node", "healthcheck": {"type": "http", "url": "http://localhost:3001/", "expect_status": 200,)"
           R"( "timeout_s": "60"})" +
           members + "}";
  }
};

TEST_F(ApplyCheckTest, SaysHowManyServicesThereAre) {
  EXPECT_THAT(agentctl({"apply", "--check", put(spec("web"))}), ended_with(0, "ok: 1 service\n", ""));
  EXPECT_THAT(agentctl({"apply", put(spec("web") + "," + spec("api")), "--check"}),
              ended_with(0, "ok: 2 services\n", ""));
  EXPECT_FALSE(exists(path("state/agentctl"))) << "nothing was made";
}

TEST_F(ApplyCheckTest, InJsonGivesTheServicesWithAllDefaults) {
  EXPECT_THAT(agentctl({"--json", "apply", "--check", put(spec("web", R"(, "ports": ["3001"], "attrs": {"a": 1e3})"))}),
              ended_with(0,
                         R"({"ok":true,"specs":[{"name":"web","cmd":"node","args":[],"cwd":"","env":{},"ports":[3001],)"
                         R"("ttl_minutes":240,"attrs":{"a":1000},"healthcheck":{"type":"http",)"
                         R"("url":"http://localhost:3001/","expect_status":200,"interval_s":1,"timeout_s":60}}],)"
                         R"("written_by":"ripley","wi_id":""})"
                         "\n",
                         ""));
}

TEST_F(ApplyCheckTest, SaysWhatIsWrongAndWhere) {
  put(spec("web") + "," + spec("Api"));
  EXPECT_THAT(agentctl({"apply", "--check", "services.json"}),
              ended_with(2, "",
                         error_text("invalid 'services.json': spec[1]: name-not-kebab-case (Api), at /specs/1/name",
                                    "man 5 agentctl-services")));
  EXPECT_THAT(agentctl({"apply", "services.json"}), ended_with(2, "", HasSubstr("name-not-kebab-case (Api)")))
      << "before anything is started";
  EXPECT_THAT(agentctl({"apply", "--check", "--json", "services.json"}),
              ended_with(2,
                         "{\"ok\":false,\"reason\":\"spec[1]: name-not-kebab-case "
                         "(Api)\",\"pointer\":\"/specs/1/name\",\"status\":\"invalid\"}\n",
                         ""));
}

TEST_F(ApplyCheckTest, NothingOfTheFileReachesTheTerminalAsItIs) {
  put(spec("\\u001b[2J"));
  EXPECT_THAT(agentctl({"apply", "--check", "services.json"}).err, HasSubstr("name-not-kebab-case (\\x1b[2J)"));
  EXPECT_THAT(agentctl({"apply", "--check", "--json", "services.json"}).out, HasSubstr("(\\u001b[2J)"));
}

TEST_F(ApplyCheckTest, TheGitCheckCanBeAskedFor) {
  put(spec("web", R"(, "cwd": ")" + path("work") + "\""));
  EXPECT_THAT(agentctl({"apply", "--check", "--require-git-workdir=no", "services.json"}),
              ended_with(0, "ok: 1 service\n", ""));
  const std::string expected =
      "invalid 'services.json': invalid-workdir: spec[0]: no .git directory or worktree "
      "pointer at " +
      path("work") + ", at /specs/0/cwd";
  EXPECT_THAT(agentctl({"apply", "--check", "services.json"}),
              ended_with(2, "", error_text(expected, "man 5 agentctl-services")));
  make_directories(path("home/.config/agentctl"));
  // As dotfiles are that a program like stow has put there.
  put_file(path("home/config"), R"({"services": {"require_git_workdir": false}})");
  ASSERT_EQ(::symlink("../../config", path("home/.config/agentctl/config.json").c_str()), 0);
  EXPECT_THAT(agentctl({"apply", "--check", "services.json"}), ended_with(0, "ok: 1 service\n", ""));
  ASSERT_EQ(::symlink("services.json", path("work/link.json").c_str()), 0);
  EXPECT_THAT(agentctl({"apply", "--check", "link.json"}), ended_with(0, "ok: 1 service\n", ""));
}

TEST_F(ApplyCheckTest, TheWriterCanBeAskedFor) {
  put(spec("web"));
  EXPECT_EQ(agentctl({"apply", "--check", "--agent", "ripley", "services.json"}).status, 0);
  EXPECT_THAT(agentctl({"apply", "--check", "--json", "--agent", "ash", "services.json"}),
              ended_with(2,
                         R"-({"ok":false,"reason":"written-by-mismatch (expected ash, got ripley)",)-"
                         R"("pointer":"/written_by","status":"invalid"})"
                         "\n",
                         ""));
  EXPECT_THAT(agentctl({"apply", "--check", "--work-item", "W-1", "services.json"}).err,
              HasSubstr("wi-id-mismatch (expected W-1, got missing), at /wi_id"));
}

TEST_F(ApplyCheckTest, ReadsFilesAndStandardInputAlone) {
  EXPECT_THAT(agentctl({"apply", "--check", "-"}),
              ended_with(2, "",
                         error_text("invalid 'standard input': json-parse: line 1: incomplete JSON",
                                    "man 5 agentctl-services")));
  EXPECT_THAT(agentctl({"apply", "--check", "none.json"}),
              ended_with(1, "", error_text("cannot read 'none.json': No such file or directory")));
  EXPECT_THAT(agentctl({"apply", "--check", "."}), ended_with(1, "", StartsWith("agentctl: cannot read '.': ")));
  ::mkfifo(path("work/fifo").c_str(), 0600);
  EXPECT_THAT(agentctl({"apply", "--check", "fifo"}),
              ended_with(1, "", error_text("cannot read 'fifo': not a regular file", "- stands for standard input")));
  ASSERT_EQ(::symlink("/dev/zero", path("work/zero").c_str()), 0);
  EXPECT_THAT(agentctl({"apply", "--check", "zero"}).err, HasSubstr("not a regular file"));
  put_file(path("work/large"), std::string((1u << 20) + 1, ' '));
  EXPECT_THAT(agentctl({"apply", "--check", "large"}).err, HasSubstr("json-parse: more than 1 MiB"));
}

}  // namespace
}  // namespace agentctl
