#include "base/control_group.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
#include <string_view>

#include "base/fd.hpp"
#include "base/text.hpp"

namespace agentctl {
namespace {

// Where the v2 hierarchy is: alone, or beside v1 (systemd's "hybrid").
const std::string& hierarchy_root() {
  static const std::string root =
      ::access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
  return root;
}

// A list of 1,000 sessions reads thousands of these small files: opened beside the folder, read with one call.
std::string read_at(int folder, const char* name, std::size_t limit = 4096) {
  const Fd fd(::openat(folder, name, O_RDONLY | O_CLOEXEC));
  if (!fd) return {};
  std::string content(limit, '\0');
  std::size_t used = 0;
  for (;;) {
    const ssize_t n = ::read(fd.get(), content.data() + used, content.size() - used);
    if (n <= 0) break;
    used += static_cast<std::size_t>(n);
    if (used < content.size()) break;
    content.resize(content.size() * 2);
  }
  content.resize(used);
  return content;
}

std::optional<std::uint64_t> number_at(int folder, const char* name) {
  std::string text = read_at(folder, name, 64);
  if (text.ends_with('\n')) text.pop_back();
  return parse_decimal(text);
}

std::optional<std::uint64_t> keyed_number(const std::string& text, std::string_view key) {
  std::string_view left = text;
  while (!left.empty()) {
    const std::string_view line = take_line(left);
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ')
      return parse_decimal(line.substr(key.size() + 1));
  }
  return std::nullopt;
}

Fd open_folder(const std::string& path) { return Fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)); }

// Calls for the group and each below it with its open folder, until told that this is enough. Returns whether it was.
bool visit_groups(const std::string& path, const std::function<bool(int folder, const struct stat&)>& is_enough) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
  struct stat status {};
  if (!dir || ::fstat(::dirfd(dir.get()), &status) < 0) return false;
  if (is_enough(::dirfd(dir.get()), status)) return true;
  // A folder of the kernel's has one link for each folder in it: without any there is nothing to search.
  if (status.st_nlink == 2) return false;
  while (const dirent* entry = ::readdir(dir.get()))
    if (const std::string_view name = entry->d_name; entry->d_type == DT_DIR && name != "." && name != "..")
      if (visit_groups(path + "/" + entry->d_name, is_enough)) return true;
  return false;
}

void add_processes(const std::string& path, std::vector<pid_t>& pids) {
  visit_groups(path, [&](int folder, const struct stat&) {
    const std::string content = read_at(folder, "cgroup.procs");
    std::string_view left = content;
    while (!left.empty()) {
      if (const auto pid = parse_decimal(take_line(left))) pids.push_back(static_cast<pid_t>(*pid));
    }
    return false;
  });
}

}  // namespace

ControlGroupUsage read_usage(const std::string& path) {
  ControlGroupUsage usage;
  const Fd folder = open_folder(hierarchy_root() + path);
  if (!folder) return usage;
  if (const auto usec = keyed_number(read_at(folder.get(), "cpu.stat"), "usage_usec")) usage.cpu_ns = *usec * 1000;
  usage.memory_bytes = number_at(folder.get(), "memory.current");
  if (usage.memory_bytes) usage.memory_peak_bytes = number_at(folder.get(), "memory.peak");
  usage.processes = number_at(folder.get(), "pids.current");
  if (!usage.processes) {
    std::vector<pid_t> pids;
    add_processes(hierarchy_root() + path, pids);
    usage.processes = pids.size();
  }
  return usage;
}

std::vector<pid_t> read_processes(const std::string& path) {
  std::vector<pid_t> pids;
  add_processes(hierarchy_root() + path, pids);
  return pids;
}

bool has_group_id(const std::string& path, std::uint64_t id) {
  return visit_groups(hierarchy_root() + path, [&](int, const struct stat& status) { return status.st_ino == id; });
}

std::size_t count_child_groups(const std::string& path) {
  struct stat status {};
  // A folder of the kernel's has one link for each folder in it, and two of its own.
  return ::stat((hierarchy_root() + path).c_str(), &status) == 0 && status.st_nlink > 2 ? status.st_nlink - 2 : 0;
}

std::uint64_t count_oom_kills(const std::string& path) {
  const Fd folder = open_folder(hierarchy_root() + path);
  if (!folder) return 0;
  return keyed_number(read_at(folder.get(), "memory.events"), "oom_kill").value_or(0);
}

std::string unit_group(std::string_view cgroup_file) {
  while (!cgroup_file.empty()) {
    std::string_view line = take_line(cgroup_file);
    if (!line.starts_with("0::")) continue;
    line.remove_prefix(3);
    if (constexpr std::string_view control = "/.control"; line.ends_with(control)) line.remove_suffix(control.size());
    return std::string(line);
  }
  return {};
}

std::string own_unit_group() {
  const Fd fd(::open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC));
  std::array<char, 4096> content{};
  const ssize_t n = fd ? ::read(fd.get(), content.data(), content.size()) : 0;
  return unit_group({content.data(), n > 0 ? static_cast<std::size_t>(n) : 0});
}

}  // namespace agentctl
