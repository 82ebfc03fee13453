#include "cli/invocation.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/error.hpp"
#include "base/system.hpp"
#include "base/user.hpp"
#include "cli/print.hpp"
#include "domain/configuration.hpp"
#include "domain/naming.hpp"
#include "systemd/journal.hpp"
#include "systemd/systemd_engine.hpp"

namespace agentctl {
namespace {

Environment own_environment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string variable = *entry;
    const auto equals = variable.find('=');
    if (equals != std::string::npos) environment.emplace(variable.substr(0, equals), variable.substr(equals + 1));
  }
  return environment;
}

std::string home_of_user(const Environment& environment) {
  const auto home = environment.find("HOME");
  if (home != environment.end() && home->second.starts_with('/') && may_be_own(home->second)) return home->second;
  const auto user = find_user(::getuid());
  return user ? user->home : "/";
}

// As the XDG base directory specification has it, a relative path is ignored.
const char* own_xdg_folder(const char* variable) {
  const char* folder = ::getenv(variable);
  return folder != nullptr && folder[0] == '/' && may_be_own(folder) ? folder : nullptr;
}

int own_umask() {
  const mode_t mask = ::umask(022);
  ::umask(mask);
  return static_cast<int>(mask);
}

std::string current_folder() {
  std::error_code failed;
  const auto path = std::filesystem::current_path(failed);
  return failed ? "" : path.string();
}

// Who asks, as it goes into records: the process that ran agentctl, which says more than agentctl itself. Its name
// only: in "sh -c 'agentctl run -e TOKEN=...'" the command line has what no record may keep.
Asker own_asker() {
  const pid_t parent = ::getppid();
  return {.uid = ::getuid(), .user = user_name(::getuid()), .pid = parent, .command = program_name_of(parent)};
}

}  // namespace

struct Invocation::Parts {
  Parts(ManagerScope scope, const Environment& environment)
      : engine(scope, user_runtime_dir()),
        registry(registry_place(scope, home_of_user(environment), own_xdg_folder("XDG_STATE_HOME"))),
        runtime(runtime_base(scope, user_runtime_dir())),
        context{.scope = scope,
                .engine = engine,
                .log = journal,
                .registry = registry,
                .runtime = runtime,
                .asker = own_asker(),
                .environment = environment,
                .cwd = current_folder(),
                .umask = own_umask(),
                .boot_id = boot_id(),
                .configuration_files =
                    configuration_files(scope, home_of_user(environment), own_xdg_folder("XDG_CONFIG_HOME")),
                .libexec_dir = libexec_dir()} {}

  SystemdEngine engine;
  Journal journal;
  Registry registry;
  RuntimeFolders runtime;
  Context context;
};

Invocation::Invocation(std::vector<std::string> arguments, GlobalOptions globals)
    : arguments_(std::move(arguments)), globals_(globals) {}

Invocation::~Invocation() = default;

ManagerScope Invocation::scope() const {
  return globals_.scope.value_or(::getuid() == 0 ? ManagerScope::system : ManagerScope::user);
}

Context& Invocation::context() {
  if (!parts_) parts_ = std::make_unique<Parts>(scope(), own_environment());
  return parts_->context;
}

std::vector<std::string> Invocation::take_warnings() {
  std::vector<std::string> warnings;
  if (!parts_) return warnings;
  const std::vector<RegistryTrouble>& troubles = parts_->registry.troubles();
  for (; taken_warnings_ < troubles.size(); ++taken_warnings_)
    warnings.push_back("cannot use '" + troubles[taken_warnings_].path + "': " + troubles[taken_warnings_].reason);
  return warnings;
}

int with_status_of_session(Invocation& invocation, std::initializer_list<ErrorCode> others,
                           const std::function<int()>& action) {
  try {
    return action();
  } catch (const Error& error) {
    const bool has_its_own =
        error.code() == ErrorCode::usage || std::find(others.begin(), others.end(), error.code()) != others.end();
    if (has_its_own) throw;
    print_error(error, invocation.take_warnings(), invocation.globals().json);
    return 125;
  }
}

std::string libexec_dir() { return AGENTCTL_LIBEXEC_DIR; }

}  // namespace agentctl
