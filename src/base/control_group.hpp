#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace agentctl {

/// What the kernel accounts to a control group; empty where no controller does.
struct ControlGroupUsage {
  std::optional<std::uint64_t> cpu_ns;
  std::optional<std::uint64_t> memory_bytes;
  std::optional<std::uint64_t> memory_peak_bytes;
  std::optional<std::uint64_t> processes;
};

/// Reads the files of one control group (v2, Documentation/admin-guide/cgroup-v2.rst). `path` is below the hierarchy's
/// root, as systemd gives it: "/user.slice/…/agentctl-web.service".
ControlGroupUsage read_usage(const std::string& path);

/// Every process in the group and below it.
std::vector<pid_t> read_processes(const std::string& path);

/// Whether the kernel knows the group, or one below it, by this number (the inode of its folder).
bool has_group_id(const std::string& path, std::uint64_t id);

/// How many groups are directly in it.
std::size_t count_child_groups(const std::string& path);

/// How many processes of the group the kernel killed for memory.
std::uint64_t count_oom_kills(const std::string& path);

/// The group of the unit that a process is in, from its /proc/PID/cgroup (cgroups(7)); empty when there is none. What
/// systemd runs beside the main process of a unit with Delegate= is in ".control" below that (its
/// CGROUP_DELEGATION.md).
std::string unit_group(std::string_view cgroup_file);

/// That of this process.
std::string own_unit_group();

}  // namespace agentctl
