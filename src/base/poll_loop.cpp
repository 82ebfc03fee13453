#include "base/poll_loop.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hpp"

namespace agentctl {

void PollLoop::watch(int fd, short events, Handler handler) {
  forget(fd);
  sources_.push_back(std::make_shared<Source>(Source{fd, events, std::move(handler)}));
}

void PollLoop::set_events(int fd, short events) {
  for (const auto& source : sources_)
    if (source->fd == fd) source->events = events;
}

void PollLoop::forget(int fd) {
  std::erase_if(sources_, [fd](const auto& source) { return source->fd == fd; });
}

void PollLoop::run_once(std::optional<Monotonic> until) {
  std::vector<pollfd> polled;
  // Holds on to the sources: a handler may forget any of them, and a new one may get the same number.
  std::vector<std::shared_ptr<Source>> waiting;
  for (const auto& source : sources_) {
    if (source->events == 0) continue;
    polled.push_back({.fd = source->fd, .events = source->events, .revents = 0});
    waiting.push_back(source);
  }
  timespec timeout{};
  if (until) {
    const auto left =
        std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(*until - std::chrono::steady_clock::now()));
    timeout.tv_sec = left.count() / 1'000'000'000;
    timeout.tv_nsec = left.count() % 1'000'000'000;
  }
  const int ready = ::ppoll(polled.data(), polled.size(), until ? &timeout : nullptr, nullptr);
  if (ready < 0 && errno != EINTR && errno != EAGAIN) throw system_error("cannot wait for events", {}, errno);
  if (ready <= 0) return;
  for (std::size_t i = 0; i < polled.size(); ++i) {
    const bool wanted = polled[i].revents != 0 && waiting[i]->events != 0;
    if (wanted && std::find(sources_.begin(), sources_.end(), waiting[i]) != sources_.end())
      waiting[i]->handler(polled[i].revents);
  }
}

}  // namespace agentctl
