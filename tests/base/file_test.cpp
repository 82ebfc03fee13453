#include "base/file.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "support/child_process.hpp"
#include "support/temporary_folder.hpp"
#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::size_t limit = 1000;

TEST(ReadFile, GivesTheWholeContent) {
  const TemporaryFolder folder;
  for (const std::size_t size : {0U, 1U, 999U, 1000U}) {
    const std::string content(size, 'x');
    put_file(folder / "f", content);
    EXPECT_EQ(read_file(folder / "f", limit), content);
  }
  put_file(folder / "f", std::string("a\0b\n", 4));
  EXPECT_EQ(read_file(folder / "f", limit), std::string("a\0b\n", 4));
}

TEST(ReadFile, GivesNothingWhenThereIsNone) {
  const TemporaryFolder folder;
  put_file(folder / "f", "x");
  EXPECT_EQ(read_file(folder / "missing", limit), std::nullopt);
  EXPECT_EQ(read_file(folder / "f/below-a-file", limit), std::nullopt);
  EXPECT_EQ(read_file(folder / "no/such/folder", limit), std::nullopt);
}

TEST(ReadFile, RefusesAFileOverTheLimit) {
  const TemporaryFolder folder;
  put_file(folder / "f", std::string(limit + 1, 'x'));
  EXPECT_EQ(thrown_by([&] { read_file(folder / "f", limit); }).reason(), "the file is too large");
}

TEST(ReadFile, RefusesASymbolicLinkThatSomebodyPutThere) {
  const TemporaryFolder folder;
  put_file(folder / "target", "secret");
  ASSERT_EQ(::symlink((folder / "target").c_str(), (folder / "link").c_str()), 0);
  EXPECT_EQ(thrown_by([&] { read_file(folder / "link", limit); }).object(), folder / "link");
}

TEST(ReadFile, RefusesAFifoAndDoesNotWaitForItsWriter) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(thrown_by([&] { read_file(folder / "fifo", limit); }).reason(), "not a regular file");
}

TEST(ReadFile, RefusesAFolderAndADevice) {
  const TemporaryFolder folder;
  EXPECT_EQ(thrown_by([&] { read_file(folder.path(), limit); }).reason(), "not a regular file");
  EXPECT_EQ(thrown_by([&] { read_file("/dev/zero", limit); }).reason(), "not a regular file");
}

TEST(ReadNamedFile, ReadsWhatASymbolicLinkLeadsTo) {
  const TemporaryFolder folder;
  put_file(folder / "target", "A=1\n");
  ASSERT_EQ(::symlink("target", (folder / "link").c_str()), 0);
  ASSERT_EQ(::symlink("link", (folder / "link-of-link").c_str()), 0);
  EXPECT_EQ(read_named_file(folder / "target", limit), "A=1\n");
  EXPECT_EQ(read_named_file(folder / "link-of-link", limit), "A=1\n");
  EXPECT_EQ(read_named_file(folder / "missing", limit), std::nullopt);
  ASSERT_EQ(::symlink("missing", (folder / "dangling").c_str()), 0);
  EXPECT_EQ(read_named_file(folder / "dangling", limit), std::nullopt);
  put_file(folder / "target", std::string(limit + 1, 'x'));
  EXPECT_EQ(thrown_by([&] { read_named_file(folder / "link", limit); }).reason(), "the file is too large");
}

TEST(ReadNamedFile, RefusesWhatIsNoFileAlsoWhereALinkLeadsToIt) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("fifo", (folder / "link").c_str()), 0);
  ASSERT_EQ(::symlink("/dev/zero", (folder / "zero").c_str()), 0);
  for (const std::string& path : {folder / "fifo", folder / "link", folder / "zero", folder.path()}) {
    const Error error = thrown_by([&] { read_named_file(path, limit, "name a file"); });
    EXPECT_EQ(error.reason(), "not a regular file") << path;
    EXPECT_EQ(error.hint(), "name a file");
  }
}

TEST(ReadNamedFile, RefusesAPipeThatHasSomethingToRead) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const Fd reader(ends[0]);
  const Fd writer(ends[1]);
  ASSERT_EQ(::write(writer.get(), "A=1\n", 4), 4);
  // As of <(COMMAND).
  EXPECT_EQ(thrown_by([&] { read_named_file("/dev/fd/" + std::to_string(reader.get()), limit); }).reason(),
            "not a regular file");
}

