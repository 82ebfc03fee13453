#pragma once

#include "base/fd.hpp"
#include "probe/check.hpp"

namespace agentctl {

/// Reads the session's output, as its host sends it to who follows (host/control_frames.hpp), until a line of it
/// matches. A line that takes too many steps does not. Lines longer than 64 KiB are looked at in pieces, and one that
/// has no end yet is when nothing has followed for a moment.
CheckResult await_line(const Fd& log, const std::string& expression);

}  // namespace agentctl
