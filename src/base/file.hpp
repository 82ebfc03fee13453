#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/time.hpp"

namespace agentctl {

/// The whole regular file, or nothing when there is none: for agentctl's own files. Symbolic links, other kinds of file
/// and files over `limit` bytes are errors: what is in its folders may have been put there by somebody else.
std::optional<std::string> read_file(const std::string& path, std::size_t limit);

/// The same for a file in an open folder: for who reads thousands of them.
std::optional<std::string> read_file_at(int folder, const std::string& path, std::size_t limit);

/// The same for a file that a person named, who may well mean what a symbolic link leads to. `instead` is the hint for
/// who named what is no file: a folder, a device, a FIFO as of `<(COMMAND)`.
std::optional<std::string> read_named_file(const std::string& path, std::size_t limit, const std::string& instead = {});

/// A file's content, and what that same open file says of itself: by its name it may be another one by now.
struct FileOfSomebody {
  std::string content;
  uid_t owner = 0;
  TimePoint modified_at{};
};
std::optional<FileOfSomebody> read_file_of_somebody(const std::string& path, std::size_t limit);

/// Opens a folder for read_file_at(); nothing when there is none.
Fd open_directory(const std::string& path);

/// Replaces the file: writes `path`.<random>.tmp beside it, then renames, so that a reader sees the old or the new
/// content and never a part. It survives a crash of agentctl, not always a power cut.
void write_file(const std::string& path, std::string_view content, mode_t mode = 0600);

/// The same, and returns only when a power cut would not undo it (fsync(2) of the file and of its folder).
void write_file_durably(const std::string& path, std::string_view content);

/// Returns when a power cut would not undo what was made, renamed or removed in the folder (fsync(2)).
void sync_directory(const std::string& path);

/// Whether it is named like one that write_file() has not renamed yet.
bool is_temporary_file(std::string_view name);

/// Whether it is there and nobody has changed it for a minute: too long for somebody who is just about to rename it.
bool is_older_than_a_minute(const std::string& path);

/// Removes from a folder what write_file() has not renamed for that long: who wrote it was killed.
void remove_old_temporary_files(const std::string& folder);

/// Whether both lead to the same file or folder, which is there.
bool is_same_file(const std::string& a, const std::string& b);

/// Makes the folder and its missing parents.
void make_directories(const std::string& path, mode_t mode = 0700);

/// Names in a folder, without "." and "..", unsorted; empty when the folder is missing.
std::vector<std::string> list_directory(const std::string& path);

/// Unlinks a file; a missing one is no error. Returns whether it was there.
bool remove_file(const std::string& path);

/// Removes the files in a folder and then the folder, which must hold no other; what is missing is no error.
void remove_directory(const std::string& path);

/// Holds an exclusive flock(2) on a file, made when missing, until destroyed. A holder that dies lets go of it.
class FileLock {
 public:
  /// Waits for the lock.
  static FileLock acquire(const std::string& path);
  /// Nothing when somebody else holds it.
  static std::optional<FileLock> try_acquire(const std::string& path);
  /// Whether somebody holds it; others who ask at the same moment do not.
  static bool is_held(const std::string& path);

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace agentctl
