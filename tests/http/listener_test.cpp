#include "http/listener.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "support/temporary_folder.hpp"
#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

std::uint16_t port_of(const Fd& socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

TEST(Listener, SaysHowToFindOutWhoHasThePort) {
  Listening address{.unix_socket = false, .address = "127.0.0.1", .port = 0};
  const Fd first = listen_on(address);
  address.port = port_of(first);
  const Error error = thrown_by([&] { listen_on(address); });
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_EQ(error.object(), "127.0.0.1:" + std::to_string(address.port));
  EXPECT_EQ(error.hint(), "agentctl port " + std::to_string(address.port));
}

TEST(Listener, ReplacesASocketThatNobodyListensOn) {
  TemporaryFolder folder;
  const std::string path = folder / "socket";
  {
    const Fd living = listen_at(path);
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    EXPECT_EQ(thrown_by([&] { listen_at(path); }).code(), ErrorCode::conflict);
  }
  EXPECT_TRUE(listen_at(path));
}

}  // namespace
}  // namespace agentctl