TEST(WriteFile, ReplacesTheContentAndLeavesNothingElse) {
  const TemporaryFolder folder;
  write_file(folder / "f", "old and longer");
  write_file(folder / "f", "new");
  EXPECT_EQ(get_file(folder / "f"), "new");
  EXPECT_THAT(list_directory(folder.path()), UnorderedElementsAre("f"));
}

TEST(WriteFile, IsForTheOwnerOnlyUnlessAskedOtherwise) {
  const TemporaryFolder folder;
  struct stat status {};
  write_file(folder / "private", "x");
  ASSERT_EQ(::stat((folder / "private").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  write_file(folder / "public", "x", 0644);
  ASSERT_EQ(::stat((folder / "public").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0400, 0400U);
}

TEST(WriteFile, LeavesTheOldContentWhenTheDiskIsFull) {
  const TemporaryFolder folder;
  put_file(folder / "f", "old");
  ChildProcess writer([&](const ChildProcess::Ready&) {
    // A limit on the size of files fails like a full disk: in the middle of the write.
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limits{.rlim_cur = 100, .rlim_max = 100};
    if (::setrlimit(RLIMIT_FSIZE, &limits) < 0) return 2;
    try {
      write_file(folder / "f", std::string(5000, 'x'));
    } catch (const Error&) {
      return 0;
    }
    return 1;
  });
  EXPECT_EQ(writer.wait(), 0);
  EXPECT_EQ(get_file(folder / "f"), "old");
  EXPECT_THAT(list_directory(folder.path()), UnorderedElementsAre("f"));
}

TEST(WriteFile, RemovesItsTemporaryFileWhenItCannotPutItInPlace) {
  const TemporaryFolder folder;
  make_directories(folder / "taken/inside");
  EXPECT_EQ(thrown_by([&] { write_file(folder / "taken", "x"); }).object(), folder / "taken");
  EXPECT_THAT(list_directory(folder.path()), UnorderedElementsAre("taken"));
}

TEST(WriteFile, NamesTheFileWhenItsFolderIsMissing) {
  const TemporaryFolder folder;
  const Error error = thrown_by([&] { write_file(folder / "missing/f", "x"); });
  EXPECT_EQ(error.object(), folder / "missing/f");
  EXPECT_EQ(error.reason(), "No such file or directory");
}

TEST(WriteFile, IsSeenWholeOrNotAtAllByAReader) {
  const TemporaryFolder folder;
  const std::string one(60'000, '1');
  const std::string two(60'000, '2');
  write_file(folder / "f", one);
  ChildProcess writer([&](const ChildProcess::Ready& ready) {
    ready();
    for (int i = 0; i < 300; ++i) write_file(folder / "f", i % 2 == 0 ? two : one);
    return 0;
  });
  ASSERT_TRUE(writer.await_ready());
  for (int i = 0; i < 300; ++i) {
    const auto content = read_file(folder / "f", 100'000);
    ASSERT_TRUE(content == one || content == two);
  }
  EXPECT_EQ(writer.wait(), 0);
}

TEST(MakeDirectories, MakesTheParentsAndMindsNoneThatIsThere) {
  const TemporaryFolder folder;
  make_directories(folder / "a/b/c");
  make_directories(folder / "a/b/c");
  make_directories(folder / "a/b/d");
  EXPECT_THAT(list_directory(folder / "a/b"), UnorderedElementsAre("c", "d"));
  struct stat status {};
  ASSERT_EQ(::stat((folder / "a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
}

TEST(MakeDirectories, NamesTheFolderThatItCannotMake) {
  const TemporaryFolder folder;
  put_file(folder / "f", "x");
  EXPECT_EQ(thrown_by([&] { make_directories(folder / "f/a"); }).context(), "cannot make the folder");
}

TEST(ListDirectory, IsEmptyWhenTheFolderIsMissing) {
  const TemporaryFolder folder;
  put_file(folder / "f", "x");
  EXPECT_THAT(list_directory(folder / "missing"), IsEmpty());
  EXPECT_THAT(list_directory(folder / "f"), IsEmpty());
}

TEST(RemoveFile, SaysWhetherItWasThere) {
  const TemporaryFolder folder;
  put_file(folder / "f", "x");
  EXPECT_TRUE(remove_file(folder / "f"));
  EXPECT_FALSE(remove_file(folder / "f"));
  EXPECT_FALSE(remove_file(folder / "missing/f"));
  EXPECT_EQ(thrown_by([&] { remove_file(folder.path()); }).object(), folder.path());
}

TEST(RemoveDirectory, RemovesItsFilesAndMindsNoneThatIsMissing) {
  const TemporaryFolder folder;
  make_directories(folder / "d");
  put_file(folder / "d/one", "x");
  put_file(folder / "d/two", "x");
  remove_directory(folder / "d");
  EXPECT_FALSE(exists(folder / "d"));
  EXPECT_NO_THROW(remove_directory(folder / "d"));
}

TEST(RemoveDirectory, RemovesEveryFileThoughAFolderIsInTheWay) {
  const TemporaryFolder folder;
  make_directories(folder / "d/inside");
  for (const char* name : {"a", "b", "x", "y"}) put_file((folder / "d/") + name, "secret");
  EXPECT_EQ(thrown_by([&] { remove_directory(folder / "d"); }).reason(), "Directory not empty");
  EXPECT_THAT(list_directory(folder / "d"), UnorderedElementsAre("inside"));
}

TEST(FileLock, IsNotTakenByWhoOnlyAsks) {
  const TemporaryFolder folder;
  const std::string path = folder / "lock";
  EXPECT_FALSE(FileLock::is_held(path));
  EXPECT_FALSE(exists(path));
  auto held = FileLock::try_acquire(path);
  EXPECT_TRUE(FileLock::is_held(path));
  held.reset();
  // What another one does who asks at the same moment, and nothing else.
  const Fd other(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::flock(other.get(), LOCK_SH), 0);
  EXPECT_FALSE(FileLock::is_held(path));
}

TEST(FileLock, IsNotTakenFromWhoAsksForEver) {
  const TemporaryFolder folder;
  const std::string path = folder / "lock";
  const Fd other(::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::flock(other.get(), LOCK_SH), 0);
  EXPECT_FALSE(FileLock::try_acquire(path).has_value()) << "and returns";
}

TEST(FileLock, IsHeldByOneOnly) {
  const TemporaryFolder folder;
  auto held = FileLock::try_acquire(folder / "lock");
  ASSERT_TRUE(held.has_value());
  EXPECT_FALSE(FileLock::try_acquire(folder / "lock").has_value());
  held.reset();
  EXPECT_TRUE(FileLock::try_acquire(folder / "lock").has_value());
}

TEST(FileLock, IsLetGoOfByAHolderThatIsKilled) {
  const TemporaryFolder folder;
  ChildProcess holder([&](const ChildProcess::Ready& ready) {
    const FileLock held = FileLock::acquire(folder / "lock");
    ready();
    ::pause();
    return 0;
  });
  ASSERT_TRUE(holder.await_ready());
  EXPECT_FALSE(FileLock::try_acquire(folder / "lock").has_value());
  holder.kill();
  EXPECT_TRUE(FileLock::try_acquire(folder / "lock").has_value());
}

TEST(FileLock, IsNotInheritedByAProgramThatTheHolderStarts) {
  const TemporaryFolder folder;
  ChildProcess holder([&](const ChildProcess::Ready& ready) {
    const FileLock held = FileLock::acquire(folder / "lock");
    ready();
    ::execl("/bin/sleep", "sleep", "600", nullptr);
    return 1;
  });
  ASSERT_TRUE(holder.await_ready());
  // The program has the process but not the lock: waiting for it returns while the program still runs.
  FileLock::acquire(folder / "lock");
  EXPECT_EQ(::kill(holder.pid(), 0), 0);
}

TEST(FileLock, LetsWritersThroughOneByOne) {
  const TemporaryFolder folder;
  write_file(folder / "count", "0");
  std::vector<ChildProcess> writers;
  for (int i = 0; i < 4; ++i)
    writers.emplace_back([&](const ChildProcess::Ready&) {
      for (int turn = 0; turn < 50; ++turn) {
        const FileLock held = FileLock::acquire(folder / "lock");
        const int count = std::stoi(*read_file(folder / "count", limit));
        write_file(folder / "count", std::to_string(count + 1));
      }
      return 0;
    });
  for (ChildProcess& writer : writers) EXPECT_EQ(writer.wait(), 0);
  EXPECT_EQ(get_file(folder / "count"), "200");
}

TEST(FileLock, DoesNotFollowALink) {
  const TemporaryFolder folder;
  put_file(folder / "target", "");
  ASSERT_EQ(::symlink((folder / "target").c_str(), (folder / "lock").c_str()), 0);
  EXPECT_THROW(FileLock::acquire(folder / "lock"), Error);
  EXPECT_THROW(FileLock::try_acquire(folder / "lock"), Error);
}

}  // namespace
}  // namespace agentctl
