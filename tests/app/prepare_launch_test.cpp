#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "app/command_lookup.hpp"
#include "app_fixture.hpp"
#include "base/file.hpp"
#include "domain/naming.hpp"
#include "domain/session_json.hpp"
#include "support/child_process.hpp"

namespace agentctl {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class PrepareLaunch : public AppTest {
 protected:
  Error refusal(LaunchOptions launch) {
    return thrown_by([&] { prepare_launch(context, std::move(launch)); });
  }
  std::string value_of(const PreparedLaunch& prepared, const std::string& name) {
    for (const std::string& assignment : prepared.launch.environment)
      if (assignment.starts_with(name + "=")) return assignment.substr(name.size() + 1);
    return "(not set)";
  }
};

TEST_F(PrepareLaunch, RefusesACommandThatIsMissingWithTheStatusOfAShell) {
  const std::string relative = "a relative path begins at the session's folder: ";
  for (const auto& [command, hint] :
       {std::pair{"no-such-tool", std::string("give its path; no folder of PATH has it")},
        std::pair{"./no-such-tool", relative + (folder / "./no-such-tool")},
        std::pair{"/no/such/tool", std::string("give the path of a program, or its name alone")},
        std::pair{"bin/tool/below-a-file", relative + (folder / "bin/tool/below-a-file")}}) {
    const Error error = refusal(options({command}));
    EXPECT_EQ(error.code(), ErrorCode::command_not_found) << command;
    EXPECT_STREQ(error.what(), ("cannot run '" + std::string(command) + "': command not found").c_str());
    EXPECT_EQ(error.hint(), hint);
  }
  expect_nothing_exists();
}

TEST_F(PrepareLaunch, RefusesACommandThatCannotBeExecuted) {
  struct Case {
    const char* command;
    const char* reason;
    std::string hint;
  };
  const std::string chmod = "chmod +x " + (folder / "bin/notes");
  for (const Case& row :
       {Case{"notes", "Permission denied", chmod}, Case{"bin/notes", "Permission denied", chmod},
        Case{"./bin", "Is a directory", "name a program in it"}, Case{"/", "Is a directory", "name a program in it"},
        Case{"/dev/null", "Permission denied", "namei -l /dev/null"}}) {
    const Error error = refusal(options({row.command}));
    EXPECT_EQ(error.code(), ErrorCode::command_not_executable) << row.command;
    EXPECT_EQ(error.reason(), row.reason) << row.command;
    EXPECT_EQ(error.hint(), row.hint) << row.command;
  }
  expect_nothing_exists();
}

TEST_F(PrepareLaunch, RefusesAnOutputFileThatCannotBe) {
  struct Case {
    std::string file;
    const char* reason;
    std::string hint;
  };
  const std::string another = "name another file with --stdout";
  for (const Case& row :
       {Case{"missing/out", "No such file or directory", "mkdir -p " + (folder / "missing") + ", or " + another},
        Case{"bin", "Is a directory", another}, Case{"bin/notes/out", "Not a directory", another}}) {
    LaunchOptions launch = options();
    launch.request.stdout_file = row.file;
    const Error error = refusal(launch);
    EXPECT_EQ(error.code(), ErrorCode::failed);
    EXPECT_EQ(error.context(), "cannot open the output file");
    EXPECT_EQ(error.object(), folder / row.file);
    EXPECT_EQ(error.reason(), row.reason);
    EXPECT_EQ(error.hint(), row.hint);
    launch.request.stderr_file = std::exchange(launch.request.stdout_file, "");
    EXPECT_THAT(refusal(launch).hint(), testing::EndsWith("name another file with --stderr"));
  }
  expect_nothing_exists();
}

TEST_F(PrepareLaunch, RefusesAnOutputFileThatItMayNotWrite) {
  for (const std::string& path : {folder.path(), folder / "bin"}) ::chmod(path.c_str(), 0755);
  ChildProcess stranger = as_stranger([&] {
    const auto is_refused = [&](const std::string& path) {
      try {
        check_output_file("--stdout", path);
      } catch (const Error& error) {
        return error.code() == ErrorCode::not_permitted;
      }
      return false;
    };
    return is_refused(folder / "bin/notes") && is_refused(folder / "bin/new") && !is_refused("/dev/null");
  });
  EXPECT_EQ(stranger.wait(), 0);
}

TEST_F(PrepareLaunch, TakesAnyOutputFileThatCanBe) {
  put_file(folder / "out", "", 0644);
  EXPECT_EQ(::symlink("not-there-yet", (folder / "link").c_str()), 0);
  for (const char* file : {"out", "new", "link", "/dev/null"}) {
    LaunchOptions launch = options();
    launch.request.stdout_file = file;
    launch.request.stderr_file = file;
    EXPECT_NO_THROW(prepare_launch(context, launch)) << file;
  }
  EXPECT_FALSE(exists(folder / "new"));
}

TEST_F(PrepareLaunch, RefusesAFolderThatCannotBeEntered) {
  LaunchOptions launch = options();
  launch.request.cwd = "missing";
  EXPECT_STREQ(refusal(launch).what(),
               ("cannot start a session in '" + (folder / "missing") + "': No such file or directory").c_str());
  launch.request.cwd = folder / "bin/tool";
  EXPECT_EQ(refusal(launch).reason(), "Not a directory");
  EXPECT_EQ(refusal(launch).hint(), "name another folder with -C");
  expect_nothing_exists();
}

TEST_F(PrepareLaunch, RefusesWhatTheRulesForbid) {
  EXPECT_EQ(refusal(options({"tool"}, "Not A Name")).object(), "-n");
  EXPECT_EQ(refusal(options({})).object(), "COMMAND");
  EXPECT_EQ(refusal(options({})).code(), ErrorCode::usage);
  LaunchOptions launch = options();
  launch.request.project = "a b";
  EXPECT_EQ(refusal(launch).object(), "--project");
  expect_nothing_exists();
}

TEST_F(PrepareLaunch, RefusesAnotherUserInAUserManager) {
  LaunchOptions launch = options();
  launch.request.user = "root";
  EXPECT_EQ(refusal(launch).code(), ErrorCode::usage);
  EXPECT_EQ(refusal(launch).hint(), "sudo agentctl --system run");
  context.scope = ManagerScope::system;
  launch.request.user = "no-such-user";
  EXPECT_EQ(refusal(launch).reason(), "there is no such user");
  expect_nothing_exists();
}

TEST_F(PrepareLaunch, ChangesNothingWhenAllIsWell) {
  prepare_launch(context, options());
  expect_nothing_exists();
}

TEST_F(PrepareLaunch, FindsTheCommandAsAShellWould) {
  make_directories(folder / "first");
  put_file(folder / "first/tool", "not executable", 0644);
  context.environment["PATH"] = (folder / "missing") + ":" + (folder / "first") + ":" + (folder / "bin");
  EXPECT_EQ(prepare_launch(context, options()).launch.executable, folder / "bin/tool");
  EXPECT_EQ(prepare_launch(context, options({"bin/tool"})).launch.executable, folder / "bin/tool");
  context.environment["PATH"] = ":/nowhere";  // an empty part is the folder that it runs in
  LaunchOptions launch = options();
  launch.request.cwd = folder / "bin";
  EXPECT_EQ(prepare_launch(context, launch).launch.executable, folder / "bin/tool");
  context.environment.erase("PATH");
  EXPECT_EQ(prepare_launch(context, options({"env"})).launch.executable, "/usr/bin/env");
}

TEST_F(PrepareLaunch, FindsNothingInAFolderThatItMayNotSearch) {
  make_directories(folder / "private");
  for (const std::string& path : {folder.path(), folder / "bin"}) ::chmod(path.c_str(), 0755);
  ::chmod((folder / "private").c_str(), 0);
  ChildProcess stranger = as_stranger([&] {
    const std::string path = (folder / "private") + ":" + (folder / "bin");
    if (find_command("tool", "/", path) != folder / "bin/tool") return false;
    const auto code_of = [&](const char* command) {
      try {
        find_command(command, "/", path);
      } catch (const Error& error) {
        return error.code();
      }
      return ErrorCode::failed;
    };
    return code_of("no-such-tool") == ErrorCode::command_not_found &&
           code_of("notes") == ErrorCode::command_not_executable;
  });
  EXPECT_EQ(stranger.wait(), 0);
}

TEST_F(PrepareLaunch, FindsTheCommandInThePathThatTheSessionWillHave) {
  context.environment["PATH"] = "/nowhere";
  LaunchOptions launch = options();
  launch.variables = {"PATH=" + (folder / "bin")};
  EXPECT_EQ(prepare_launch(context, launch).launch.executable, folder / "bin/tool");
}

TEST_F(PrepareLaunch, KeepsTheCommandAsItWasGiven) {
  const PreparedLaunch prepared = prepare_launch(context, options({"tool", "", "-x", "\xFF"}));
  EXPECT_THAT(prepared.launch.record.request.command, ElementsAre("tool", "", "-x", "\xFF"));
}

TEST_F(PrepareLaunch, NamesASessionAfterItsCommandWhenAskedForNoName) {
  const Record record = prepare_launch(context, options({"bin/tool"}, "")).launch.record;
  EXPECT_EQ(record.request.name, "tool-" + record.id.substr(0, 6));
  EXPECT_EQ(record.unit, "agentctl-" + record.request.name + ".service");
}

TEST_F(PrepareLaunch, RecordsWhatWasAskedAndByWhom) {
  LaunchOptions launch = options();
  launch.request.cwd = "bin";
  launch.request.stdout_file = "out.log";
  launch.request.ttl = std::chrono::minutes(15);
  const PreparedLaunch prepared = prepare_launch(context, launch);
  const Record& record = prepared.launch.record;
  EXPECT_TRUE(is_valid_id(record.id));
  EXPECT_EQ(record.request.cwd, folder / "bin");
  EXPECT_EQ(record.request.stdout_file, folder / "out.log") << "relative to the caller's folder, as a shell's >";
  EXPECT_EQ(record.created_by.user, "ann");
  EXPECT_EQ(record.boot_id, context.boot_id);
  EXPECT_EQ(record.attempt, 1);
  EXPECT_EQ(prepared.launch.registry, registry.root());
  EXPECT_EQ(prepared.launch.umask, 022);
  EXPECT_EQ(prepared.owner, std::nullopt);
}

TEST_F(PrepareLaunch, AsksTheEngineForOneUnit) {
  LaunchOptions launch = options();
  launch.request.project = "my-app";
  launch.request.ttl = std::chrono::minutes(15);
  launch.request.stop_timeout = std::chrono::seconds(9);
  const PreparedLaunch prepared = prepare_launch(context, launch);
  const std::string run = runtime.folder(prepared.launch.record.id);
  EXPECT_EQ(prepared.spec.unit, "agentctl-web.service");
  EXPECT_EQ(prepared.spec.slice, "agentctl-my\\x2dapp.slice");
  EXPECT_EQ(prepared.spec.description, "agentctl session " + prepared.launch.record.id + ": tool");
  EXPECT_THAT(prepared.spec.host, ElementsAre(folder / "libexec/session-host", run));
  EXPECT_THAT(prepared.spec.recorder, ElementsAre(folder / "libexec/recorder", run));
  EXPECT_EQ(prepared.spec.ttl, std::chrono::minutes(15));
  EXPECT_EQ(prepared.spec.stop_timeout, std::chrono::seconds(9));
}

TEST_F(PrepareLaunch, SpreadsAProjectOfHundreds) {
  LaunchOptions launch = options();
  launch.request.project = "shop";
  engine.crowds["agentctl-shop.slice"] = 199;
  EXPECT_EQ(prepare_launch(context, launch).spec.slice, "agentctl-shop.slice");
  engine.crowds["agentctl-shop.slice"] = 200;
  const PreparedLaunch prepared = prepare_launch(context, launch);
  EXPECT_EQ(prepared.spec.slice, "agentctl-shop-_1.slice");
  EXPECT_EQ(prepared.launch.record.slice, "agentctl-shop-_1.slice");
}

TEST_F(PrepareLaunch, GivesTheSessionTheCallersCleanedEnvironmentAndItsOwnIdentity) {
  context.environment["CLAUDECODE"] = "1";
  context.environment["AGENTCTL_NAME"] = "the-callers-own";
  context.environment["PWD"] = "/elsewhere";
  LaunchOptions launch = options();
  launch.request.project = "shop";
  const PreparedLaunch prepared = prepare_launch(context, launch);
  EXPECT_EQ(value_of(prepared, "SECRET"), "s3cret");
  EXPECT_EQ(value_of(prepared, "CLAUDECODE"), "(not set)");
  EXPECT_EQ(value_of(prepared, "AGENTCTL_SESSION"), prepared.launch.record.id);
  EXPECT_EQ(value_of(prepared, "AGENTCTL_NAME"), "web");
  EXPECT_EQ(value_of(prepared, "AGENTCTL_UNIT"), "agentctl-web.service");
  EXPECT_EQ(value_of(prepared, "AGENTCTL_PROJECT"), "shop");
  EXPECT_EQ(value_of(prepared, "PWD"), folder.path());
  EXPECT_EQ(value_of(prepare_launch(context, options()), "AGENTCTL_PROJECT"), "(not set)");
}

TEST_F(PrepareLaunch, StartsFromTheBasicsWithCleanEnv) {
  LaunchOptions launch = options();
  launch.request.clean_env = true;
  launch.variables = {"SECRET"};
  const PreparedLaunch prepared = prepare_launch(context, launch);
  EXPECT_EQ(value_of(prepared, "HOME"), "/home/ann");
  EXPECT_EQ(value_of(prepared, "SECRET"), "s3cret");
  launch.variables.clear();
  EXPECT_EQ(value_of(prepare_launch(context, launch), "SECRET"), "(not set)");
}

TEST_F(PrepareLaunch, TakesVariablesFromAFileAndThenFromTheOptions) {
  put_file(folder / "vars", "A=file\nB=file\nLANG\n");
  LaunchOptions launch = options();
  launch.request.env_file = "vars";
  launch.variables = {"B=option"};
  const PreparedLaunch prepared = prepare_launch(context, launch);
  EXPECT_EQ(value_of(prepared, "A"), "file");
  EXPECT_EQ(value_of(prepared, "B"), "option");
  EXPECT_EQ(value_of(prepared, "LANG"), "C.UTF-8");
  EXPECT_EQ(prepared.launch.record.request.env_file, folder / "vars");
  launch.request.env_file = "missing";
  EXPECT_EQ(refusal(launch).object(), folder / "missing");
  put_file(folder / "vars", "A=1\nnot a line\n");
  launch.request.env_file = "vars";
  EXPECT_EQ(refusal(launch).context(), "invalid line 2 in");
}

TEST_F(PrepareLaunch, TakesAFileOfVariablesThatALinkLeadsToAndNoPipe) {
  put_file(folder / "vars", "A=file\n");
  ASSERT_EQ(::symlink("vars", (folder / "link").c_str()), 0);
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  LaunchOptions launch = options();
  launch.request.env_file = "link";
  EXPECT_EQ(value_of(prepare_launch(context, launch), "A"), "file");
  launch.request.env_file = "fifo";
  EXPECT_EQ(refusal(launch).reason(), "not a regular file");
  EXPECT_THAT(refusal(launch).hint(), HasSubstr("-e K=V"));
}

TEST_F(PrepareLaunch, RemembersTheNamesOfVariablesAndNeverTheirValues) {
  LaunchOptions launch = options();
  launch.variables = {"TOKEN=t0ken", "SECRET"};
  const PreparedLaunch prepared = prepare_launch(context, launch);
  EXPECT_THAT(prepared.launch.record.request.env_keys, ElementsAre("TOKEN=", "SECRET"));
  EXPECT_THAT(to_json(prepared.launch.record), AllOf(Not(HasSubstr("t0ken")), Not(HasSubstr("s3cret"))));
  EXPECT_THAT(prepared.launch.environment, Contains("TOKEN=t0ken"));
  for (const auto& words : {prepared.spec.host, prepared.spec.recorder})
    EXPECT_THAT(words, Not(Contains(HasSubstr("t0ken"))));
}

TEST_F(PrepareLaunch, GivesAnotherUsersSessionThatUsersBasics) {
  context.scope = ManagerScope::system;
  context.environment["XDG_RUNTIME_DIR"] = "/run/user/0";
  LaunchOptions launch = options();
  launch.request.user = "0";
  launch.request.cwd = folder.path();
  const PreparedLaunch prepared = prepare_launch(context, launch);
  EXPECT_EQ(prepared.spec.user, "root");
  EXPECT_EQ(prepared.owner, 0U);
  EXPECT_EQ(value_of(prepared, "HOME"), "/root");
  EXPECT_EQ(value_of(prepared, "USER"), "root");
  EXPECT_EQ(value_of(prepared, "SECRET"), "(not set)");
  EXPECT_EQ(value_of(prepared, "XDG_RUNTIME_DIR"), "(not set)");
}

TEST_F(PrepareLaunch, RunsAnotherUsersSessionInThatUsersHomeUnlessAskedOtherwise) {
  if (::getuid() != 0) GTEST_SKIP() << "only root may enter every home";
  context.scope = ManagerScope::system;
  LaunchOptions launch = options({"/bin/true"});
  launch.request.user = "root";
  EXPECT_EQ(prepare_launch(context, launch).launch.record.request.cwd, "/root");
  launch.request.cwd = "bin";
  EXPECT_EQ(prepare_launch(context, launch).launch.record.request.cwd, folder / "bin");
}

TEST(AbsolutePath, IsMadeAgainstTheFolderAndNotResolved) {
  EXPECT_EQ(absolute_path("a/../b", "/x"), "/x/a/../b");
  EXPECT_EQ(absolute_path("/a", "/x"), "/a");
  EXPECT_EQ(absolute_path("", "/x"), "/x");
  EXPECT_EQ(absolute_path("a", "/"), "/a");
}

}  // namespace
}  // namespace agentctl
