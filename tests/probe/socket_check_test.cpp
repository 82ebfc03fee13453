#include "probe/socket_check.hpp"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/unix_socket.hpp"
#include "probe/port_owner.hpp"
#include "support/temporary_folder.hpp"

namespace agentctl {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

Fd listen_on(const std::string& path) {
  const UnixAddress address(path);
  Fd socket = make_unix_socket(SOCK_STREAM | SOCK_NONBLOCK);
  EXPECT_EQ(::bind(socket.get(), address.get(), address.size), 0);
  EXPECT_EQ(::listen(socket.get(), 1), 0);
  return socket;
}

TEST(UnixSocketCheck, TellsAliveFromDead) {
  const TemporaryFolder folder;
  const std::string path = folder / "socket";
  EXPECT_EQ(check_unix_socket(path, seconds(1)).error, "cannot look at " + path + ": No such file or directory");
  {
    const Fd socket = listen_on(path);
    EXPECT_EQ(check_unix_socket(path, seconds(1)).error, "");
  }
  const CheckResult dead = check_unix_socket(path, seconds(1));
  EXPECT_EQ(dead.error, path + " is dead: Connection refused");
  EXPECT_FALSE(dead.is_forged);
}

TEST(UnixSocketCheck, WhatIsNoSocketIsForgedAndNeverConnectedTo) {
  const TemporaryFolder folder;
  const Fd socket = listen_on(folder / "socket");
  ASSERT_EQ(::symlink("socket", (folder / "link").c_str()), 0);
  write_file(folder / "file", "");
  for (const char* name : {"link", "file", ""}) {
    const CheckResult result = check_unix_socket(folder / name, seconds(1));
    EXPECT_TRUE(result.is_forged) << name;
    EXPECT_THAT(result.error, HasSubstr(std::string(name) == "link" ? "is a symbolic link" : "is not a socket"));
  }
  EXPECT_LT(::accept(socket.get(), nullptr, nullptr), 0);
}

TEST(TcpCheck, NamesTheAddressThatRefuses) {
  const TcpTarget nobody{.addresses = {"127.0.0.1", "::1"}, .port = 1};
  EXPECT_EQ(check_tcp(nobody, seconds(1)).error, "cannot connect to 127.0.0.1:1: Connection refused");
}

TEST(PortStranger, IsLookedForWhereverTheConnectionGoesToThisHost) {
  for (const char* address : {"127.0.0.1", "127.1.2.3", "::1", "0.0.0.0", "::", "::ffff:0.0.0.0", "::ffff:127.0.0.1"})
    EXPECT_EQ(port_stranger(address, 1), "nobody is seen to wait on port 1") << address;
  for (const char* address : {"192.0.2.1", "2001:db8::1", "localhost"})
    EXPECT_EQ(port_stranger(address, 1), std::nullopt) << address;
}

}  // namespace
}  // namespace agentctl
