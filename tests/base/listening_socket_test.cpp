#include "base/listening_socket.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/control_group.hpp"
#include "base/fd.hpp"
#include "support/sample_address.hpp"

namespace agentctl {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

/// A socket that listens on any free port of an address.
class Listener {
 public:
  static Listener v4(const char* on) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    ::inet_pton(AF_INET, on, &name.sin_addr);
    return Listener(AF_INET, name, name.sin_port, false);
  }
  static Listener v6(const char* on, bool is_v6_only) {
    sockaddr_in6 name{};
    name.sin6_family = AF_INET6;
    ::inet_pton(AF_INET6, on, &name.sin6_addr);
    return Listener(AF_INET6, name, name.sin6_port, is_v6_only);
  }
  std::uint16_t port() const { return port_; }
  /// As the kernel tells of it.
  ListeningSocket told() const {
    const auto found = listeners(port_);
    EXPECT_EQ(found.size(), 1U);
    return found.at(0);
  }

 private:
  template <class Address>
  Listener(int family, Address& name, const in_port_t& port, int is_v6_only)
      : fd_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    socklen_t size = sizeof name;
    if (family == AF_INET6) {
      EXPECT_EQ(::setsockopt(fd_.get(), IPPROTO_IPV6, IPV6_V6ONLY, &is_v6_only, sizeof is_v6_only), 0);
    }
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
    EXPECT_EQ(::listen(fd_.get(), 1), 0);
    EXPECT_EQ(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&name), &size), 0);
    port_ = ntohs(port);
  }

  Fd fd_;
  std::uint16_t port_ = 0;
};

TEST(ListeningSocket, IsFoundWithWhoHoldsIt) {
  std::uint16_t port = 0;
  {
    const Listener listener = Listener::v4("127.0.0.1");
    port = listener.port();
    const ListeningSocket found = listener.told();
    EXPECT_EQ(to_string(found.address), "127.0.0.1");
    EXPECT_EQ(found.port, port);
    EXPECT_EQ(found.uid, ::geteuid());
    EXPECT_TRUE(has_socket(::getpid(), found.inode));
    EXPECT_FALSE(has_socket(1, found.inode));
    EXPECT_THAT(socket_holders(found.inode), Contains(::getpid()));
    EXPECT_FALSE(can_be_bound(port));
    EXPECT_THAT(listeners_at(address("127.0.0.1"), port), ElementsAre(found));
    EXPECT_THAT(listeners_at(address("::1"), port), IsEmpty());
  }
  EXPECT_THAT(listeners(port), IsEmpty());
  EXPECT_TRUE(can_be_bound(port));
}

TEST(ListeningSocket, IsToldWithTheGroupInWhichItWasMade) {
  const std::string own = own_unit_group();
  const ListeningSocket socket = Listener::v4("127.0.0.1").told();
  if (own.empty() || socket.group == 0) GTEST_SKIP() << "the kernel or the container does not tell";
  EXPECT_TRUE(has_group_id(own, socket.group));
  EXPECT_FALSE(has_group_id(own + "/gone", socket.group));
}

TEST(ListeningSocket, IsToldWithItsAddress) {
  EXPECT_EQ(to_string(Listener::v4("0.0.0.0").told().address), "0.0.0.0");
  const ListeningSocket loopback = Listener::v6("::1", false).told();
  EXPECT_EQ(to_string(loopback.address), "::1");
  const ListeningSocket all = Listener::v6("::", false).told();
  EXPECT_TRUE(all.address.is_v6 && all.address.is_any());
  EXPECT_FALSE(all.is_v6_only);
  EXPECT_TRUE(Listener::v6("::", true).told().is_v6_only);
  const ListeningSocket mapped = Listener::v6("::ffff:127.0.0.1", false).told();
  EXPECT_TRUE(mapped.address.is_v6);
  EXPECT_THAT(reached_by({mapped}, address("127.0.0.1")), ElementsAre(mapped));
}

TEST(ListeningSocket, IsReachedWhereItsAddressIsTheClosest) {
  const auto socket = [](const char* on, std::uint64_t inode) {
    return ListeningSocket{.address = address(on), .port = 80, .inode = inode};
  };
  const ListeningSocket exact = socket("127.0.0.1", 1);
  const ListeningSocket twin = socket("127.0.0.1", 2);
  const ListeningSocket all_v4 = socket("0.0.0.0", 3);
  const ListeningSocket all = socket("::", 4);
  const ListeningSocket other = socket("10.0.0.1", 5);
  const ListeningSocket v6 = socket("::1", 6);
  const IpAddress loopback = address("127.0.0.1");
  EXPECT_THAT(reached_by({all, other, all_v4, exact, v6}, loopback), ElementsAre(exact));
  EXPECT_THAT(reached_by({exact, all, twin}, loopback), ElementsAre(exact, twin));
  EXPECT_THAT(reached_by({all, other, all_v4, v6}, loopback), ElementsAre(all_v4));
  EXPECT_THAT(reached_by({all, other, v6}, loopback), ElementsAre(all));
  EXPECT_THAT(reached_by({other, v6}, loopback), IsEmpty());
  ListeningSocket all_v6 = all;
  all_v6.is_v6_only = true;
  EXPECT_THAT(reached_by({all_v6}, loopback), IsEmpty());
  EXPECT_THAT(reached_by({all_v6}, address("::1")), ElementsAre(all_v6));
  EXPECT_THAT(reached_by({exact, all_v4, all, v6}, address("::1")), ElementsAre(v6));
  EXPECT_THAT(reached_by({exact, all_v4, all}, address("::1")), ElementsAre(all));
  EXPECT_THAT(reached_by({exact, all_v4}, address("::1")), IsEmpty());
}

}  // namespace
}  // namespace agentctl
