#include "base/random.hpp"

#include <sys/random.h>

#include <cerrno>

#include "base/error.hpp"

namespace agentctl {
namespace {

std::string random_bytes(std::size_t length) {
  std::string bytes(length, '\0');
  for (std::size_t used = 0; used < length;) {
    const ssize_t n = ::getrandom(bytes.data() + used, length - used, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw system_error("cannot get random bytes", {}, errno);
    used += static_cast<std::size_t>(n);
  }
  return bytes;
}

}  // namespace

std::string random_id(std::size_t length) {
  std::string id = random_bytes(length);
  constexpr const char* alphabet = "abcdefghijklmnopqrstuvwxyz234567";
  for (char& c : id) c = alphabet[static_cast<unsigned char>(c) % 32];
  if (length > 0 && id[0] >= '2' && id[0] <= '7') id[0] = static_cast<char>('a' + (id[0] - '2'));
  return id;
}

std::string random_hex(std::size_t bytes) {
  constexpr const char* digits = "0123456789abcdef";
  std::string text;
  for (const char c : random_bytes(bytes)) {
    const auto byte = static_cast<unsigned char>(c);
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

}  // namespace agentctl
