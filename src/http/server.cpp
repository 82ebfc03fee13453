#include "http/server.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <memory>

#include "base/error.hpp"
#include "base/unix_socket.hpp"
#include "http/connection.hpp"
#include "http/event_hub.hpp"
#include "http/listener.hpp"

namespace agentctl {
namespace {

constexpr auto pause_without_descriptors = std::chrono::milliseconds(100);
constexpr int accepted_at_once = 64;

// 2,000 connections are over the usual soft limit, 1,024, together with what else is open.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 4096);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

class Listener {
 public:
  Listener(Loop& loop, Fd socket, std::function<void()> on_arrival)
      : loop_(loop),
        listening_(listening_of(socket.get())),
        socket_(loop.io, socket.release()),
        pause_(loop.io),
        on_arrival_(std::move(on_arrival)) {
    ::fcntl(socket_.native_handle(), F_SETFL, O_NONBLOCK);
    if (!listening_.unix_socket && loop.token.empty()) throw std::logic_error("a TCP socket needs a token");
    wait();
  }

 private:
  void wait() {
    socket_.async_wait(Descriptor::wait_read, [this](Failure failure) {
      if (failure) return;
      on_arrival_();
      for (int count = 0; count < accepted_at_once && accept_one(); ++count) {
      }
      if (pausing_) {
        pause_.expires_after(pause_without_descriptors);
        pause_.async_wait([this](Failure) { wait(); });
      } else {
        wait();
      }
    });
  }

  // False when there is none left, or no descriptor for one. accept4(2), because what asio accepts is not
  // close-on-exec.
  bool accept_one() {
    Fd fd(::accept4(socket_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    const int error = fd ? 0 : errno;
    const bool is_full = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
    pausing_ = false;
    if (!fd && !is_full) return error == ECONNABORTED || error == EINTR;
    const bool has_room = !is_full && loop_.connections < most_connections;
    // Those who hold connections and ask for nothing lock nobody out.
    const bool is_made = !has_room && close_longest_waiting();
    pausing_ = is_full && !is_made;
    if (!fd) return is_made;
    if (!has_room && !is_made) {
      const std::string answer = too_many_connections();
      ::send(fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      return true;
    }
    const bool may_come_in = !listening_.unix_socket || is_own_peer(fd.get());
    const int on = 1;
    int family = AF_UNIX;
    if (!listening_.unix_socket) {
      ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      family = listening_.address.find(':') == std::string::npos ? AF_INET : AF_INET6;
    }
    const asio::generic::stream_protocol protocol(family, 0);
    serve_connection(loop_, Socket(loop_.io, protocol, fd.release()), listening_, may_come_in);
    return true;
  }

  bool close_longest_waiting() {
    if (loop_.waiting.empty()) return false;
    const auto close = loop_.waiting.front();
    close();
    return true;
  }

  Loop& loop_;
  Listening listening_;
  Descriptor socket_;
  asio::steady_timer pause_;
  std::function<void()> on_arrival_;
  bool pausing_ = false;
};

/// Ends the loop when there has been nothing to do for so long.
class IdleWatch {
 public:
  IdleWatch(Loop& loop, std::optional<microseconds> limit) : loop_(loop), limit_(limit), timer_(loop.io) {}

  void look() {
    if (!limit_) return;
    timer_.cancel();
    if (loop_.connections > 0 || loop_.children > 0) return;
    timer_.expires_after(*limit_);
    timer_.async_wait([this](Failure failure) {
      if (!failure && loop_.connections == 0 && loop_.children == 0) loop_.io.stop();
    });
  }

 private:
  Loop& loop_;
  std::optional<microseconds> limit_;
  asio::steady_timer timer_;
};

}  // namespace

void serve(ServeOptions options) {
  raise_descriptor_limit();
  ::signal(SIGPIPE, SIG_IGN);
  Loop loop;
  loop.backend = std::move(options.backend);
  loop.token = std::move(options.token);
  EventHub events(loop);
  loop.events = &events;
  IdleWatch idle(loop, options.idle);
  loop.when_less = [&] { idle.look(); };
  std::vector<std::unique_ptr<Listener>> listeners;
  for (Fd& socket : options.sockets)
    listeners.push_back(std::make_unique<Listener>(loop, std::move(socket), [&] { idle.look(); }));
  asio::signal_set signals(loop.io, SIGTERM, SIGINT);
  signals.async_wait([&](Failure, int) { loop.io.stop(); });
  idle.look();
  for (;;) {
    try {
      loop.io.run();
      break;
    } catch (const std::exception&) {
      // One request's trouble (no memory left): its connection goes, the others stay.
    }
  }
  // What is left of the connections goes with the loop, and asks for nothing any more.
  loop.when_less = [] {};
}

}  // namespace agentctl
