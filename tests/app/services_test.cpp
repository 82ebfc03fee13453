#include "app/services.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "app_fixture.hpp"
#include "base/file.hpp"
#include "support/service_cases.hpp"

namespace agentctl {
namespace {

using testing::HasSubstr;

/// The folders that the cases name.
class ServicesTest : public AppTest {
 protected:
  ServicesTest() {
    for (const char* name : {"git/.git", "git/packages/server", "pointer", "bad", "empty", "none", "odd"})
      make_directories(folder / name);
    put_file(folder / "pointer/.git", "gitdir: /elsewhere/.git/worktrees/x\n");
    put_file(folder / "bad/.git", "not a pointer\n");
    put_file(folder / "empty/.git", "");
    put_file(folder / "file", "");
    ::mkfifo((folder / "odd/.git").c_str(), 0600);
    context.cwd = folder / "none";
  }

  std::map<std::string, std::string> folders() const {
    return {{"GITROOT", folder / "git"},
            {"WTPTR", folder / "pointer"},
            {"BADPTR", folder / "bad"},
            {"NOGIT", folder / "none"}};
  }

  CheckedServices check(const std::string& text) { return check_services(context, {.text = text}); }
  std::string reason_of(const CheckedServices& answer) {
    const auto* refusal = std::get_if<ServiceRefusal>(&answer);
    return refusal != nullptr ? refusal->reason : "ok";
  }
  std::string file_in(const std::string& cwd, const std::string& cmd = "node", const std::string& top = {}) {
    return R"({"specs": [{"name": "web", "cmd": ")" + cmd + R"(", "cwd": ")" + cwd +
           R"(", "healthcheck": {"type": "http", "url": "http://x", "expect_status": 200, "timeout_s": 1}}])" + top +
           "}";
  }
};

TEST_F(ServicesTest, AnswersWhatAgentsKnowWithAndWithoutTheGitCheck) {
  for (const bool require_git : {false, true}) {
    const std::vector<ServiceCase> cases = service_cases(require_git, folders());
    EXPECT_EQ(cases.size(), 254u);
    for (const ServiceCase& one : cases)
      expect_answer(one, check_services(context, {.text = one.text, .require_git_workdir = require_git}));
  }
}

TEST_F(ServicesTest, AGitFolderOrAWorkTreesPointerIsAWorkTree) {
  EXPECT_EQ(git_mark_at("/", folder / "git"), GitMark::folder);
  EXPECT_EQ(git_mark_at("/", folder / "pointer"), GitMark::pointer);
  EXPECT_EQ(git_mark_at("/", folder / "bad"), GitMark::other);
  EXPECT_EQ(git_mark_at("/", folder / "empty"), GitMark::other);
  EXPECT_EQ(git_mark_at("/", folder / "odd"), GitMark::other) << "a FIFO does not block";
  EXPECT_EQ(git_mark_at("/", folder / "none"), GitMark::none);
  EXPECT_EQ(git_mark_at("/", folder / "missing"), GitMark::none);
  EXPECT_EQ(git_mark_at("/", folder / "file"), GitMark::none);
  EXPECT_EQ(git_mark_at("/", folder / "git/packages/server"), GitMark::none) << "a folder above does not count";
  EXPECT_EQ(git_mark_at(folder.path(), "git"), GitMark::folder);
}

TEST_F(ServicesTest, ALinkToAWorkTreeIsOne) {
  std::filesystem::create_symlink("git", folder / "link");
  EXPECT_EQ(git_mark_at("/", folder / "link"), GitMark::folder);
}

TEST_F(ServicesTest, ARelativeFolderIsBelowThatOfWhoAsks) {
  EXPECT_EQ(reason_of(check(file_in("."))), "invalid-workdir: spec[0]: no .git directory or worktree pointer at .");
  context.cwd = folder / "git";
  EXPECT_EQ(reason_of(check(file_in("."))), "ok");
}

TEST_F(ServicesTest, TheConfigurationAndThenTheCallerChangeTheRules) {
  put_file(folder / "config.json", R"({"services": {"require_git_workdir": false, "executable_allowlist": ["perl"]}})");
  EXPECT_EQ(reason_of(check(file_in(folder / "none", "perl"))), "ok");
  EXPECT_EQ(reason_of(check(file_in(folder / "none"))), "spec[0]: cmd-not-on-allowlist (node)");
  EXPECT_THAT(reason_of(
                  check_services(context, {.text = file_in(folder / "none", "perl"), .require_git_workdir = true})),
              HasSubstr("invalid-workdir: spec[0]: "));
  put_file(folder / "config.json", R"({"services": {"max_specs": "many"}})");
  EXPECT_EQ(thrown_by([&] { check(file_in("")); }).code(), ErrorCode::usage);
}

TEST_F(ServicesTest, WhoWroteItIsLookedAtWhenAllElseIsRight) {
  const std::string text = file_in("", "node", R"(, "written_by": "ripley", "wi_id": "W-1")");
  EXPECT_EQ(reason_of(check_services(context, {.text = text, .agent = "ripley", .work_item = "W-1"})), "ok");
  EXPECT_EQ(reason_of(check_services(context, {.text = text, .agent = "ash", .work_item = "W-2"})),
            "written-by-mismatch (expected ash, got ripley)");
  EXPECT_EQ(reason_of(check_services(context, {.text = text, .work_item = "W-2"})),
            "wi-id-mismatch (expected W-2, got W-1)");
  EXPECT_EQ(reason_of(check_services(context, {.text = file_in("", "perl"), .agent = "ash"})),
            "spec[0]: cmd-not-on-allowlist (perl)");
}

}  // namespace
}  // namespace agentctl
