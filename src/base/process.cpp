#include "base/process.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <ctime>
#include <map>

#include "base/file.hpp"
#include "base/system.hpp"
#include "base/text.hpp"

namespace agentctl {
namespace {

constexpr std::size_t proc_file_limit = 4u << 20;

/// The fields of /proc/PID/stat that follow the name, which is in parentheses and may hold anything.
std::vector<std::string> stat_fields(pid_t pid) {
  const std::string text = read_proc("/proc/" + std::to_string(pid) + "/stat", 4096);
  const auto name_end = text.rfind(')');
  std::vector<std::string> fields;
  if (name_end == std::string::npos) return fields;
  std::string field;
  for (const char c : text.substr(std::min(name_end + 2, text.size()))) {
    if (c != ' ' && c != '\n') {
      field += c;
    } else if (!field.empty()) {
      fields.push_back(std::move(field));
      field.clear();
    }
  }
  return fields;
}

constexpr std::size_t state_field = 0;
constexpr std::size_t parent_field = 1;
constexpr std::size_t start_field = 19;

std::vector<std::string> command_of(pid_t pid) {
  std::string text = read_proc("/proc/" + std::to_string(pid) + "/cmdline", proc_file_limit);
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\0', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

std::string cwd_of(pid_t pid) {
  std::array<char, PATH_MAX> path{};
  const ssize_t n = ::readlink(("/proc/" + std::to_string(pid) + "/cwd").c_str(), path.data(), path.size());
  return n > 0 ? std::string(path.data(), static_cast<std::size_t>(n)) : "";
}

std::string control_group_of_process(pid_t pid) {
  const std::string text = read_proc("/proc/" + std::to_string(pid) + "/cgroup", 4096);
  std::string_view left = text;
  while (!left.empty())
    if (const std::string_view line = take_line(left); line.starts_with("0::")) return std::string(line.substr(3));
  return {};
}

// In clock ticks since the boot; the boot's time follows from the two clocks.
TimePoint start_of(const std::vector<std::string>& fields) {
  const auto ticks = fields.size() > start_field ? parse_decimal(fields[start_field]) : std::nullopt;
  if (!ticks) return now();
  timespec since_boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
  const microseconds up(since_boot.tv_sec * 1'000'000LL + since_boot.tv_nsec / 1000);
  const microseconds started(*ticks * 1'000'000LL / ::sysconf(_SC_CLK_TCK));
  return now() - (up - started);
}

}  // namespace

std::optional<Process> find_process(pid_t pid) {
  struct stat status {};
  const std::vector<std::string> fields = stat_fields(pid);
  if (fields.size() <= start_field || ::stat(("/proc/" + std::to_string(pid)).c_str(), &status) < 0)
    return std::nullopt;
  return Process{.pid = pid,
                 .parent = static_cast<pid_t>(parse_decimal(fields[parent_field]).value_or(0)),
                 .uid = status.st_uid,
                 .is_zombie = fields[state_field] == "Z",
                 .command = command_of(pid),
                 .cwd = cwd_of(pid),
                 .control_group = control_group_of_process(pid),
                 .started_at = start_of(fields)};
}

std::vector<pid_t> process_tree(pid_t root) {
  std::multimap<pid_t, pid_t> children;
  for (const std::string& name : list_directory("/proc")) {
    const auto pid = parse_decimal(name);
    const std::vector<std::string> fields = pid ? stat_fields(static_cast<pid_t>(*pid)) : std::vector<std::string>{};
    if (fields.size() <= parent_field) continue;
    if (const auto parent = parse_decimal(fields[parent_field]))
      children.emplace(static_cast<pid_t>(*parent), static_cast<pid_t>(*pid));
  }
  std::vector<pid_t> tree{root};
  for (std::size_t i = 0; i < tree.size(); ++i)
    for (auto [child, end] = children.equal_range(tree[i]); child != end; ++child) tree.push_back(child->second);
  return tree;
}

}  // namespace agentctl
