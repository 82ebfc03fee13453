#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "app/queue.hpp"
#include "base/error.hpp"
#include "base/system.hpp"
#include "base/user.hpp"
#include "domain/configuration.hpp"
#include "systemd/journal.hpp"
#include "systemd/systemd_engine.hpp"

// starter user|system REGISTRY NAME ID: run by the recorder when that session has ended and something follows: its
// --on-end command, the next in the line of its pool, the next step of its flow.

namespace {

int follow_end_of(const std::string& scope_name, const std::string& root, const std::string& name,
                  const std::string& id) {
  using namespace agentctl;
  const ManagerScope scope = scope_name == "system" ? ManagerScope::system : ManagerScope::user;
  const char* home = ::getenv("HOME");
  SystemdEngine engine(scope, user_runtime_dir());
  Journal journal;
  Registry registry(root);
  RuntimeFolders runtime(runtime_base(scope, user_runtime_dir()));
  Context context{.scope = scope,
                  .engine = engine,
                  .log = journal,
                  .registry = registry,
                  .runtime = runtime,
                  .asker = {.uid = ::getuid(), .user = user_name(::getuid()), .pid = ::getpid(), .command = "starter"},
                  .environment = {},
                  .cwd = "/",
                  .boot_id = boot_id(),
                  .configuration_files =
                      configuration_files(scope, home != nullptr ? home : "/", ::getenv("XDG_CONFIG_HOME")),
                  .libexec_dir = AGENTCTL_LIBEXEC_DIR};
  if (const auto ended = registry.find_ended(name, id)) follow_end(context, *ended);
  for (const RegistryTrouble& trouble : registry.troubles())
    std::fprintf(stderr, "agentctl starter: cannot use '%s': %s\n", trouble.path.c_str(), trouble.reason.c_str());
  return registry.troubles().empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fputs("usage: starter user|system REGISTRY NAME ID   (run by agentctl's recorder)\n", stderr);
    return 2;
  }
  try {
    return follow_end_of(argv[1], argv[2], argv[3], argv[4]);
  } catch (const std::exception& error) {
    // Nothing is lost: what waits still waits, and `agentctl reconcile` starts it.
    std::fprintf(stderr, "agentctl starter: %s\n", error.what());
    return 1;
  }
}
