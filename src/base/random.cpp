#include "base/random.hpp"

#include <sys/random.h>

#include <cerrno>

#include "base/error.hpp"

namespace agentctl {

std::string random_id(std::size_t length) {
  std::string id(length, '\0');
  for (std::size_t used = 0; used < length;) {
    const ssize_t n = ::getrandom(id.data() + used, length - used, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw system_error("cannot get random bytes", {}, errno);
    used += static_cast<std::size_t>(n);
  }
  constexpr const char* alphabet = "abcdefghijklmnopqrstuvwxyz234567";
  for (char& c : id) c = alphabet[static_cast<unsigned char>(c) % 32];
  if (length > 0 && id[0] >= '2' && id[0] <= '7') id[0] = static_cast<char>('a' + (id[0] - '2'));
  return id;
}

}  // namespace agentctl
