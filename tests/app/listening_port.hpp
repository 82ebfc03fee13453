#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

#include "base/fd.hpp"

namespace agentctl {

/// A port of the loopback interface on which this process listens as long as this lives.
class ListeningPort {
 public:
  /// 0: one that is free.
  explicit ListeningPort(std::uint16_t port = 0) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    name.sin_port = htons(port);
    socklen_t size = sizeof name;
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
    EXPECT_EQ(::listen(fd_.get(), 1), 0);
    EXPECT_EQ(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&name), &size), 0);
    number_ = ntohs(name.sin_port);
  }
  std::uint16_t number() const { return number_; }

 private:
  Fd fd_;
  std::uint16_t number_ = 0;
};

/// A port that nobody uses now.
inline std::uint16_t free_port() { return ListeningPort().number(); }

}  // namespace agentctl
