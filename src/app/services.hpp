#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "app/context.hpp"
#include "domain/service_file.hpp"

namespace agentctl {

/// What `apply` was asked.
struct ApplyRequest {
  std::string text;                           ///< the file's
  std::optional<bool> require_git_workdir{};  ///< none: as configured
  std::string agent{};                        ///< who must have written it; empty: anyone
  std::string work_item{};                    ///< for which; empty: any
};

/// What the `.git` of a folder is; a relative one is below `base`.
GitMark git_mark_at(const std::string& base, const std::string& folder);

/// Checks the file by the configured rules, and then who wrote it. A refusal is a value; throws Error for a
/// configuration that cannot be read.
CheckedServices check_services(const Context& context, const ApplyRequest& request);

}  // namespace agentctl
