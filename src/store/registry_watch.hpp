#pragma once

#include <optional>
#include <string>

#include "base/fd.hpp"
#include "base/time.hpp"

namespace agentctl {

/// Tells, without polling, when records or flows of a registry may have changed (inotify(7)). It exists before the
/// caller looks, so no change between the look and the wait is missed.
class RegistryWatch {
 public:
  /// `root` is made when it is missing: what is not there cannot be watched.
  explicit RegistryWatch(const std::string& root);

  /// The same of one folder, a session's runtime folder. Nothing when it is not there (any more).
  static std::optional<RegistryWatch> of_folder(const std::string& path);

  /// True when something may have changed, false at the deadline.
  bool next_change(std::optional<microseconds> timeout);

  /// For callers that wait for more: readable when next_change() has something.
  int fd() const { return inotify_.get(); }

 private:
  RegistryWatch();
  bool add(const std::string& path);

  Fd inotify_;
};

}  // namespace agentctl
