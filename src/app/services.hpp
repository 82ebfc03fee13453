#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/context.hpp"
#include "app/wait_clock.hpp"
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

/// How a batch of services ended.
enum class BatchState {
  ok,       ///< all are healthy, or with no wait started
  partial,  ///< some are
  failed,   ///< none is, or one could not be started and so the others were ended
};
const char* to_string(BatchState state) noexcept;

struct ServiceOutcome {
  enum class Kind {
    healthy,
    started,  ///< and not waited for
    reused,   ///< it was there already
    failed,   ///< it is not healthy; one that was there already lives on
    undone,   ///< ended, or never started, because another could not be
  };
  std::string name{};
  Kind kind = Kind::failed;
  std::optional<Session> session{};  ///< as it is now; none: it was never started
  std::string reason{};              ///< failed, undone: why
  std::vector<std::string> tail{};   ///< failed: its last lines
};
const char* to_string(ServiceOutcome::Kind kind) noexcept;

struct BatchOutcome {
  BatchState state = BatchState::ok;
  std::string reason{};                    ///< in one line; empty when all is well
  std::vector<ServiceOutcome> services{};  ///< in the file's order
};

struct ApplyOptions {
  std::string project{};
  std::string agent{};      ///< empty: as the file says
  std::string work_item{};  ///< the same
  bool wait = true;         ///< until each is healthy, or has failed
  Tick tick{};
};

/// Starts the services of a checked file, all at once but for those that need others, each as a session. Nothing is
/// started unless each of them can be; when one cannot be started after all, those of this call are ended again. One
/// that does not become healthy is ended, and the others stay. Throws Error, {conflict} when another session has a
/// name, and then nothing was changed.
BatchOutcome apply_services(Context& context, const ServiceFile& file, const ApplyOptions& options);

}  // namespace agentctl
