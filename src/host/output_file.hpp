#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/fd.hpp"

namespace agentctl {

/// A file that output is appended to, besides the journal. Before it grows over its limit it becomes FILE.1, in the
/// place of an older one, and FILE begins anew; lines stay whole unless one alone is too long.
///
/// Only a regular file that its path still names is renamed: not a FIFO, not what a symbolic link leads to, and not
/// what somebody else has moved away, which is written to on and on. Several sessions may append to one file: whoever
/// holds its flock renames it, and the others follow to the new one. Nothing here waits or throws once the file is
/// open: what goes wrong is told, each kind once, and output is in the journal anyway.
class OutputFile {
 public:
  using Tell = std::function<void(std::string)>;

  /// Appends from now on; `limit` in bytes, 0: it is never renamed. Throws Error when it cannot be opened.
  OutputFile(std::string path, std::uint64_t limit);

  void append(std::string_view bytes, const Tell& tell);

  /// Whether the other object has the same regular file open.
  bool is_same_file(const OutputFile& other) const;

 private:
  bool is_limited() const;
  void follow_peers();
  void write(std::string_view bytes, const Tell& tell);
  std::size_t length_before_rotation(std::string_view bytes, std::uint64_t size) const;
  bool rotate(const Tell& tell);
  int replace(const struct stat& now);
  void use(Fd fd);

  std::string path_;
  std::uint64_t limit_;
  Fd fd_;
  bool is_regular_ = false;
  bool at_line_start_ = true;
  std::uint64_t next_try_ = 0;  ///< after a failure: not before it has this size
  bool has_told_write_ = false;
  bool has_told_rotation_ = false;
};

}  // namespace agentctl
