#include "store/file_name.hpp"

#include "domain/naming.hpp"

namespace agentctl {
namespace {

constexpr std::string_view suffix = ".json";

}  // namespace

std::string to_string(const FileName& name) { return (name.name + "." + name.id).append(suffix); }

std::optional<FileName> parse_file_name(std::string_view file) {
  if (!file.ends_with(suffix)) return std::nullopt;
  file.remove_suffix(suffix.size());
  const auto dot = file.find('.');
  if (dot == std::string_view::npos || !is_valid_name(file.substr(0, dot)) || !is_valid_id(file.substr(dot + 1)))
    return std::nullopt;
  return FileName{std::string(file.substr(0, dot)), std::string(file.substr(dot + 1))};
}

}  // namespace agentctl
