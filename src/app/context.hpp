#pragma once

#include <string>
#include <vector>

#include "domain/engine.hpp"
#include "domain/environment.hpp"
#include "domain/output_log.hpp"
#include "store/registry.hpp"
#include "store/runtime_folder.hpp"

namespace agentctl {

/// What every use case works with. It says who asks and from where, so that nothing in this folder looks at the
/// process it happens to run in.
struct Context {
  ManagerScope scope = ManagerScope::user;
  Engine& engine;
  OutputLog& log;
  Registry& registry;
  RuntimeFolders& runtime;
  Asker asker;
  Environment environment;  ///< the caller's
  std::string cwd;          ///< the caller's
  int umask = 022;          ///< the caller's
  std::string boot_id;
  std::vector<std::string> configuration_files;  ///< those that come later are laid over those before
  std::string libexec_dir;                       ///< where the session host and the recorder are
};

}  // namespace agentctl
