#include "probe/probe_main.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "base/file.hpp"
#include "domain/launch.hpp"

namespace agentctl {

int probe_main(int argc, char** argv,
               const std::function<void(const HealthCheck& check, const std::string& runtime_dir)>& probe) {
  if (argc != 2) {
    std::fputs("usage: probe RUNTIME_DIR   (run by a session's host, see agentctl(1))\n", stderr);
    return 2;
  }
  // A host that is killed must not leave its probe behind to speak for a session that is gone.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() == 1) return 1;
  try {
    const std::string runtime_dir = argv[1];
    const auto text = read_file(runtime_dir + "/" + launch_file, launch_size_limit);
    if (!text) return 1;
    HealthCheck check;
    if (auto asked = parse_launch(*text).record.request.health) check = std::move(*asked);
    probe(check, runtime_dir);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "agentctl probe: %s\n", error.what());
    return 1;
  }
}

}  // namespace agentctl
