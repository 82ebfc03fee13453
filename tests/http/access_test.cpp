#include "http/access.hpp"

#include <gtest/gtest.h>

#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

Listening tcp(const std::string& address, std::uint16_t port = 7331) {
  return {.unix_socket = false, .address = address, .port = port};
}

TEST(Host, IsTheLiteralAddressOrLocalhostWithThePort) {
  for (const char* host : {"127.0.0.1:7331", "localhost:7331", "LOCALHOST:7331"})
    EXPECT_TRUE(is_own_host(tcp("127.0.0.1"), host)) << host;
  for (const char* host : {"[::1]:7331", "[0:0:0:0:0:0:0:1]:7331", "localhost:7331"})
    EXPECT_TRUE(is_own_host(tcp("::1"), host)) << host;
}

TEST(Host, IsNoNameThatSomebodyElsesDnsCanPointHere) {
  for (const char* host : {"",
                           "evil.example:7331",
                           "evil.example",
                           "localhost",
                           "localhost:80",
                           "localhost:07332",
                           "127.0.0.1",
                           "127.0.0.1:7332",
                           "127.0.0.2:7331",
                           "127.0.0.1.evil.example:7331",
                           "localhost.evil.example:7331",
                           "[::1]:7331",
                           "localhost:",
                           "localhost:7331x",
                           "localhost:-1",
                           "localhost:99999",
                           ":7331",
                           "[::1",
                           "[]:7331",
                           "127.1:7331"})
    EXPECT_FALSE(is_own_host(tcp("127.0.0.1"), host)) << host;
}

TEST(Host, NeedsNoPortWhereItIs80) {
  EXPECT_TRUE(is_own_host(tcp("127.0.0.1", 80), "127.0.0.1"));
  EXPECT_TRUE(is_own_host(tcp("127.0.0.1", 80), "localhost:80"));
}

TEST(Host, IsAnyLiteralWhereAllAddressesAreListenedTo) {
  EXPECT_TRUE(is_own_host(tcp("0.0.0.0"), "192.0.2.7:7331"));
  EXPECT_TRUE(is_own_host(tcp("::"), "[2001:db8::7]:7331"));
  EXPECT_FALSE(is_own_host(tcp("0.0.0.0"), "evil.example:7331"));
  EXPECT_FALSE(is_own_host(tcp("0.0.0.0"), "192.0.2.7:80"));
}

TEST(Host, BehindAUnixSocketIsLocalWithAnyPort) {
  for (const char* host : {"localhost", "localhost:8080", "127.0.0.1:9", "[::1]:8080"})
    EXPECT_TRUE(is_own_host({}, host)) << host;
  for (const char* host : {"evil.example", "192.0.2.7", "x", "0.0.0.0:80"}) EXPECT_FALSE(is_own_host({}, host)) << host;
}

TEST(Origin, IsThatOfTheHost) {
  EXPECT_TRUE(is_own_origin("127.0.0.1:7331", "http://127.0.0.1:7331"));
  EXPECT_TRUE(is_own_origin("LocalHost:7331", "http://localhost:7331"));
  for (const char* origin : {"", "null", "http://localhost:7331", "https://127.0.0.1:7331", "http://127.0.0.1:7332",
                             "http://127.0.0.1:7331/", "http://127.0.0.1:7331.evil.example", "http://evil.example"})
    EXPECT_FALSE(is_own_origin("127.0.0.1:7331", origin)) << origin;
}

TEST(Fetch, IsOwnWhenNoOtherPageAsks) {
  for (const char* site : {"", "none", "same-origin"}) EXPECT_TRUE(is_own_fetch(site)) << site;
  for (const char* site : {"cross-site", "same-site", "x", "None"}) EXPECT_FALSE(is_own_fetch(site)) << site;
}

TEST(BearerToken, IsWhatFollowsTheScheme) {
  EXPECT_EQ(bearer_token("Bearer abc"), "abc");
  EXPECT_EQ(bearer_token("bearer abc"), "abc");
  for (const char* header : {"", "Bearer", "Bearer ", "Basic abc", "Bearerabc", "abc"})
    EXPECT_EQ(bearer_token(header), "") << header;
}

TEST(Secrets, AreEqualOrNot) {
  EXPECT_TRUE(equal_secrets("abc", "abc"));
  for (const char* given : {"", "ab", "abcd", "abd", "Abc", "abcabc"})
    EXPECT_FALSE(equal_secrets(given, "abc")) << given;
  EXPECT_FALSE(equal_secrets("abc", ""));
}

TEST(ListeningAddress, IsALiteralWithAPort) {
  EXPECT_EQ(parse_listening("127.0.0.1:7331").address, "127.0.0.1");
  EXPECT_EQ(parse_listening("[::1]:80").address, "::1");
  EXPECT_EQ(parse_listening("[::1]:80").port, 80);
  for (const char* text : {"", "7331", "127.0.0.1", "localhost:7331", ":7331", "127.0.0.1:0", "127.0.0.1:x", "::1:80"})
    EXPECT_EQ(thrown_by([&] { parse_listening(text); }).code(), ErrorCode::usage) << text;
}

TEST(ListeningAddress, IsLoopbackOrNot) {
  for (const char* address : {"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"})
    EXPECT_TRUE(is_loopback(tcp(address))) << address;
  for (const char* address : {"0.0.0.0", "192.0.2.7", "::", "::ffff:192.0.2.7", "2001:db8::1"})
    EXPECT_FALSE(is_loopback(tcp(address))) << address;
  EXPECT_TRUE(is_loopback({}));
}

}  // namespace
}  // namespace agentctl
