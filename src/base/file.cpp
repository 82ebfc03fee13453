#include "base/file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

#include "base/error.hpp"
#include "base/random.hpp"

namespace agentctl {
namespace {

constexpr std::string_view temporary_suffix = ".tmp";

int retry_open(int folder, const char* path, int flags, mode_t mode = 0) {
  int fd = -1;
  do fd = ::openat(folder, path, flags | O_CLOEXEC, mode);
  while (fd < 0 && errno == EINTR);
  return fd;
}

Error cannot_read(const std::string& path, const char* reason, const std::string& hint = {}) {
  return Error({.code = ErrorCode::failed, .context = "cannot read", .object = path, .reason = reason, .hint = hint});
}

// Of our own files, called when nothing could be read, or too much, so that what is no file is not taken for one.
void check_regular(int fd, const std::string& path, int read_error) {
  struct stat status {};
  if (::fstat(fd, &status) == 0 && !S_ISREG(status.st_mode)) throw cannot_read(path, "not a regular file");
  errno = read_error;
}

void write_all(int fd, std::string_view data, const std::string& path) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw system_error("cannot write", path, errno);
    data.remove_prefix(static_cast<std::size_t>(n));
  }
}

// Nothing when there is none. O_NONBLOCK: opening a FIFO that somebody put there must not hang.
std::optional<Fd> open_to_read(int folder, const std::string& path, int flags) {
  Fd fd(retry_open(folder, path.c_str(), O_RDONLY | O_NONBLOCK | flags));
  if (fd) return fd;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw system_error("cannot read", path, errno);
}

std::string read_open_file(const Fd& fd, const std::string& path, std::size_t limit) {
  // Most files are smaller than this, and then one read is all.
  std::string content(4096, '\0');
  std::size_t used = 0;
  for (;;) {
    const ssize_t n = ::read(fd.get(), content.data() + used, content.size() - used);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 && used == 0) check_regular(fd.get(), path, n < 0 ? errno : 0);
    if (n < 0) throw system_error("cannot read", path, errno);
    used += static_cast<std::size_t>(n);
    if (used > limit) {
      check_regular(fd.get(), path, 0);  // /dev/zero has no end
      throw cannot_read(path, "the file is too large");
    }
    if (used < content.size()) break;
    content.resize(content.size() * 2);
  }
  content.resize(used);
  return content;
}

}  // namespace

std::optional<std::string> read_file(const std::string& path, std::size_t limit) {
  return read_file_at(AT_FDCWD, path, limit);
}

std::optional<std::string> read_file_at(int folder, const std::string& path, std::size_t limit) {
  const auto fd = open_to_read(folder, path, O_NOFOLLOW);
  return fd ? std::optional(read_open_file(*fd, path, limit)) : std::nullopt;
}

std::optional<std::string> read_named_file(const std::string& path, std::size_t limit, const std::string& instead) {
  const auto fd = open_to_read(AT_FDCWD, path, O_NOCTTY);
  if (!fd) return std::nullopt;
  struct stat status {};
  if (::fstat(fd->get(), &status) < 0) throw system_error("cannot read", path, errno);
  if (!S_ISREG(status.st_mode)) throw cannot_read(path, "not a regular file", instead);
  return read_open_file(*fd, path, limit);
}

std::optional<FileOfSomebody> read_file_of_somebody(const std::string& path, std::size_t limit) {
  const auto fd = open_to_read(AT_FDCWD, path, O_NOFOLLOW);
  if (!fd) return std::nullopt;
  struct stat status {};
  if (::fstat(fd->get(), &status) < 0) throw system_error("cannot read", path, errno);
  const auto modified = std::chrono::seconds(status.st_mtim.tv_sec) + std::chrono::nanoseconds(status.st_mtim.tv_nsec);
  return FileOfSomebody{.content = read_open_file(*fd, path, limit),
                        .owner = status.st_uid,
                        .modified_at = TimePoint(std::chrono::floor<microseconds>(modified))};
}

Fd open_directory(const std::string& path) { return Fd(retry_open(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY)); }

bool is_temporary_file(std::string_view name) { return name.ends_with(temporary_suffix); }

