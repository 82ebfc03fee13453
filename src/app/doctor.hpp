#pragma once

#include <array>
#include <string>
#include <vector>

#include "app/context.hpp"

namespace agentctl {

enum class Verdict { ok, warning, failure };

/// One thing that was looked at: what is true, and what mends it when it should not be.
struct Finding {
  Verdict verdict = Verdict::ok;
  std::string topic;
  std::string text;
  std::string remedy;
};

/// What only the composer of engine and journal can know of this host.
struct HostFacts {
  std::string systemd_version;  ///< empty: no manager answers
  std::string manager_state;    ///< SystemState= of the manager
  std::string manager_error;    ///< why none answers
  bool booted_with_systemd = false;
  bool journal_persistent = false;
  bool journal_readable = false;
  bool volatile_journal_readable = false;  ///< the part that is in memory
  std::string journal_config{};            ///< journald.conf(5) with its drop-ins, in the order in which they count
};

/// What sessions need of the libexec folder: all that is installed there.
inline constexpr std::array<const char*, 6> helpers{"session-host", "recorder", "on-end",
                                                    "starter",      "probe",    "probe-http"};

std::vector<Finding> examine(Context& context, const HostFacts& facts);

}  // namespace agentctl
