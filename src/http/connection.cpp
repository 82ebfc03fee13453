#include "http/connection.hpp"

#include <sys/socket.h>

#include <array>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "base/unix_socket.hpp"
#include "http/child_run.hpp"
#include "http/event_hub.hpp"

namespace agentctl {
namespace {

namespace http = boost::beast::http;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint32_t longest_header = 8u << 10;
constexpr std::uint64_t longest_body = 64u << 10;
constexpr std::size_t longest_queue = 1u << 20;  // of events that a client has not taken yet
constexpr auto request_time = seconds(10);
constexpr auto idle_time = seconds(30);
constexpr auto write_time = seconds(30);
constexpr auto linger_time = seconds(2);
constexpr auto heartbeat_time = seconds(15);
constexpr auto early_time = milliseconds(100);

Response busy(const char* what) {
  Response response = to_response(Problem{.status = 503, .code = "busy", .error = what});
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

std::string text_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

// Connection keeps itself alive by the handlers it waits with; all of them are called, with an error, once it has
// closed its socket, its timers and its child.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Loop& loop, Socket socket, Listening listening)
      : loop_(loop),
        socket_(std::move(socket)),
        listening_(std::move(listening)),
        deadline_(loop.io),
        pulse_(loop.io),
        buffer_(longest_header + longest_body) {
    ++loop_.connections;
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    stop_waiting();
    --loop_.connections;
    loop_.when_less();
  }

  void await_request();
  void respond(const Response& response, bool keep_alive);

 private:
  using Parser = http::request_parser<http::string_body>;

  void allow(milliseconds time);
  void begin_waiting();
  void stop_waiting();
  void read_head();
  void read_body();
  void continue_body();
  void refuse_unreadable(Failure failure);
  void handle();
  std::optional<Response> refusal();
  std::optional<std::string> only_field(http::field name) const;
  void act(Answer answer);
  void start_work(ChildWork work);
  void await_leaving();
  void look_early(const std::shared_ptr<ChildRun>& run, const std::shared_ptr<ChildWork>& work);
  void finish_work(const std::shared_ptr<ChildWork>& work, const ChildResult& result);
  void linger();
  void discard();
  void close();

  void start_log(const ChildStream& stream);
  void start_events(const EventStream& stream);
  void begin_stream();
  void pump();
  void push(std::string_view bytes);
  void write_queue();
  void await_hangup();
  void beat();

  Loop& loop_;
  Socket socket_;
  Listening listening_;
  asio::steady_timer deadline_;
  asio::steady_timer pulse_;
  std::size_t deadlines_ = 0;  ///< tells a deadline that came too late to be cancelled
  bool late_ = false;
  std::optional<WaitingConnections::iterator> waiting_;  ///< there while it has no whole request
  bool closed_ = false;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  Request request_;
  bool keep_alive_ = false;
  bool head_ = false;
  std::string wire_;
  std::array<char, 4096> discarded_{};

  std::shared_ptr<ChildRun> work_;  ///< the call whose end is the answer

  bool streams_ = false;
  bool ended_ = false;  ///< nothing follows what is in the queue
  bool writing_ = false;
  bool reading_ = false;  ///< of the log
  bool at_event_ = true;  ///< what was sent ends with a whole event
  std::string queue_;
  std::shared_ptr<ChildRun> log_;
  std::optional<std::size_t> member_;  ///< of the event hub
};

// From now on so long; then whatever is waited for on the socket is given up.
void Connection::allow(milliseconds time) {
  late_ = false;
  deadline_.expires_after(time);
  deadline_.async_wait([self = shared_from_this(), number = ++deadlines_](Failure failure) {
    if (failure || number != self->deadlines_ || self->closed_) return;
    self->late_ = true;
    self->socket_.cancel(failure);
  });
}

// It may be closed for somebody else's sake: nobody waits for an answer.
void Connection::begin_waiting() {
  stop_waiting();
  waiting_ = loop_.waiting.insert(loop_.waiting.end(), [this] { close(); });
}

void Connection::stop_waiting() {
  if (const auto place = std::exchange(waiting_, std::nullopt)) loop_.waiting.erase(*place);
}

void Connection::await_request() {
  begin_waiting();
  if (buffer_.size() > 0) {
    read_head();
    return;
  }
  allow(idle_time);
  socket_.async_wait(Socket::wait_read,
                     [self = shared_from_this()](Failure failure) { failure ? self->close() : self->read_head(); });
}

void Connection::read_head() {
  if (closed_) return;
  parser_.emplace();
  parser_->header_limit(longest_header);
  parser_->body_limit(longest_body);
  allow(request_time);
  http::async_read_header(socket_, buffer_, *parser_, [self = shared_from_this()](Failure failure, std::size_t) {
    if (failure) {
      self->refuse_unreadable(failure);
    } else if (self->parser_->is_done()) {
      self->handle();
    } else if (boost::beast::iequals(self->parser_->get()[http::field::expect], "100-continue")) {
      self->continue_body();
    } else {
      self->read_body();
    }
  });
}

void Connection::continue_body() {
  wire_ = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(socket_, asio::buffer(wire_), [self = shared_from_this()](Failure failure, std::size_t) {
    failure ? self->close() : self->read_body();
  });
}

void Connection::read_body() {
  http::async_read(socket_, buffer_, *parser_, [self = shared_from_this()](Failure failure, std::size_t) {
    if (failure) {
      self->refuse_unreadable(failure);
    } else {
      self->handle();
    }
  });
}

void Connection::refuse_unreadable(Failure failure) {
  if (closed_) return;
  if (late_) {
    respond(to_response(Problem{.status = 408, .code = "request-timeout", .error = "the request took too long"}),
            false);
  } else if (failure == http::error::body_limit) {
    respond(to_response(Problem{.status = 413, .code = "body-too-large", .error = "the body is over 64 KiB"}), false);
  } else if (failure == http::error::header_limit || failure == http::error::buffer_overflow) {
    respond(to_response(Problem{.status = 431, .code = "header-too-large", .error = "the header is over 8 KiB"}),
            false);
  } else if (failure.category() == http::make_error_code(http::error::bad_method).category() &&
             failure != http::error::end_of_stream && failure != http::error::partial_message) {
    respond(to_response(Problem{.status = 400, .code = "malformed-request", .error = "malformed request"}), false);
  } else {
    close();
  }
}

// The value of a header that may be there once; empty when it is not there.
std::optional<std::string> Connection::only_field(http::field name) const {
  const auto& message = parser_->get();
  if (message.count(name) > 1) return std::nullopt;
  return text_of(message[name]);
}

// Who may not ask, or has not asked for anything, is told so.
std::optional<Response> Connection::refusal() {
  const auto& message = parser_->get();
  auto host = only_field(http::field::host);
  const auto origin = only_field(http::field::origin);
  const auto authorization = only_field(http::field::authorization);
  std::string wanted = text_of(message.target());
  auto authority = take_authority(wanted);
  auto target = parse_target(wanted);
  if (!target || !host || host->empty() || !origin || !authorization)
    return to_response(Problem{.code = "malformed-request", .error = "malformed request"});
  if (authority) host = std::move(authority);
  if (!is_own_host(listening_, *host))
    return to_response(
        Problem{.status = 421, .code = "host-not-allowed", .error = "Host not allowed", .rejected_value = *host});
  const bool is_other_page = message.count(http::field::origin) > 0 && !is_own_origin(*host, *origin);
  const bool is_part_of_other = !is_public(*target) && !is_own_fetch(text_of(message["Sec-Fetch-Site"]));
  if (is_other_page || is_part_of_other)
    return to_response(Problem{.status = 403, .code = "origin-not-allowed", .error = "Origin not allowed"});
  if (!listening_.unix_socket && !is_public(*target) && !equal_secrets(bearer_token(*authorization), loop_.token)) {
    Response response = to_response(Problem{
        .status = 401, .code = "unauthorized", .error = "this needs the token", .hint = "agentctl serve --token"});
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  }
  request_.target = std::move(*target);
  return std::nullopt;
}

void Connection::handle() {
  if (closed_) return;
  stop_waiting();
  auto& message = parser_->get();
  keep_alive_ = message.keep_alive();
  head_ = message.method() == http::verb::head;
  if (const auto refused = refusal()) {
    respond(*refused, keep_alive_);
    return;
  }
  request_.method = text_of(message.method_string());
  request_.if_none_match.clear();
  const auto tags = message.equal_range(http::field::if_none_match);
  for (auto tag = tags.first; tag != tags.second; ++tag) request_.if_none_match += text_of(tag->value()) + ",";
  request_.body = std::move(message.body());
  ++deadlines_;
  act(answer(loop_.backend, request_));
}

void Connection::act(Answer answer) {
  try {
    if (auto* response = std::get_if<Response>(&answer)) {
      respond(*response, keep_alive_);
    } else if (auto* work = std::get_if<ChildWork>(&answer)) {
      start_work(std::move(*work));
    } else if (loop_.streams >= most_streams) {
      respond(busy("too many streams"), keep_alive_);
    } else if (const auto* stream = std::get_if<ChildStream>(&answer)) {
      start_log(*stream);
    } else {
      start_events(std::get<EventStream>(answer));
    }
  } catch (const Error& error) {
    respond(to_response(error), false);
  }
}

void Connection::start_work(ChildWork work) {
  if (loop_.children >= most_children + loop_.streams) {
    respond(busy("too much is being done at once"), keep_alive_);
    return;
  }
  const auto run = ChildRun::start(loop_, work.arguments);
  const auto shared = std::make_shared<ChildWork>(std::move(work));
  run->collect([self = shared_from_this(), shared](const ChildResult& result) { self->finish_work(shared, result); });
  work_ = run;
  await_leaving();
  if (shared->early) look_early(run, shared);
}

// A client that goes ends its call, as it ends its stream. Who has sent the next request already is not watched: that
// waits for its turn. On a Unix socket who only sends no more (nc -N) still wants the answer; over TCP the two look
// alike.
void Connection::await_leaving() {
  socket_.async_wait(Socket::wait_read, [self = shared_from_this(), work = work_.get()](Failure failure) {
    if (failure || !work || self->work_.get() != work) return;
    char next = 0;
    const ssize_t n = ::recv(self->socket_.native_handle(), &next, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      self->await_leaving();
    } else if (n < 0 || (n == 0 && (!self->listening_.unix_socket || has_hung_up(self->socket_.native_handle())))) {
      self->close();
    }
  });
}

void Connection::look_early(const std::shared_ptr<ChildRun>& run, const std::shared_ptr<ChildWork>& work) {
  pulse_.expires_after(early_time);
  pulse_.async_wait([self = shared_from_this(), run, work](Failure failure) {
    if (failure || self->closed_ || !work->answer) return;
    try {
      if (const auto response = work->early()) {
        // What the call has asked for goes on without it; until that ends, it would take the place of another.
        work->answer = nullptr;
        run->end();
        self->respond(*response, self->keep_alive_);
        return;
      }
    } catch (const std::exception&) {
      // What is wrong, the call itself will say.
    }
    self->look_early(run, work);
  });
}

void Connection::finish_work(const std::shared_ptr<ChildWork>& work, const ChildResult& result) {
  if (closed_ || !work->answer) return;
  const auto make = std::exchange(work->answer, nullptr);
  pulse_.cancel();
  try {
    respond(make(result), keep_alive_);
  } catch (const Refused& refused) {
    respond(to_response(refused.problem), keep_alive_);
  } catch (const std::exception&) {
    respond(internal_error(), keep_alive_);
  }
}

void Connection::respond(const Response& response, bool keep_alive) {
  stop_waiting();
  work_ = nullptr;
  wire_ = to_wire(response, keep_alive, head_);
  allow(write_time);
  asio::async_write(socket_, asio::buffer(wire_),
                    [self = shared_from_this(), keep_alive](Failure failure, std::size_t) {
                      if (failure) {
                        self->close();
                      } else if (keep_alive) {
                        self->await_request();
                      } else {
                        self->linger();
                      }
                    });
}

// A close with unread bytes would be a reset, which can take the answer away from who is still sending.
void Connection::linger() {
  begin_waiting();
  Failure ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  allow(linger_time);
  discard();
}

void Connection::discard() {
  socket_.async_read_some(asio::buffer(discarded_), [self = shared_from_this()](Failure failure, std::size_t) {
    if (failure) {
      self->close();
    } else {
      self->discard();
    }
  });
}

void Connection::close() {
  if (std::exchange(closed_, true)) return;
  stop_waiting();
  if (work_) work_->end();
  if (streams_) --loop_.streams;
  if (log_) log_->end();
  if (member_) loop_.events->leave(*member_);
  Failure ignored;
  deadline_.cancel();
  pulse_.cancel();
  socket_.close(ignored);
}

void Connection::start_log(const ChildStream& stream) {
  log_ = ChildRun::start(loop_, stream.arguments);
  begin_stream();
}

void Connection::start_events(const EventStream& stream) {
  member_ = loop_.events->join(stream.project, [this](const std::string& event) { push(event); });
  begin_stream();
}

void Connection::begin_stream() {
  streams_ = true;
  ++loop_.streams;
  push(event_stream_head());
  await_hangup();
  beat();
}

// The next piece of the log when the last has gone out, so that a slow client holds up nobody but its own call.
void Connection::pump() {
  if (std::exchange(reading_, true)) return;
  log_->next([self = shared_from_this()](std::string_view piece) {
    self->reading_ = false;
    if (self->closed_) return;
    if (piece.empty()) {
      self->ended_ = true;
      if (!self->writing_) self->linger();
      return;
    }
    self->push(piece);
  });
}

void Connection::push(std::string_view bytes) {
  if (closed_) return;
  queue_ += bytes;
  at_event_ = queue_.ends_with("\n\n");
  if (queue_.size() > longest_queue) {
    close();
  } else if (!writing_) {
    write_queue();
  }
}

void Connection::write_queue() {
  writing_ = true;
  wire_ = std::exchange(queue_, {});
  allow(write_time);
  asio::async_write(socket_, asio::buffer(wire_), [self = shared_from_this()](Failure failure, std::size_t) {
    self->writing_ = false;
    ++self->deadlines_;
    if (self->closed_) return;
    if (failure) {
      self->close();
    } else if (!self->queue_.empty()) {
      self->write_queue();
    } else if (self->ended_) {
      self->linger();
    } else if (self->log_) {
      self->pump();
    }
  });
}

void Connection::await_hangup() {
  socket_.async_read_some(asio::buffer(discarded_), [self = shared_from_this()](Failure failure, std::size_t) {
    if (self->closed_ || self->ended_) return;
    if (failure && !self->late_) {
      self->close();
    } else if (failure) {
      return;  // the write, whose time is over, is told the same
    } else {
      self->await_hangup();
    }
  });
}

// A comment now and then: only who writes notices a client that is gone.
void Connection::beat() {
  pulse_.expires_after(heartbeat_time);
  pulse_.async_wait([self = shared_from_this()](Failure failure) {
    if (failure || self->closed_ || self->ended_) return;
    if (!self->writing_ && self->at_event_) self->push(":\n\n");
    self->beat();
  });
}

}  // namespace

void serve_connection(Loop& loop, Socket socket, const Listening& listening, bool may_come_in) {
  const auto connection = std::make_shared<Connection>(loop, std::move(socket), listening);
  if (may_come_in) {
    connection->await_request();
  } else {
    connection->respond(to_response(Problem{.status = 403, .code = "not-permitted", .error = "this is another user's"}),
                        false);
  }
}

std::string too_many_connections() { return to_wire(busy("too many connections"), false, false); }

}  // namespace agentctl
