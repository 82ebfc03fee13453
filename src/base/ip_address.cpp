#include "base/ip_address.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace agentctl {
namespace {

constexpr std::array<unsigned char, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

bool IpAddress::is_any() const noexcept {
  return std::all_of(bytes.begin(), bytes.end(), [](unsigned char byte) { return byte == 0; });
}

bool IpAddress::is_loopback() const noexcept {
  if (!is_v6) return bytes.front() == 127;
  return bytes.back() == 1 && std::count(bytes.begin(), bytes.end(), 0) == 15;
}

IpAddress IpAddress::unmapped() const noexcept {
  if (!is_v6 || !std::equal(mapped_prefix.begin(), mapped_prefix.end(), bytes.begin())) return *this;
  IpAddress v4;
  std::copy(bytes.begin() + mapped_prefix.size(), bytes.end(), v4.bytes.begin());
  return v4;
}

std::optional<IpAddress> parse_ip_address(const std::string& text) {
  IpAddress address;
  if (::inet_pton(AF_INET, text.c_str(), address.bytes.data()) == 1) return address;
  address.is_v6 = true;
  if (::inet_pton(AF_INET6, text.c_str(), address.bytes.data()) == 1) return address.unmapped();
  return std::nullopt;
}

std::string to_string(const IpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(address.is_v6 ? AF_INET6 : AF_INET, address.bytes.data(), text.data(), text.size());
  return text.data();
}

}  // namespace agentctl
