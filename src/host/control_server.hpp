#pragma once

#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/poll_loop.hpp"
#include "host/control_frames.hpp"

namespace agentctl {

/// The session's control socket. It serves several clients, of our own user or root, one frame at a time; a client that
/// is slow, silent or sends garbage hurts nobody else. What a request means is not decided here.
class ControlServer {
 public:
  struct Requests {
    std::function<bool(microseconds)> extend;  ///< false: the manager could not be told
    std::function<void(microseconds)> set_stop_timeout;
    std::function<control::Following()> follow;
    std::function<std::vector<LogOutput>()> unsent;  ///< what a new follower gets first
  };

  ControlServer(PollLoop& loop, Requests requests) : loop_(loop), requests_(std::move(requests)) {}
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  /// Throws Error when the socket cannot be made.
  void listen(const std::string& path);
  /// A follower of our own, who gets all that is published from now on and gives way to nobody. Returns its end.
  Fd add_follower();
  /// Whether that one has much left to read; the others' trouble is their own.
  bool is_own_follower_behind() const noexcept;
  /// Sends a piece of output to all who follow.
  void publish(const LogPosition& position, OutputStream stream, TimePoint time, std::string_view bytes);
  /// Tells all who follow, or will, that this was all.
  void publish_end();
  /// Whether every follower has been sent everything.
  bool is_flushed() const noexcept;
  /// Closes everything without a word.
  void close();

 private:
  struct Client {
    explicit Client(Fd fd) : socket(std::move(fd)) {}
    Fd socket;
    control::FrameReader reader{control::request_limit};
    std::string unsent;
    std::size_t limit = 0;  ///< for unsent
    bool welcome = false;
    bool following = false;
    bool closing = false;  ///< when all is sent
    bool is_ours = false;
  };
  using Clients = std::list<Client>;

  void accept_client();
  void serve(Clients::iterator client, short events);
  void receive(Client& client);
  void answer(Client& client, const control::Frame& request);
  void start_following(Client& client);
  void end_following(Client& client);
  void send(Client& client, const control::Frame& frame);
  void send_output(Client& client, const LogPosition& position, OutputStream stream, TimePoint time,
                   std::string_view bytes);
  void flush(Client& client);
  void abandon(Client& client);
  void settle(Clients::iterator client);
  void drop(Clients::iterator client);
  void drop_oldest(bool (*may_go)(const Client&));

  PollLoop& loop_;
  Requests requests_;
  Fd listener_;
  Clients clients_;
  bool ended_ = false;
};

}  // namespace agentctl
