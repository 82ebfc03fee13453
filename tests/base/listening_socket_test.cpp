#include "base/listening_socket.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.hpp"

namespace agentctl {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

IpAddress address(const std::string& text) { return parse_ip_address(text).value(); }

/// A socket that listens on an IPv4 address, on any free port.
struct Listener {
  Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::uint16_t port = 0;

  explicit Listener(const std::string& on = "127.0.0.1") {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    ::inet_pton(AF_INET, on.c_str(), &name.sin_addr);
    socklen_t size = sizeof name;
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
    EXPECT_EQ(::listen(fd.get(), 1), 0);
    EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &size), 0);
    port = ntohs(name.sin_port);
  }
};

TEST(IpAddress, IsReadAndWritten) {
  for (const char* text : {"127.0.0.1", "0.0.0.0", "::1", "::", "fe80::1"}) EXPECT_EQ(to_string(address(text)), text);
  EXPECT_EQ(to_string(address("::ffff:10.0.0.1")), "10.0.0.1");
  for (const char* text : {"", "localhost", "127.0.0.1:80", "1.2.3", "[::1]"}) EXPECT_FALSE(parse_ip_address(text));
  EXPECT_TRUE(address("::").is_any());
  EXPECT_FALSE(address("0.0.0.1").is_any());
}

TEST(ListeningSocket, IsALineOfProc) {
  bool is_done = false;
  EXPECT_THAT(
      parse_listeners(
          "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
          "   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 100 0\n"
          "   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 "
          "00:00000000 00000000     0        0 7 1 0 100 0\n",
          is_done),
      ElementsAre(ListeningSocket{.address = address("127.0.0.1"), .port = 3000, .inode = 4242, .uid = 1000},
                  ListeningSocket{.address = address("::1"), .port = 80, .inode = 7, .uid = 0}));
  EXPECT_FALSE(is_done);
  EXPECT_THAT(parse_listeners("   2: 0100007F:0BB8 0100007F:0BB9 01 0:0 00:0 0 1000 0 4243 1\n"
                              "   3: 0100007F:0BB8 00000000:0000 0A 0:0 00:0 0 1000 0 4244 1\n",
                              is_done),
              IsEmpty());
  EXPECT_TRUE(is_done) << "nothing that listens follows";
}

TEST(ListeningSocket, IsNoneWhereTheLineIsBroken) {
  bool is_done = false;
  for (const char* line :
       {"", "\n", "garbage", "0: zz:0BB8 0:0 0A 0:0 00:0 0 0 0 1 1\n", "0: 0100007F 0:0 0A 0:0 00:0 0 0 0 1 1\n",
        "0: 0100007F:FFFFF 0:0 0A 0:0 00:0 0 0 0 1 1\n", "0: 0100007F:0BB8 0:0 0A 0:0 00:0 0 x 0 1 1\n"})
    EXPECT_THAT(parse_listeners(line, is_done), IsEmpty()) << line;
}

TEST(ListeningSocket, IsFoundWithWhoHoldsIt) {
  std::uint16_t port = 0;
  {
    const Listener listener;
    port = listener.port;
    const auto found = listeners(port);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(to_string(found[0].address), "127.0.0.1");
    EXPECT_EQ(found[0].uid, ::geteuid());
    EXPECT_TRUE(has_socket(::getpid(), found[0].inode));
    EXPECT_FALSE(has_socket(1, found[0].inode));
    EXPECT_THAT(socket_holders(found[0].inode), Contains(::getpid()));
    EXPECT_FALSE(can_be_bound(port));
    EXPECT_THAT(listeners_at(address("127.0.0.1"), port), ElementsAre(found[0]));
    EXPECT_THAT(listeners_at(address("::1"), port), IsEmpty());
  }
  EXPECT_THAT(listeners(port), IsEmpty());
  EXPECT_TRUE(can_be_bound(port));
}

TEST(ListeningSocket, IsReachedWhereItsAddressIsTheClosest) {
  const auto socket = [](const char* on, std::uint64_t inode) {
    ListeningSocket made{.address = {}, .port = 80, .inode = inode, .uid = 0};
    made.address = address(on);
    return made;
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
  EXPECT_THAT(reached_by({exact, all_v4, all, v6}, address("::1")), ElementsAre(v6));
  EXPECT_THAT(reached_by({exact, all_v4, all}, address("::1")), ElementsAre(all));
  EXPECT_THAT(reached_by({exact, all_v4}, address("::1")), IsEmpty());
}

}  // namespace
}  // namespace agentctl
