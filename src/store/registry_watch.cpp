#include "store/registry_watch.hpp"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agentctl {
namespace {

using Clock = std::chrono::steady_clock;

int poll_timeout(std::optional<microseconds> left) {
  if (!left) return -1;
  return static_cast<int>(std::clamp<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(*left).count(), 0,
                                                   std::chrono::milliseconds(std::chrono::hours(24)).count()));
}

}  // namespace

RegistryWatch::RegistryWatch() : inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (inotify_) return;
  if (errno != EMFILE) throw system_error("cannot watch files", {}, errno);
  // Each agentctl that waits has one, and the default is 128 for all processes of a user.
  throw Error({.code = ErrorCode::failed,
               .context = "cannot watch the registry",
               .object = {},
               .reason = "the processes of this user watch as much as they may (fs.inotify.max_user_instances)",
               .hint = "sysctl fs.inotify.max_user_instances"});
}

bool RegistryWatch::add(const std::string& path) {
  if (::inotify_add_watch(inotify_.get(), path.c_str(), IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_ONLYDIR) >= 0)
    return true;
  if (errno == ENOENT) return false;
  throw system_error("cannot watch", path, errno);
}

std::optional<RegistryWatch> RegistryWatch::of_folder(const std::string& path) {
  RegistryWatch watch;
  if (!watch.add(path)) return std::nullopt;
  return watch;
}

RegistryWatch::RegistryWatch(const std::string& root) : RegistryWatch() {
  // Every change ends with a rename into one of these, or with the removal of a file.
  for (const char* folder : {"/live", "/ended", "/flows", "/ended-flows"}) {
    const std::string path = root + folder;
    do make_directories(path);
    while (!add(path));
  }
}

bool RegistryWatch::next_change(std::optional<microseconds> timeout) {
  const auto deadline =
      Clock::now() + std::min<microseconds>(timeout.value_or(std::chrono::hours(24)), std::chrono::hours(24 * 365));
  for (;;) {
    std::array<char, 4096> events;
    bool changed = false;
    while (::read(inotify_.get(), events.data(), events.size()) > 0) changed = true;
    if (changed) return true;
    std::optional<microseconds> left;
    if (timeout) left = std::chrono::duration_cast<microseconds>(deadline - Clock::now());
    if (left && left->count() <= 0) return false;
    pollfd waited{.fd = inotify_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&waited, 1, poll_timeout(left)) < 0 && errno != EINTR) throw system_error("cannot wait", {}, errno);
  }
}

}  // namespace agentctl
