#pragma once

#include <string>
#include <string_view>

#include "domain/session.hpp"

namespace agentctl {

/// A record as it stands on disk, with its schema version.
std::string to_json(const Record& record);

/// Throws Error for anything but a record of this schema version: wrong types, missing fields, nesting over 16.
/// Unknown fields are ignored, so that an older agentctl can read what a newer one wrote.
Record parse_record(std::string_view text);

/// A reader refuses a larger record; a command line is at most about 2 MiB, and JSON escapes at most sixfold.
inline constexpr std::size_t record_size_limit = 16u << 20;

}  // namespace agentctl
