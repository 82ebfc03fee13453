#include "host/control_server.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <type_traits>

#include "base/error.hpp"
#include "base/unix_socket.hpp"

namespace agentctl {
namespace {

constexpr std::size_t most_idle = 32;
constexpr std::size_t most_followers = 128;
// How much may wait for a client to read it: of answers, and, beyond what it got at first, of output.
constexpr std::size_t answer_limit = 64u << 10;
constexpr std::size_t follower_limit = 1u << 20;
constexpr std::size_t own_follower_room = 256u << 10;

}  // namespace

ControlServer::~ControlServer() { close(); }

void ControlServer::listen(const std::string& path) {
  const UnixAddress address(path);
  Fd fd = make_unix_socket(SOCK_STREAM | SOCK_NONBLOCK);
  // bind(2) gives the file the mode of the socket, so that there is no moment at which others could connect.
  ::fchmod(fd.get(), 0600);
  int failed = ::bind(fd.get(), address.get(), address.size);
  if (failed < 0 && errno == EADDRINUSE && ::unlink(path.c_str()) == 0)  // left by the attempt before
    failed = ::bind(fd.get(), address.get(), address.size);
  if (failed < 0 || ::listen(fd.get(), SOMAXCONN) < 0) throw system_error("cannot listen on", path, errno);
  listener_ = std::move(fd);
  loop_.watch(listener_.get(), POLLIN, [this](short) { accept_client(); });
}

void ControlServer::accept_client() {
  Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) {
    // Out of descriptors, which only clients use up: without the oldest, the next try succeeds and we do not spin.
    if (errno == EMFILE || errno == ENFILE) drop_oldest([](const Client& client) { return !client.is_ours; });
    return;
  }
  if (!is_own_peer(fd.get())) return;
  // The oldest gives way, so that idle connections cannot lock everybody else out. A follower does not: it would come
  // back at once, and drive out the next.
  const auto is_idle = [](const Client& client) { return !client.following && !client.is_ours; };
  if (static_cast<std::size_t>(std::count_if(clients_.begin(), clients_.end(), is_idle)) >= most_idle)
    drop_oldest(is_idle);
  const auto client = clients_.emplace(clients_.end(), std::move(fd));
  client->limit = answer_limit;
  loop_.watch(client->socket.get(), POLLIN, [this, client](short events) { serve(client, events); });
}

void ControlServer::drop_oldest(bool (*may_go)(const Client&)) {
  const auto oldest = std::find_if(clients_.begin(), clients_.end(), may_go);
  if (oldest != clients_.end()) drop(oldest);
}

Fd ControlServer::add_follower() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0)
    throw system_error("cannot make a socket", {}, errno);
  Fd theirs(ends[1]);
  const auto client = clients_.emplace(clients_.end(), Fd(ends[0]));
  client->is_ours = true;
  loop_.watch(client->socket.get(), POLLIN, [this, client](short events) { serve(client, events); });
  start_following(*client);
  return theirs;
}

bool ControlServer::is_own_follower_behind() const noexcept {
  return std::any_of(clients_.begin(), clients_.end(),
                     [](const Client& client) { return client.is_ours && client.unsent.size() > own_follower_room; });
}

void ControlServer::serve(Clients::iterator client, short events) {
  if ((events & POLLOUT) != 0) flush(*client);
  if (!client->closing && (events & (POLLIN | POLLHUP | POLLERR)) != 0) receive(*client);
  settle(client);
}

void ControlServer::receive(Client& client) {
  std::array<char, control::request_limit> chunk;
  const ssize_t n = ::recv(client.socket.get(), chunk.data(), chunk.size(), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    abandon(client);
    return;
  }
  client.reader.feed({chunk.data(), static_cast<std::size_t>(n)});
  while (!client.closing) {
    const auto request = client.reader.next();
    if (!request) break;
    answer(client, *request);
  }
  if (client.reader.is_broken()) client.closing = true;
}

