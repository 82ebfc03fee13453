#include "probe/http_check.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/fd.hpp"

namespace agentctl {
namespace {

using std::chrono::steady_clock;
using testing::HasSubstr;
using testing::StartsWith;

/// Answers one connection with these bytes, and then holds it open for as long as it lives.
class Server {
 public:
  explicit Server(std::string answer) : answer_(std::move(answer)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_.get(), 8), 0);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/health"; }
  bool was_asked() const { return was_asked_; }

 private:
  void serve() {
    connection_.reset(::accept(listener_.get(), nullptr, nullptr));
    if (!connection_) return;
    was_asked_ = true;
    std::array<char, 4096> request{};
    if (::read(connection_.get(), request.data(), request.size()) <= 0) return;
    [[maybe_unused]] const auto n = ::send(connection_.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
  }

  std::string answer_;
  Fd listener_;
  Fd connection_;
  std::atomic<bool> was_asked_{false};
  int port_ = 0;
  std::thread thread_;
};

std::string error_of(const std::string& answer, int expected = 0,
                     std::chrono::milliseconds timeout = std::chrono::seconds(60)) {
  const Server server(answer);
  HealthCheck check;
  check.kind = HealthKind::http;
  check.target = server.url();
  check.expect_status = expected;
  check.timeout = timeout;
  return HttpCheck(check)().error;
}

TEST(HttpCheck, ComparesTheStatusAndFollowsNoRedirect) {
  EXPECT_THAT(error_of("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 204), "http status 200 (expected 204)");
  EXPECT_THAT(error_of("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
              "http status 302 (expected 2xx)");
  EXPECT_THAT(error_of("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 500), "");
  EXPECT_THAT(error_of("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 None\r\n\r\n", 204), "");
}

TEST(HttpCheck, ABodyWithoutEndHoldsNothingUp) {
  const auto began = steady_clock::now();
  EXPECT_THAT(error_of("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n"), "");
  EXPECT_THAT(error_of("HTTP/1.1 200 OK\r\n\r\n" + std::string(200'000, 'x')), "");
  EXPECT_LT(steady_clock::now() - began, std::chrono::seconds(5)) << "that of one check alone";
}

TEST(HttpCheck, NothingOfAUrlBecomesAHeader) {
  for (const char* more : {" HTTP/1.1\r\nX: y", "\r\nX: y", "\nX: y", "\tx", "\x7f", " x", "\x01"}) {
    const Server server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    HealthCheck check;
    check.kind = HealthKind::http;
    check.target = server.url() + more;
    EXPECT_THAT(HttpCheck(check)().error, StartsWith("http request error: ")) << more;
    EXPECT_FALSE(server.was_asked()) << more;
  }
}

TEST(HttpCheck, SaysWhatWentWrong) {
  EXPECT_EQ(error_of("", 0, std::chrono::milliseconds(500)), "http request timeout after 500ms");
  EXPECT_THAT(error_of("garbage\r\n\r\n"), StartsWith("http request error: "));
  HealthCheck check;
  check.kind = HealthKind::http;
  check.target = "http://127.0.0.1:1/";
  EXPECT_THAT(HttpCheck(check)().error, HasSubstr("127.0.0.1"));
  check.target = "file:///etc/passwd";
  EXPECT_THAT(HttpCheck(check)().error, StartsWith("http request error: "));
}

}  // namespace
}  // namespace agentctl
