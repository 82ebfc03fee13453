#include "domain/naming.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

#include "base/ascii.hpp"
#include "base/text.hpp"

namespace agentctl {
namespace {

constexpr std::string_view prefix = "agentctl-";

bool is_name_character(char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-'; }

std::string escape_for_unit(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (is_alphanumeric(c) || c == '_' || (c == '.' && !escaped.empty())) {
      escaped += c;
    } else {
      std::array<char, 8> hex{};
      std::snprintf(hex.data(), hex.size(), "\\x%02x", static_cast<unsigned char>(c));
      escaped += hex.data();
    }
  }
  return escaped;
}

// FNV-1a: stable over versions and machines, so that a name always has the same slice.
std::uint32_t hash(std::string_view text) {
  std::uint32_t value = 2166136261U;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 16777619U;
  return value;
}

std::string manager_option(const Record& record) { return record.scope == ManagerScope::user ? "--user " : ""; }

}  // namespace

bool is_valid_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name.front() != '-' && name.back() != '-' &&
         std::all_of(name.begin(), name.end(), is_name_character);
}

std::string slug(std::string_view text) {
  std::string result;
  for (const char c : to_lower(text)) {
    if (is_name_character(c) && c != '-') {
      result += c;
    } else if (!result.empty() && result.back() != '-') {
      result += '-';
    }
  }
  result.resize(std::min<std::size_t>(result.size(), 40));
  while (!result.empty() && result.back() == '-') result.pop_back();
  return result.empty() ? "session" : result;
}

std::string default_name(std::string_view command, std::string_view id) {
  return slug(base_name(command)) + "-" + std::string(id.substr(0, 6));
}

std::string unit_name(std::string_view name, SessionKind kind) {
  return std::string(prefix) + std::string(name) + "." + to_string(kind);
}

std::optional<std::string> name_from_unit(std::string_view unit) {
  if (!unit.starts_with(prefix)) return std::nullopt;
  unit.remove_prefix(prefix.size());
  for (const SessionKind kind : {SessionKind::service, SessionKind::scope}) {
    const std::string suffix = std::string(".") + to_string(kind);
    if (!unit.ends_with(suffix)) continue;
    unit.remove_suffix(suffix.size());
    if (is_valid_name(unit)) return std::string(unit);
    return std::nullopt;
  }
  return std::nullopt;
}

std::string project_slice(std::string_view project) {
  return std::string(prefix) + escape_for_unit(project) + ".slice";
}

// A word that people choose begins with a letter or digit, so "_" is none.
std::string group_slice(std::string_view project, std::string_view group) {
  return std::string(prefix) + (project.empty() ? "_" : escape_for_unit(project)) + "-" + escape_for_unit(group) +
         ".slice";
}

std::string crowded_slice(std::string_view slice, std::string_view name) {
  slice.remove_suffix(std::string_view(".slice").size());
  return std::string(slice).append({'-', '_', name_shard(name)}) + ".slice";
}

char name_shard(std::string_view name) { return name_shards[hash(name) % name_shards.size()]; }

std::string slice_name(const SessionRequest& request) {
  if (!request.group.empty()) return group_slice(request.project, request.group);
  if (!request.project.empty()) return project_slice(request.project);
  return std::string(prefix).append({'_', name_shard(request.name)}) + ".slice";
}

bool is_slice_name(std::string_view slice) {
  return slice.starts_with(prefix) && slice.ends_with(".slice") && slice.find('/') == std::string_view::npos;
}

std::string slice_of(const Record& record) { return record.slice.empty() ? slice_name(record.request) : record.slice; }

std::string unit_description(const Record& record) {
  const std::string program = record.request.command.empty() ? "" : base_name(record.request.command.front());
  return "agentctl session " + record.id + ": " + shorten(to_printable(program), 40);
}

std::string unit_status_command(const Record& record) {
  return "systemctl " + manager_option(record) + "status " + record.unit;
}

std::string unit_log_command(const Record& record) {
  return "journalctl " + manager_option(record) + "-u " + record.unit;
}

std::optional<std::string> id_from_description(std::string_view description) {
  constexpr std::string_view lead = "agentctl session ";
  if (!description.starts_with(lead)) return std::nullopt;
  const std::string_view id = description.substr(lead.size(), id_length);
  if (!is_valid_id(id)) return std::nullopt;
  return std::string(id);
}

bool is_valid_id(std::string_view id) {
  return id.size() == id_length && id.front() >= 'a' && id.front() <= 'z' &&
         std::all_of(id.begin(), id.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7'); });
}

std::string base_name(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return std::string(path.substr(path.find_last_of('/') + 1));
}

}  // namespace agentctl