void ControlServer::answer(Client& client, const control::Frame& request) {
  const auto refuse = [&](std::string text) { send(client, control::Failure{std::move(text)}); };
  if (const auto* hello = std::get_if<control::Hello>(&request)) {
    client.welcome = hello->version > 0;
    if (client.welcome)
      send(client, control::Welcome{std::min(hello->version, control::version)});
    else
      refuse("there is no version 0");
  } else if (!client.welcome) {
    refuse("the first request must be a hello");
    client.closing = true;
  } else if (const auto* extend = std::get_if<control::Extend>(&request)) {
    if (requests_.extend(extend->span))
      send(client, control::Done{});
    else
      refuse("the service manager could not be told");
  } else if (const auto* timeout = std::get_if<control::SetStopTimeout>(&request)) {
    requests_.set_stop_timeout(timeout->span);
    send(client, control::Done{});
  } else if (std::holds_alternative<control::Follow>(request)) {
    const auto followers =
        std::count_if(clients_.begin(), clients_.end(), [](const Client& other) { return other.following; });
    if (client.following)
      refuse("already following");
    else if (static_cast<std::size_t>(followers) >= most_followers)
      refuse(std::to_string(most_followers) + " others follow it already");
    else
      start_following(client);
  } else {
    refuse("unknown request");
  }
}

void ControlServer::start_following(Client& client) {
  client.following = true;
  send(client, requests_.follow());
  client.limit = SIZE_MAX;
  for (const LogOutput& piece : requests_.unsent())
    send_output(client, piece.position, piece.stream, piece.time, piece.bytes);
  client.limit = client.unsent.size() + follower_limit;
  if (ended_) end_following(client);
}

void ControlServer::end_following(Client& client) {
  client.limit = SIZE_MAX;
  send(client, control::End{});
  client.closing = true;
}

void ControlServer::send(Client& client, const control::Frame& frame) {
  control::append_frame(client.unsent, frame);
  flush(client);
  if (client.unsent.size() > client.limit) abandon(client);
}

void ControlServer::send_output(Client& client, const LogPosition& position, OutputStream stream, TimePoint time,
                                std::string_view bytes) {
  LogPosition at = position;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, control::output_limit);
    control::append_output(client.unsent, at, stream, time, piece);
    at.advance(stream, piece);
    bytes.remove_prefix(piece.size());
  }
  flush(client);
  if (client.unsent.size() <= client.limit || client.closing) return;
  control::append_frame(client.unsent, control::Overrun{});
  client.following = false;
  client.closing = true;
}

void ControlServer::publish(const LogPosition& position, OutputStream stream, TimePoint time, std::string_view bytes) {
  for (auto next = clients_.begin(); next != clients_.end();) {
    const auto client = next++;
    if (!client->following || client->closing) continue;
    send_output(*client, position, stream, time, bytes);
    settle(client);
  }
}

void ControlServer::publish_end() {
  ended_ = true;
  for (auto next = clients_.begin(); next != clients_.end();) {
    const auto client = next++;
    if (!client->following || client->closing) continue;
    end_following(*client);
    settle(client);
  }
}

bool ControlServer::is_flushed() const noexcept {
  return std::all_of(clients_.begin(), clients_.end(), [](const Client& client) { return client.unsent.empty(); });
}

void ControlServer::flush(Client& client) {
  std::size_t sent = 0;
  while (sent < client.unsent.size()) {
    const ssize_t n = ::send(client.socket.get(), client.unsent.data() + sent, client.unsent.size() - sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) {
      abandon(client);
      return;
    }
    sent += static_cast<std::size_t>(n);
  }
  if (sent == client.unsent.size())
    std::string().swap(client.unsent);
  else
    client.unsent.erase(0, sent);
}

void ControlServer::abandon(Client& client) {
  client.closing = true;
  std::string().swap(client.unsent);
}

// What every change of a client ends with: close it, or wait for what it needs next.
void ControlServer::settle(Clients::iterator client) {
  if (client->closing && client->unsent.empty()) {
    drop(client);
    return;
  }
  const int wanted = (client->closing ? 0 : POLLIN) | (client->unsent.empty() ? 0 : POLLOUT);
  loop_.set_events(client->socket.get(), static_cast<short>(wanted));
}

void ControlServer::drop(Clients::iterator client) {
  loop_.forget(client->socket.get());
  clients_.erase(client);
}

void ControlServer::close() {
  while (!clients_.empty()) drop(clients_.begin());
  if (listener_) loop_.forget(listener_.get());
  listener_.reset();
}

}  // namespace agentctl
