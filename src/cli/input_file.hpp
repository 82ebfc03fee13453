#pragma once

#include <string>

namespace agentctl {

/// What errors call FILE: itself, or "standard input" for "-".
std::string name_of_input(const std::string& file);

/// A file that somebody named, or standard input for "-". More than `limit` bytes are given as such, for the reader to
/// refuse in its own words. Throws Error for what is missing or no regular file.
std::string read_input(const std::string& file, std::size_t limit);

}  // namespace agentctl
