#include "http/token.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/random.hpp"

namespace agentctl {
namespace {

constexpr std::size_t token_bytes = 32;

bool is_token(const std::string& text) {
  return text.size() == 2 * token_bytes && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

std::string http_token(const std::string& folder) {
  make_directories(folder);
  const std::string path = folder + "/http-token";
  // Two servers that begin at once must not each make their own.
  const FileLock lock = FileLock::acquire(folder + "/http-token.lock");
  if (auto stored = read_file(path, 1024)) {
    while (stored->ends_with('\n')) stored->pop_back();
    if (is_token(*stored)) return *stored;
    throw Error({.code = ErrorCode::failed,
                 .context = "cannot use the token in",
                 .object = path,
                 .reason = "it is not 64 hexadecimal digits",
                 .hint = "rm " + path + ", and agentctl makes a new one"});
  }
  std::string token = random_hex(token_bytes);
  write_file(path, token + "\n", 0600);
  return token;
}

}  // namespace agentctl
