#include "host/output_file.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.hpp"
#include "support/child_process.hpp"
#include "support/temporary_folder.hpp"
#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class OutputFileTest : public testing::Test {
 protected:
  TemporaryFolder folder;
  std::string path = folder / "log";
  std::string older = folder / "log.1";
  std::vector<std::string> told;

  void append(OutputFile& file, std::string_view bytes) {
    file.append(bytes, [&](std::string text) { told.push_back(std::move(text)); });
  }
  std::vector<std::string> files() const { return list_directory(folder.path()); }
};

TEST_F(OutputFileTest, BeginsAnewBeforeItGrowsOverItsLimit) {
  OutputFile file(path, 10);
  append(file, "12345\n");
  append(file, "789\n");
  EXPECT_FALSE(exists(older)) << "10 bytes are not over 10";
  append(file, "next\n");
  EXPECT_EQ(get_file(path), "next\n");
  EXPECT_EQ(get_file(older), "12345\n789\n");
  append(file, "second\n");
  EXPECT_EQ(get_file(older), "next\n") << "one older file is kept";
  EXPECT_EQ(get_file(path), "second\n");
  EXPECT_EQ(files().size(), 2U);
  EXPECT_THAT(told, IsEmpty());
}

TEST_F(OutputFileTest, KeepsLinesWhole) {
  OutputFile file(path, 10);
  append(file, "one\ntwo\nthree\nfour\n");
  EXPECT_EQ(get_file(older), "three\n");
  EXPECT_EQ(get_file(path), "four\n");
  append(file, "beg");
  append(file, "in");
  append(file, "-and-end\nnew\n");
  EXPECT_EQ(get_file(older), "four\nbegin-and-end\n") << "the rest of a line goes where it began";
  EXPECT_EQ(get_file(path), "new\n");
}

TEST_F(OutputFileTest, CutsALineWithoutAnEnd) {
  OutputFile file(path, 10);
  append(file, "0123456789abcdefghijABC");
  EXPECT_EQ(get_file(older), "abcdefghij");
  EXPECT_EQ(get_file(path), "ABC");
  append(file, std::string(3, 'x') + "\n" + std::string(30, 'y') + "\n");
  EXPECT_EQ(get_file(older), "ABCxxx\n");
  EXPECT_EQ(get_file(path), std::string(30, 'y') + "\n") << "a long line that ends is one";
}

TEST_F(OutputFileTest, WithoutALimitGrowsOn) {
  OutputFile file(path, 0);
  for (int i = 0; i < 100; ++i) append(file, std::string(99, 'x') + "\n");
  EXPECT_EQ(get_file(path).size(), 10'000U);
  EXPECT_THAT(files(), ElementsAre("log"));
}

TEST_F(OutputFileTest, GoesOnWithWhatIsThere) {
  put_file(path, "before\n", 0640);
  OutputFile file(path, 10);
  append(file, "after\n");
  EXPECT_EQ(get_file(older), "before\n");
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640U) << "the new one is like the old one";
}

TEST_F(OutputFileTest, MovedAwayBySomebodyElseIsWrittenToOnAndOn) {
  OutputFile file(path, 10);
  append(file, "one\n");
  std::filesystem::rename(path, folder / "archive");
  append(file, "two\nthree\nfour\n");
  EXPECT_EQ(get_file(folder / "archive"), "one\ntwo\nthree\nfour\n");
  put_file(path, "somebody else's");
  append(file, "five\n");
  EXPECT_EQ(get_file(path), "somebody else's");
  EXPECT_EQ(get_file(folder / "archive"), "one\ntwo\nthree\nfour\nfive\n");
  EXPECT_FALSE(exists(older));
  EXPECT_THAT(told, IsEmpty());
}

TEST_F(OutputFileTest, OfSeveralSessionsLosesNothing) {
  OutputFile a(path, 20);
  OutputFile b(path, 20);
  append(a, "a1 a1 a1 a1\n");
  append(b, "b1\n");
  append(a, "a2 a2\n");  // renames
  EXPECT_EQ(get_file(older), "a1 a1 a1 a1\nb1\n");
  append(b, "b2\n");  // follows, and does not rename once more
  EXPECT_EQ(get_file(path), "a2 a2\nb2\n");
  EXPECT_EQ(get_file(older), "a1 a1 a1 a1\nb1\n");
  append(a, std::string(19, 'x') + "\n");
  append(a, std::string(19, 'y') + "\n");  // twice: what b has open is gone
  append(b, "b3\n");
  append(b, "b4\n");
  EXPECT_EQ(get_file(path), "b3\nb4\n");
}

