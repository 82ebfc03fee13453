#include "store/runtime_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/error.hpp"
#include "domain/naming.hpp"

namespace agentctl {
namespace {

class UmaskGuard {
 public:
  explicit UmaskGuard(mode_t mask) : before_(::umask(mask)) {}
  ~UmaskGuard() { ::umask(before_); }
  UmaskGuard(const UmaskGuard&) = delete;
  UmaskGuard& operator=(const UmaskGuard&) = delete;

 private:
  mode_t before_;
};

constexpr const char* lock_file = "starter.lock";
constexpr const char* withdrawn_file = "launch.withdrawn";
constexpr const char* fresh_launch_suffix = ".launch";

}  // namespace

std::string RuntimeFolders::make_folder(const std::string& id, std::optional<uid_t> owner) const {
  // The base of the system scope is passed through by the users that sessions run as; each folder in it is its own's.
  make_directories(base_, owner ? 0711 : 0700);
  if (owner && ::chmod(base_.c_str(), 0711) < 0) throw system_error("cannot open the folder to sessions", base_, errno);
  std::string own = folder(id);
  if (::mkdir(own.c_str(), 0700) < 0) throw system_error("cannot make the folder", own, errno);
  return own;
}

// The folder last: until then its owner cannot reach what is in it.
void RuntimeFolders::hand_over(const std::vector<std::string>& paths, std::optional<uid_t> owner) const {
  if (!owner) return;
  for (const std::string& path : paths)
    if (::lchown(path.c_str(), *owner, static_cast<gid_t>(-1)) < 0) throw system_error("cannot hand over", path, errno);
}

HeldLaunch RuntimeFolders::create(const Launch& launch, std::optional<uid_t> owner) {
  const std::string own = make_folder(launch.record.id, owner);
  FileLock lock = FileLock::acquire(own + "/" + lock_file);
  const std::string file = own + "/" + launch_file;
  write_file(file, to_json(launch), 0600);
  hand_over({file, own}, owner);
  return {.folder = own, .lock = std::move(lock)};
}

void RuntimeFolders::rewrite(const Launch& launch, std::optional<uid_t> owner) const {
  const std::string own = folder(launch.record.id);
  // Beside the folder: what is in it is its owner's to exchange.
  const std::string fresh = own + fresh_launch_suffix;
  const std::string file = own + "/" + launch_file;
  try {
    write_file(fresh, to_json(launch), 0600);
    hand_over({fresh}, owner);
    if (::rename(fresh.c_str(), file.c_str()) < 0) throw system_error("cannot write", file, errno);
  } catch (...) {
    ::unlink(fresh.c_str());
    throw;
  }
}

std::optional<HeldLaunch> RuntimeFolders::take_over(const std::string& id) {
  auto lock = FileLock::try_acquire(folder(id) + "/" + lock_file);
  if (!lock) return std::nullopt;
  return HeldLaunch{.folder = folder(id), .lock = std::move(*lock)};
}

std::string RuntimeFolders::create_for_hook(const std::string& id, const Hook& hook, std::optional<uid_t> owner) {
  std::string own = make_folder(id, owner);
  const std::string file = own + "/" + hook_file;
  write_file(file, to_json(hook), 0600);
  hand_over({file, own}, owner);
  return own;
}

void RuntimeFolders::plan_attempt(const std::string& id, const AttemptPlan& plan) const {
  // A host that runs as another user reads it, also what the reconcile unit writes with its UMask=.
  const UmaskGuard mask(022);
  write_file(folder(id) + "/" + attempt_plan_file, to_json(plan), 0644);
}

void RuntimeFolders::forget_attempt(const std::string& id) const { remove_file(folder(id) + "/" + attempt_plan_file); }

std::optional<Launch> RuntimeFolders::launch(const std::string& id) const {
  const auto file = read_file_of_somebody(folder(id) + "/" + launch_file, launch_size_limit);
  if (!file) return std::nullopt;
  Launch launch = parse_launch(file->content);
  // It is that user's word, and must not become what root runs. Not by name: the recorder is linked statically, and
  // cannot use the name services of the host.
  if (file->owner != ::geteuid()) launch.record.request.user = std::to_string(file->owner);
  return launch;
}

std::optional<HostNote> RuntimeFolders::note(const std::string& id) const {
  try {
    const auto content = read_file(folder(id) + "/" + host_note_file, host_note_size_limit);
    return content ? std::optional(parse_host_note(*content)) : std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<HealthReport> RuntimeFolders::health(const std::string& id) const {
  try {
    const auto file = read_file_of_somebody(folder(id) + "/" + health_note_file, host_note_size_limit);
    if (!file) return std::nullopt;
    return HealthReport{.note = parse_health_note(file->content), .checked_at = file->modified_at};
  } catch (const Error&) {
    return std::nullopt;
  }
}

bool RuntimeFolders::exists(const std::string& id) const { return ::access(folder(id).c_str(), F_OK) == 0; }

bool RuntimeFolders::starter_alive(const std::string& id) const {
  return FileLock::is_held(folder(id) + "/" + lock_file);
}

bool RuntimeFolders::is_abandoned(const std::string& id) const {
  return is_older_than_a_minute(folder(id)) && !starter_alive(id);
}

bool RuntimeFolders::withdraw(const std::string& id) const {
  const std::string own = folder(id) + "/";
  return ::rename((own + launch_file).c_str(), (own + withdrawn_file).c_str()) == 0;
}

void RuntimeFolders::give_back(const std::string& id) const {
  const std::string own = folder(id) + "/";
  ::rename((own + withdrawn_file).c_str(), (own + launch_file).c_str());
}

void RuntimeFolders::remove(const std::string& id) const { remove_directory(folder(id)); }

std::vector<std::string> RuntimeFolders::ids() const {
  std::vector<std::string> found;
  for (std::string& name : list_directory(base_))
    if (is_valid_id(name)) found.push_back(std::move(name));
  return found;
}

void RuntimeFolders::remove_strays() const {
  for (const std::string& name : list_directory(base_)) {
    const std::string path = base_ + "/" + name;
    if (name.find(fresh_launch_suffix) == id_length && is_older_than_a_minute(path)) remove_file(path);
  }
}

std::string runtime_base(ManagerScope scope, const std::string& user_runtime_dir) {
  return (scope == ManagerScope::system ? "/run" : user_runtime_dir) + "/agentctl";
}

}  // namespace agentctl
