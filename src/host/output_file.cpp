#include "host/output_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <system_error>

#include "base/error.hpp"
#include "base/random.hpp"

namespace agentctl {
namespace {

// O_NONBLOCK: a FIFO that nobody reads must not hang the session, now or later.
constexpr int append_flags = O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
constexpr mode_t permissions = 07777;

bool is_same(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

std::optional<struct stat> status_of(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) < 0) return std::nullopt;
  return status;
}

// What the path itself names, be it a symbolic link.
std::optional<struct stat> status_of(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) < 0) return std::nullopt;
  return status;
}

std::uint64_t size_of(const struct stat& status) { return static_cast<std::uint64_t>(status.st_size); }

// A new file of the same owner and permissions as the old; a descriptor of none with errno set when that cannot be.
Fd create_like(const std::string& path, const struct stat& old) {
  Fd fd(::open(path.c_str(), append_flags | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  if (!fd) return fd;
  const auto created = status_of(fd.get());
  const bool is_like = created && created->st_uid == old.st_uid && created->st_gid == old.st_gid;
  if ((is_like || ::fchown(fd.get(), old.st_uid, old.st_gid) == 0) &&
      ::fchmod(fd.get(), old.st_mode & permissions) == 0)
    return fd;
  const int failed = errno;
  ::unlink(path.c_str());
  errno = failed;
  return {};
}

// Keeps what somebody put there in between.
int rename_into_gap(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  // Not every file system knows how.
  if (errno != EINVAL && errno != ENOSYS) return errno;
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

}  // namespace

OutputFile::OutputFile(std::string path, std::uint64_t limit) : path_(std::move(path)), limit_(limit) {
  Fd fd(::open(path_.c_str(), append_flags | O_CREAT, 0666));
  if (!fd) throw system_error("cannot open the output file", path_, errno);
  use(std::move(fd));
}

void OutputFile::use(Fd fd) {
  const auto status = status_of(fd.get());
  is_regular_ = status && S_ISREG(status->st_mode);
  fd_ = std::move(fd);
}

bool OutputFile::is_same_file(const OutputFile& other) const {
  const auto own = status_of(fd_.get());
  const auto others = status_of(other.fd_.get());
  return is_regular_ && own && others && is_same(*own, *others);
}

bool OutputFile::is_limited() const { return is_regular_ && limit_ > 0; }

// Another session that appends to this file has renamed it, or has renamed it twice so that it has no name any more.
void OutputFile::follow_peers() {
  const auto own = status_of(fd_.get());
  const auto named = status_of(path_);
  if (!own || (named && is_same(*own, *named))) return;
  const auto older = status_of(path_ + ".1");
  if (own->st_nlink > 0 && !(older && is_same(*own, *older))) return;
  // Of what is there now no link is followed, and nothing of another owner.
  Fd fd = named ? Fd(::open(path_.c_str(), append_flags | O_NOFOLLOW)) : create_like(path_, *own);
  if (!fd) return;
  const auto opened = status_of(fd.get());
  const bool is_trusted = opened && S_ISREG(opened->st_mode) && opened->st_uid == own->st_uid && opened->st_nlink == 1;
  if (!is_trusted) return;
  use(std::move(fd));
  next_try_ = 0;
}

void OutputFile::append(std::string_view bytes, const Tell& tell) {
  if (!is_limited()) return write(bytes, tell);
  follow_peers();
  while (!bytes.empty()) {
    const auto status = status_of(fd_.get());
    const std::uint64_t size = status ? size_of(*status) : 0;
    if (size == 0) at_line_start_ = true;
    const bool fits = size + bytes.size() <= limit_;
    const std::size_t length = fits || size < next_try_ ? bytes.size() : length_before_rotation(bytes, size);
    write(bytes.substr(0, length), tell);
    bytes.remove_prefix(length);
    // Without a new file, the old one takes the rest.
    if (!bytes.empty() && !rotate(tell)) return write(bytes, tell);
  }
}

// How much of it the file still takes: the lines that fit, or at least the rest of the one that has been begun.
std::size_t OutputFile::length_before_rotation(std::string_view bytes, std::uint64_t size) const {
  const std::uint64_t room = size < limit_ ? limit_ - size : 0;
  if (room > 0)
    if (const auto end = bytes.rfind('\n', room - 1); end != std::string_view::npos) return end + 1;
  if (at_line_start_ && size > 0) return 0;
  const auto end = bytes.find('\n');
  if (end != std::string_view::npos) return end + 1;
  // A line without an end: cut at the limit, which an empty file is always short of.
  return std::min<std::uint64_t>(room, bytes.size());
}

void OutputFile::write(std::string_view bytes, const Tell& tell) {
  if (bytes.empty()) return;
  at_line_start_ = bytes.back() == '\n';
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    // A full disk may have room again later, so every piece is tried; it is said once.
    const int failed = n < 0 ? errno : ENOSPC;
    if (!has_told_write_)
      tell("agentctl: output is missing in '" + path_ + "': " + std::generic_category().message(failed));
    has_told_write_ = true;
    return;
  }
}

// False when the old file stays in use.
bool OutputFile::rotate(const Tell& tell) {
  const auto own = status_of(fd_.get());
  const auto named = status_of(path_);
  if (!own || !named || !is_same(*own, *named)) return false;
  // Busy: another session is just at it. It is no reason to wait, and the next piece of output looks again.
  if (::flock(fd_.get(), LOCK_EX | LOCK_NB) < 0) return false;
  const int failed = replace(*own);
  // The lock belongs to the old file, which may stay open elsewhere: in the command's leftovers' carrier.
  if (failed != 0) ::flock(fd_.get(), LOCK_UN);
  if (failed == 0) return true;
  next_try_ = size_of(*own) + limit_;
  if (!has_told_rotation_)
    tell("agentctl: '" + path_ +
         "' grows over its limit, it cannot be renamed: " + std::generic_category().message(failed));
  has_told_rotation_ = true;
  return false;
}

// The new file comes first: when it cannot be made, nothing has changed. Returns an errno.
int OutputFile::replace(const struct stat& now) {
  // Who had the lock before may have renamed it meanwhile.
  const auto named = status_of(path_);
  if (!named || !is_same(*named, now)) {
    follow_peers();
    const auto own = status_of(fd_.get());
    return own && !is_same(*own, now) ? 0 : EBUSY;
  }
  const std::string fresh = path_ + "." + random_id(6) + ".tmp";
  Fd fd = create_like(fresh, now);
  if (!fd) return errno;
  if (::rename(path_.c_str(), (path_ + ".1").c_str()) < 0) {
    const int failed = errno;
    ::unlink(fresh.c_str());
    return failed;
  }
  if (rename_into_gap(fresh, path_) == 0) {
    use(std::move(fd));
    next_try_ = 0;
    return 0;
  }
  ::unlink(fresh.c_str());
  // A session that starts just now has made it. If it is not to be trusted, FILE.1 goes on.
  follow_peers();
  const auto own = status_of(fd_.get());
  return own && !is_same(*own, now) ? 0 : EEXIST;
}

}  // namespace agentctl
