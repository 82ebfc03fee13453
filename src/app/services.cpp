#include "app/services.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/fd.hpp"
#include "store/configuration_file.hpp"

namespace agentctl {
namespace {

bool begins_with(const std::string& path, std::string_view beginning) {
  // O_NONBLOCK: what was a file a moment ago may be a FIFO now.
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::array<char, 16> text{};
  ssize_t n = -1;
  do n = fd ? ::read(fd.get(), text.data(), text.size()) : -1;
  while (fd && n < 0 && errno == EINTR);
  return n > 0 && std::string_view(text.data(), static_cast<std::size_t>(n)).starts_with(beginning);
}

}  // namespace

GitMark git_mark_at(const std::string& base, const std::string& folder) {
  const std::string path = (folder.starts_with('/') ? folder : base + "/" + folder) + "/.git";
  struct stat status {};
  if (::stat(path.c_str(), &status) < 0) return GitMark::none;
  if (S_ISDIR(status.st_mode)) return GitMark::folder;
  if (S_ISREG(status.st_mode) && begins_with(path, "gitdir:")) return GitMark::pointer;
  return GitMark::other;
}

CheckedServices check_services(const Context& context, const ApplyRequest& request) {
  ServiceRules rules = read_configuration(context.configuration_files).services;
  rules.require_git_workdir = request.require_git_workdir.value_or(rules.require_git_workdir);
  CheckedServices answer = check_service_file(request.text, rules, [&](const std::string& folder) {
    return git_mark_at(context.cwd, folder);
  });
  if (const auto* file = std::get_if<ServiceFile>(&answer))
    if (auto refusal = check_written_by(*file, request.agent, request.work_item)) answer = std::move(*refusal);
  return answer;
}

}  // namespace agentctl
