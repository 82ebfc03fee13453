#include "cli/input_file.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agentctl {
namespace {

std::string read_standard_input(std::size_t limit) {
  std::string text;
  std::array<char, 65536> chunk{};
  while (text.size() <= limit) {
    const ssize_t n = ::read(STDIN_FILENO, chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw system_error("cannot read", "standard input", errno);
    if (n == 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(n));
  }
  return text;
}

}  // namespace

std::string name_of_input(const std::string& file) { return file == "-" ? "standard input" : file; }

std::string read_input(const std::string& file, std::size_t limit) {
  if (file == "-") return read_standard_input(limit);
  // More than is allowed, so that what is too large is told as such.
  auto text = read_named_file(file, 2 * limit, "- stands for standard input");
  if (!text) throw system_error("cannot read", file, ENOENT);
  return std::move(*text);
}

}  // namespace agentctl
