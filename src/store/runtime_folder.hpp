#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "domain/hook.hpp"
#include "domain/launch.hpp"

namespace agentctl {

/// A started launch that nobody else takes for abandoned while this object lives: an flock on the launch, which the
/// kernel lets go of when the starter dies, however it dies.
struct HeldLaunch {
  std::string folder;  ///< the session's runtime folder
  FileLock lock;
};

/// The folders of live sessions on the runtime tmpfs, `BASE/ID/`: the launch file (with the environment, so 0600), the
/// host's note and its control socket. They go when the session has ended.
class RuntimeFolders {
 public:
  explicit RuntimeFolders(std::string base) : base_(std::move(base)) {}

  std::string folder(const std::string& id) const { return base_ + "/" + id; }

  /// Makes the folder and the launch file, owned by `owner` when the session runs as another user.
  HeldLaunch create(const Launch& launch, std::optional<uid_t> owner);

  /// Writes the launch that this process holds once more. Throws Error.
  void rewrite(const Launch& launch, std::optional<uid_t> owner) const;

  /// Holds a launch whose starter has died. Nothing when somebody else does.
  std::optional<HeldLaunch> take_over(const std::string& id);

  /// Makes a folder for what follows a session's end; returns its path.
  std::string create_for_hook(const std::string& id, const Hook& hook, std::optional<uid_t> owner);

  /// One that belongs to another user is for a session that runs as that user, whatever it says.
  std::optional<Launch> launch(const std::string& id) const;
  /// What the session host and the probe say. Nothing also for what cannot be read as that: a session that runs as
  /// another user can put anything there, at any time.
  std::optional<HostNote> note(const std::string& id) const;
  std::optional<HealthReport> health(const std::string& id) const;

  bool exists(const std::string& id) const;

  /// Whether the agentctl that makes this launch is still at it.
  bool starter_alive(const std::string& id) const;

  /// Whether a folder without a record is nobody's: no starter holds it, and it is old enough (a minute) that none can
  /// be just about to.
  bool is_abandoned(const std::string& id) const;

  /// Takes the launch away from a host that has not read it yet, so that it cannot start any more, and gives it back
  /// when that turns out to be wrong. Returns whether there was one to take.
  bool withdraw(const std::string& id) const;
  void give_back(const std::string& id) const;

  /// Tells the host of the next attempt when to begin and when to end.
  void plan_attempt(const std::string& id, const AttemptPlan& plan) const;
  void forget_attempt(const std::string& id) const;

  void remove(const std::string& id) const;

  /// The tmpfs that all of them are on.
  std::string parent() const { return base_.substr(0, base_.find_last_of('/')); }

  /// Removes what a starter that was killed has left beside the folders.
  void remove_strays() const;

  /// The ids that have a folder.
  std::vector<std::string> ids() const;

 private:
  std::string make_folder(const std::string& id, std::optional<uid_t> owner) const;
  void hand_over(const std::vector<std::string>& paths, std::optional<uid_t> owner) const;

  std::string base_;
};

/// /run/agentctl, or $XDG_RUNTIME_DIR/agentctl of a user.
std::string runtime_base(ManagerScope scope, const std::string& user_runtime_dir);

}  // namespace agentctl
