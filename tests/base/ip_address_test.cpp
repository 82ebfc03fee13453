#include "base/ip_address.hpp"

#include <gtest/gtest.h>

#include "support/sample_address.hpp"

namespace agentctl {
namespace {

TEST(IpAddress, IsReadAndWritten) {
  for (const char* text : {"127.0.0.1", "0.0.0.0", "::1", "::", "fe80::1"}) EXPECT_EQ(to_string(address(text)), text);
  EXPECT_EQ(to_string(address("::ffff:10.0.0.1")), "10.0.0.1");
  for (const char* text : {"", "localhost", "127.0.0.1:80", "1.2.3", "[::1]"}) EXPECT_FALSE(parse_ip_address(text));
  EXPECT_TRUE(address("::").is_any());
  EXPECT_FALSE(address("0.0.0.1").is_any());
  for (const char* text : {"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"})
    EXPECT_TRUE(address(text).is_loopback()) << text;
  for (const char* text : {"0.0.0.0", "128.0.0.1", "::", "::2", "1::1"})
    EXPECT_FALSE(address(text).is_loopback()) << text;
}

}  // namespace
}  // namespace agentctl
