#pragma once

#include <string>
#include <vector>

namespace agentctl {

/// The files and folders that this test program has had synced with fsync(2) since the last look, in order; the random
/// part of a temporary file's name is left out. A file is named as it was then, before its rename.
std::vector<std::string> take_synced();

}  // namespace agentctl