TEST_F(OutputFileTest, OfManyAtOnceIsInTheTwoFilesToTheLastByte) {
  constexpr int writers = 4;
  constexpr int lines = 500;
  constexpr std::size_t line_size = 20;
  std::vector<ChildProcess> children;
  for (int writer = 0; writer < writers; ++writer)
    children.emplace_back([&](const ChildProcess::Ready&) {
      // Room for half of it: it is renamed once, and whoever renames it twice has lost something.
      OutputFile file(path, writers * lines * line_size / 2 + 2000);
      for (int i = 0; i < lines; ++i) append(file, std::string(line_size - 1, static_cast<char>('a' + writer)) + "\n");
      return told.empty() ? 0 : 1;
    });
  for (ChildProcess& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(get_file(path).size() + get_file(older).size(), writers * lines * line_size);
  EXPECT_EQ(files().size(), 2U);
}

TEST_F(OutputFileTest, LockedBySomebodyElseIsNotWaitedFor) {
  const Fd holder(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(::flock(holder.get(), LOCK_EX), 0);
  OutputFile file(path, 10);
  append(file, "12345678\nnext\n");
  EXPECT_EQ(get_file(path), "12345678\nnext\n");
  ASSERT_EQ(::flock(holder.get(), LOCK_UN), 0);
  append(file, "later\n");
  EXPECT_EQ(get_file(older), "12345678\nnext\n");
  EXPECT_THAT(told, IsEmpty());
}

TEST_F(OutputFileTest, ThatCannotBeRenamedGrowsOnAndSaysSoOnce) {
  OutputFile file(path, 10);
  make_directories(older + "/folder-in-the-way");
  for (int i = 0; i < 10; ++i) append(file, "0123456789\n");
  EXPECT_EQ(get_file(path).size(), 110U);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_THAT(told[0], HasSubstr("agentctl: '" + path + "' grows over its limit, it cannot be renamed: "));
  EXPECT_EQ(files().size(), 2U) << "nothing half-made stays";
  std::filesystem::remove_all(older);
  for (int i = 0; i < 2; ++i) append(file, "0123456789\n");
  EXPECT_TRUE(exists(older)) << "it is tried again";
}

TEST_F(OutputFileTest, InAFolderThatCannotBeWrittenGrowsOn) {
  ASSERT_EQ(::chmod(folder.path().c_str(), 0777), 0);
  ChildProcess child = as_stranger([&] {
    OutputFile file(path, 10);
    append(file, "one\n");
    return told.empty();
  });
  ASSERT_EQ(child.wait(), 0);
  ASSERT_EQ(::chmod(folder.path().c_str(), 0555), 0);
  ChildProcess again = as_stranger([&] {
    OutputFile file(path, 10);
    append(file, "two\nthree\nfour\n");
    return told.size() == 1;
  });
  EXPECT_EQ(again.wait(), 0);
  EXPECT_EQ(get_file(path), "one\ntwo\nthree\nfour\n");
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
}

TEST_F(OutputFileTest, BehindALinkStaysWhereItIs) {
  put_file(folder / "target", "");
  std::filesystem::create_symlink(folder / "target", path);
  OutputFile file(path, 10);
  append(file, "one\ntwo\nthree\nfour\n");
  EXPECT_EQ(get_file(folder / "target"), "one\ntwo\nthree\nfour\n");
  EXPECT_TRUE(std::filesystem::is_symlink(path));
  EXPECT_FALSE(exists(older));
}

TEST_F(OutputFileTest, FollowsNoLinkThatTookItsPlace) {
  put_file(folder / "target", "precious\n");
  OutputFile file(path, 10);
  append(file, "one\n");
  std::filesystem::remove(path);
  std::filesystem::create_symlink(folder / "target", path);
  append(file, "two\nthree\nfour\n");
  std::filesystem::remove(path);
  std::filesystem::create_hard_link(folder / "target", path);
  append(file, "five\n");
  EXPECT_EQ(get_file(folder / "target"), "precious\n");
}

TEST_F(OutputFileTest, ThatWasRemovedIsMadeAnew) {
  OutputFile file(path, 100);
  append(file, "one\n");
  std::filesystem::remove(path);
  append(file, "two\n");
  EXPECT_EQ(get_file(path), "two\n");
}

TEST_F(OutputFileTest, KnowsWhetherItIsTheSame) {
  OutputFile file(path, 0);
  std::filesystem::create_symlink(path, folder / "link");
  EXPECT_TRUE(file.is_same_file(OutputFile(folder / "link", 0)));
  EXPECT_FALSE(file.is_same_file(OutputFile(folder / "other", 0)));
  EXPECT_FALSE(OutputFile("/dev/null", 0).is_same_file(OutputFile("/dev/null", 0)));
  EXPECT_EQ(thrown_by([&] { OutputFile(folder / "missing/log", 0); }).object(), folder / "missing/log");
}

}  // namespace
}  // namespace agentctl
