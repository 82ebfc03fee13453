#include "host/session_host.hpp"

#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

namespace {

std::string environment_value(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string folder_of(std::string_view path) { return std::string(path.substr(0, path.find_last_of('/'))); }

}  // namespace

// session-host RUNTIME_DIR: the main process of each session's unit. See docs/ARCHITECTURE.md, "A session's life".
int main(int argc, char** argv) {
  if (argc != 2) {
    constexpr std::string_view usage = "session-host: started by systemd with the session's runtime folder\n";
    [[maybe_unused]] const auto n = ::write(STDERR_FILENO, usage.data(), usage.size());
    return 125;
  }
  // Buffers come from the kernel and go back to it at once, rather than stay in the heap of an idle session.
  ::mallopt(M_MMAP_THRESHOLD, 32 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 64 * 1024);
  agentctl::SessionHost host({.runtime_dir = argv[1],
                              .invocation_id = environment_value("INVOCATION_ID"),
                              .notify_socket = environment_value("NOTIFY_SOCKET"),
                              .libexec_dir = folder_of(argv[0])});
  return host.run();
}
