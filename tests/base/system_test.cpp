#include "base/system.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "base/file.hpp"
#include "base/unix_socket.hpp"
#include "base/user.hpp"
#include "support/child_process.hpp"
#include "support/temporary_folder.hpp"
#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

TEST(BootId, IsThatOfTheKernelWithoutHyphens) {
  const std::string id = boot_id();
  EXPECT_EQ(id.size(), 32U);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos) << id;
}

TEST(FindUser, FindsByNameAndByNumber) {
  const auto root = find_user(std::string("root"));
  ASSERT_TRUE(root.has_value());
  EXPECT_EQ(root->uid, 0U);
  EXPECT_EQ(root->home, "/root");
  EXPECT_EQ(find_user(std::string("0"))->name, "root");
  EXPECT_EQ(user_name(0), "root");
}

TEST(FindUser, FindsNobodyForWhatIsNoUser) {
  for (const char* text : {"", "no-such-user", "-1", "0x0", "4294967295", "99999999999999999999"})
    EXPECT_FALSE(find_user(std::string(text)).has_value()) << text;
}

TEST(UserName, IsTheNumberWhenThereIsNoName) { EXPECT_EQ(user_name(3'999'999'999), "3999999999"); }

TEST(WayToUserManager, DependsOnWhatIsMissing) {
  const TemporaryFolder folder;
  constexpr uid_t nobody = 3'999'999'999;
  const auto way = [&] { return way_to_user_manager(folder.path(), nobody, "no-such-user"); };
  const std::string linger = "sudo loginctl enable-linger no-such-user   (then it runs without a login)";
  EXPECT_EQ(way(), linger);
  make_directories(folder / "systemd");
  put_file(folder / "systemd/private", "");
  EXPECT_EQ(way(), "sudo apt install dbus-user-session, then systemctl --user start dbus.socket");
  // Both are there, and it does not answer: the bus is not what is missing.
  put_file(folder / "bus", "");
  EXPECT_EQ(way(), linger);
}

TEST(CommandLineOf, IsOneStringForPeople) {
  // A child has the command line of its parent, and stands still until it is asked.
  ChildProcess child([](const ChildProcess::Ready& ready) {
    ready();
    ::pause();
    return 0;
  });
  ASSERT_TRUE(child.await_ready());
  const std::string line = command_line_of(child.pid());
  EXPECT_NE(line.find("base_test"), std::string::npos) << line;
  EXPECT_EQ(line.find('\0'), std::string::npos);
}

TEST(CommandLineOf, IsEmptyForAProcessThatIsGone) {
  ChildProcess child([](const ChildProcess::Ready&) { return 0; });
  const pid_t pid = child.pid();
  child.wait();
  EXPECT_EQ(command_line_of(pid), "");
}

TEST(ProgramNameOf, HasNoneOfTheArguments) {
  ChildProcess child([](const ChildProcess::Ready& ready) {
    ready();
    ::execl("/bin/sh", "sh", "-c", "read x; : s3cret", nullptr);
    return 1;
  });
  ASSERT_TRUE(child.await_ready());
  EXPECT_EQ(program_name_of(::getpid()), "base_test");
  EXPECT_EQ(program_name_of(child.pid()).find("s3cret"), std::string::npos);
}

TEST(ProgramNameOf, IsEmptyForAProcessThatIsGone) {
  ChildProcess child([](const ChildProcess::Ready&) { return 0; });
  const pid_t pid = child.pid();
  child.wait();
  EXPECT_EQ(program_name_of(pid), "");
}

TEST(Folder, MayBeOwnUnlessItIsAnotherUsers) {
  const TemporaryFolder folder;
  EXPECT_TRUE(may_be_own(folder.path()));
  EXPECT_TRUE(may_be_own(folder / "that/is/not/there"));
  EXPECT_TRUE(may_be_own("/"));
  if (::getuid() != 0) GTEST_SKIP() << "only root can give a folder away";
  ASSERT_EQ(::chown(folder.path().c_str(), 4711, 4711), 0);
  EXPECT_FALSE(may_be_own(folder.path()));
  EXPECT_FALSE(may_be_own(folder / "that/is/not/there"));
}

/// What a login, sudo or su has left in the variable.
class UserRuntimeDir : public testing::Test {
 protected:
  UserRuntimeDir() {
    if (const char* value = ::getenv("XDG_RUNTIME_DIR")) before_ = value;
  }
  ~UserRuntimeDir() override {
    before_ ? ::setenv("XDG_RUNTIME_DIR", before_->c_str(), 1) : ::unsetenv("XDG_RUNTIME_DIR");
  }
  std::string with(const std::string& value) {
    ::setenv("XDG_RUNTIME_DIR", value.c_str(), 1);
    return user_runtime_dir();
  }
  const std::string usual_ = "/run/user/" + std::to_string(::getuid());

 private:
  std::optional<std::string> before_;
};

TEST_F(UserRuntimeDir, IsWhatTheVariableSays) {
  const TemporaryFolder folder;
  EXPECT_EQ(with(folder.path()), folder.path());
}

TEST_F(UserRuntimeDir, IsTheUsualOneWhereTheVariableSaysNothingUseful) {
  const TemporaryFolder folder;
  for (const std::string& value : {std::string(), std::string("relative"), folder / "missing"})
    EXPECT_EQ(with(value), usual_) << value;
  ::unsetenv("XDG_RUNTIME_DIR");
  EXPECT_EQ(user_runtime_dir(), usual_);
}

TEST_F(UserRuntimeDir, IsNeverAnotherUsers) {
  const TemporaryFolder folder;
  std::string strangers = "/";
  if (::getuid() == 0) {
    strangers = folder.path();
    ASSERT_EQ(::chown(strangers.c_str(), 4711, static_cast<gid_t>(-1)), 0);
  }
  EXPECT_EQ(with(strangers), usual_);
}

TEST(RunCommand, GivesOutputAndStatus) {
  const CommandOutput output = run_command({"sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(output.text, "out\n");
  EXPECT_EQ(WEXITSTATUS(output.status), 3);
}

TEST(RunCommand, GivesTheProgramNothingToRead) {
  EXPECT_EQ(run_command({"sh", "-c", "read x || echo none"}).text, "none\n");
}

TEST(RunCommand, KeepsAMebibyteAndReadsTheRest) {
  const CommandOutput output = run_command({"head", "-c", "3000000", "/dev/zero"});
  EXPECT_EQ(output.status, 0);
  EXPECT_GE(output.text.size(), std::size_t{1} << 20);
  EXPECT_LT(output.text.size(), (std::size_t{1} << 20) + 4096);
}

TEST(RunCommand, NamesAProgramThatIsMissing) {
  EXPECT_EQ(thrown_by([] { run_command({"no-such-program-anywhere"}); }).object(), "no-such-program-anywhere");
}

TEST(UnixAddress, RefusesAPathThatDoesNotFit) {
  EXPECT_NO_THROW(UnixAddress(std::string(107, 'x')));
  EXPECT_EQ(thrown_by([] { UnixAddress(std::string(108, 'x')); }).reason(), "the path is longer than 107 bytes");
  EXPECT_EQ(thrown_by([] { UnixAddress(""); }).reason(), "the path is empty");
}

TEST(UnixAddress, IsAbstractWhenItBeginsWithAt) {
  const UnixAddress abstract("@name");
  EXPECT_EQ(abstract.storage.sun_path[0], '\0');
  EXPECT_EQ(abstract.size, offsetof(sockaddr_un, sun_path) + 5);
  const UnixAddress file("/name");
  EXPECT_EQ(file.size, offsetof(sockaddr_un, sun_path) + 6);
}

}  // namespace
}  // namespace agentctl
