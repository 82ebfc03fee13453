#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace agentctl {

/// What the registry calls the file of one session or flow that does not live in a shard: NAME.ID.json. Neither part
/// can hold a dot (is_valid_name(), is_valid_id()).
struct FileName {
  std::string name;
  std::string id;
};

std::string to_string(const FileName& name);
std::optional<FileName> parse_file_name(std::string_view file);  ///< nothing: not such a file

}  // namespace agentctl
