#include "host/control_client.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "base/text.hpp"
#include "base/unix_socket.hpp"
#include "domain/launch.hpp"

namespace agentctl {
namespace {

using std::chrono::steady_clock;

constexpr const char* no_sense = "the session host's answer makes no sense";

// The folder is named after the session's id.
std::string remedy_for(const std::string& runtime_dir) {
  return "agentctl status " + runtime_dir.substr(runtime_dir.find_last_of('/') + 1);
}

// A caller may say `forever`.
steady_clock::time_point after(microseconds timeout) {
  return steady_clock::now() + std::min<microseconds>(timeout, std::chrono::years(100));
}

}  // namespace

std::optional<ControlClient> ControlClient::connect(const std::string& runtime_dir, microseconds timeout) {
  const std::string path = runtime_dir + "/" + control_socket;
  const UnixAddress address(path);
  Fd fd = make_unix_socket(SOCK_STREAM);
  // connect(2) waits while the host has too many connections to accept.
  const timeval limit{.tv_sec = timeout.count() / 1'000'000, .tv_usec = timeout.count() % 1'000'000};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(fd.get(), address.get(), address.size) < 0) {
    if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) return std::nullopt;
    throw system_error("cannot reach the session host at", path, errno).with_hint(remedy_for(runtime_dir));
  }
  ControlClient client(std::move(fd), runtime_dir, timeout);
  const control::Frame answer = client.ask(control::Hello{});
  if (!std::holds_alternative<control::Welcome>(answer)) client.fail(ErrorCode::failed, no_sense);
  return client;
}

void ControlClient::extend(microseconds span) { command(control::Extend{span}); }

void ControlClient::set_stop_timeout(microseconds span) { command(control::SetStopTimeout{span}); }

control::Following ControlClient::follow() {
  const control::Frame answer = ask(control::Follow{});
  if (const auto* following = std::get_if<control::Following>(&answer)) return *following;
  fail(ErrorCode::failed, no_sense);
}

std::optional<ControlClient::Event> ControlClient::next(microseconds timeout) {
  const auto until = after(timeout);
  for (;;) {
    auto frame = closed_ ? std::nullopt : receive(until);
    if (closed_) return Stop::overrun;
    if (!frame) return std::nullopt;
    if (auto* output = std::get_if<control::Output>(&*frame)) return std::move(output->output);
    if (std::holds_alternative<control::End>(*frame)) return Stop::end;
    if (std::holds_alternative<control::Overrun>(*frame)) return Stop::overrun;
    // A newer host may say things that we need not know.
  }
}

void ControlClient::command(const control::Frame& request) {
  if (!std::holds_alternative<control::Done>(ask(request))) fail(ErrorCode::failed, no_sense);
}

control::Frame ControlClient::ask(const control::Frame& request) {
  send(request);
  auto answer = receive(after(timeout_));
  if (closed_) fail(ErrorCode::unreachable, "the session host closed the connection");
  if (!answer) fail(ErrorCode::timed_out, "the session host does not answer");
  // The host may run as somebody else, and its words are shown in a terminal.
  if (const auto* failure = std::get_if<control::Failure>(&*answer))
    fail(ErrorCode::failed, shorten(to_printable(failure->text), 200));
  return std::move(*answer);
}

void ControlClient::send(const control::Frame& frame) {
  std::string bytes;
  control::append_frame(bytes, frame);
  const auto until = after(timeout_);
  for (std::string_view left = bytes; !left.empty();) {
    const ssize_t n = ::send(fd_.get(), left.data(), left.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      left.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      if (!wait(POLLOUT, until)) fail(ErrorCode::timed_out, "the session host does not answer");
    } else if (errno != EINTR) {
      fail(ErrorCode::unreachable, std::generic_category().message(errno));
    }
  }
}

bool ControlClient::wait(short events, steady_clock::time_point until) {
  for (;;) {
    const auto left =
        std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now()).count());
    pollfd polled{.fd = fd_.get(), .events = events, .revents = 0};
    const int ready = ::poll(&polled, 1, static_cast<int>(std::min<std::int64_t>(left, 1'000'000'000)));
    if (ready > 0) return true;
    if (ready == 0 ? left == 0 : errno != EINTR) return false;
  }
}

// Nothing when the time is over, or closed_.
std::optional<control::Frame> ControlClient::receive(steady_clock::time_point until) {
  for (;;) {
    if (auto frame = reader_.next()) return frame;
    if (reader_.is_broken()) fail(ErrorCode::failed, no_sense);
    std::array<char, 16384> chunk;
    const ssize_t n = ::recv(fd_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (n > 0) {
      reader_.feed({chunk.data(), static_cast<std::size_t>(n)});
    } else if (n < 0 && errno == EAGAIN) {
      if (!wait(POLLIN, until)) return std::nullopt;
    } else if (n == 0 || errno != EINTR) {
      closed_ = true;
      return std::nullopt;
    }
  }
}

void ControlClient::fail(ErrorCode code, std::string reason) const {
  throw Error({.code = code,
               .context = "cannot talk to the session host at",
               .object = runtime_dir_ + "/" + control_socket,
               .reason = std::move(reason),
               .hint = remedy_for(runtime_dir_)});
}

}  // namespace agentctl