namespace {

void replace_file(const std::string& path, std::string_view content, mode_t mode, bool durably) {
  const std::string temporary = path + "." + random_id(6) + std::string(temporary_suffix);
  Fd fd(retry_open(AT_FDCWD, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
  if (!fd) throw system_error("cannot write", path, errno);
  try {
    write_all(fd.get(), content, path);
    if (durably && ::fsync(fd.get()) < 0) throw system_error("cannot write", path, errno);
    if (::rename(temporary.c_str(), path.c_str()) < 0) throw system_error("cannot write", path, errno);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

}  // namespace

void write_file(const std::string& path, std::string_view content, mode_t mode) {
  replace_file(path, content, mode, false);
}

void sync_directory(const std::string& path) {
  if (::fsync(open_directory(path).get()) < 0) throw system_error("cannot write", path, errno);
}

void write_file_durably(const std::string& path, std::string_view content) {
  replace_file(path, content, 0600, true);
  sync_directory(path.substr(0, path.find_last_of('/')));
}

bool is_older_than_a_minute(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) < 0) return false;
  return now() - TimePoint(std::chrono::seconds(status.st_mtim.tv_sec)) > std::chrono::minutes(1);
}

void remove_old_temporary_files(const std::string& folder) {
  for (const std::string& name : list_directory(folder)) {
    const std::string path = folder + "/" + name;
    if (is_temporary_file(name) && is_older_than_a_minute(path)) remove_file(path);
  }
}

bool is_same_file(const std::string& a, const std::string& b) {
  struct stat one {};
  struct stat other {};
  return ::stat(a.c_str(), &one) == 0 && ::stat(b.c_str(), &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
}

void make_directories(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return;
  const auto slash = path.find_last_of('/');
  if (errno != ENOENT || slash == std::string::npos || slash == 0)
    throw system_error("cannot make the folder", path, errno);
  make_directories(path.substr(0, slash), mode);
  if (::mkdir(path.c_str(), mode) < 0 && errno != EEXIST) throw system_error("cannot make the folder", path, errno);
}

std::vector<std::string> list_directory(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
  if (!dir) {
    if (errno == ENOENT || errno == ENOTDIR) return {};
    throw system_error("cannot list the folder", path, errno);
  }
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

bool remove_file(const std::string& path) {
  if (::unlink(path.c_str()) == 0) return true;
  if (errno != ENOENT && errno != ENOTDIR) throw system_error("cannot remove", path, errno);
  return false;
}

void remove_directory(const std::string& path) {
  // What cannot be unlinked is told by rmdir; all else is gone then.
  for (const std::string& name : list_directory(path)) ::unlink((path + "/" + name).c_str());
  if (::rmdir(path.c_str()) < 0 && errno != ENOENT) throw system_error("cannot remove the folder", path, errno);
}

FileLock FileLock::acquire(const std::string& path) {
  Fd fd(retry_open(AT_FDCWD, path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  if (!fd) throw system_error("cannot lock", path, errno);
  while (::flock(fd.get(), LOCK_EX) < 0)
    if (errno != EINTR) throw system_error("cannot lock", path, errno);
  return FileLock(std::move(fd));
}

std::optional<FileLock> FileLock::try_acquire(const std::string& path) {
  Fd fd(retry_open(AT_FDCWD, path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  if (!fd) throw system_error("cannot lock", path, errno);
  // Who only asks is in the way for a moment; who stays there is a holder.
  for (int tries = 0; tries < 100; ++tries) {
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return FileLock(std::move(fd));
    if (errno != EWOULDBLOCK) throw system_error("cannot lock", path, errno);
    if (is_held(path)) return std::nullopt;
    ::poll(nullptr, 0, 1);
  }
  return std::nullopt;
}

bool FileLock::is_held(const std::string& path) {
  const Fd fd(retry_open(AT_FDCWD, path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  // In a folder of somebody else's, a link or a socket may have taken its place.
  if (!fd && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO)) return false;
  // A shared one, or two who ask at once would each take the other for the holder.
  if (fd && ::flock(fd.get(), LOCK_SH | LOCK_NB) == 0) return false;
  if (fd && errno == EWOULDBLOCK) return true;
  throw system_error("cannot lock", path, errno);
}

}  // namespace agentctl
