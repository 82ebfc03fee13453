#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "domain/session.hpp"

namespace agentctl {

/// Something in the registry that could not be used, for doctor and for a warning: it is never silently dropped.
struct RegistryTrouble {
  std::string path;
  std::string reason;
};

/// The records on disk: one JSON file a session, `live/NAME.ID.json` until it has ended and `ended/NAME.ID.json` then,
/// so that listing what lives does not read what has ended, and a name is found by reading a folder.
///
/// Each change is one rename of a whole file, made under one flock that is never held across a call that can block.
/// Ending writes to ended/ and then removes from live/; after a crash between the two the end counts. Rejected: one
/// file for all (a writer can lose another's entry), a database (a dependency, for records that are written thrice).
class Registry {
 public:
  /// `root` need not exist; the first create() makes it.
  explicit Registry(std::string root);

  const std::string& root() const { return root_; }

  /// Claims the record's name and writes it, in one step: nothing when that was done, else the record that has the
  /// name (and may turn out to be dead). Throws Error.
  std::optional<Record> create(const Record& record);

  /// Records that have no end, in no order. What cannot be read is set aside and told in troubles().
  std::vector<Record> live();
  std::vector<Record> ended();

  /// The records of a name, live and ended.
  std::vector<Record> by_name(const std::string& name);
  /// Records whose id begins so.
  std::vector<Record> by_id_prefix(const std::string& prefix);

  bool has_ended(const std::string& name, const std::string& id) const;

  /// Changes a live record under the lock. Nothing when it has ended or is gone; else the record as it is now.
  std::optional<Record> update(const std::string& name, const std::string& id,
                               const std::function<void(Record&)>& change);

  /// Ends a record, once: true when this call did it. `record` is what is written when the registry has lost it.
  bool finish(Record record, const End& end);

  /// Forgets an ended record. Returns whether it was there.
  bool remove_ended(const Record& record);

  /// Forgets a live record: a launch that was refused has changed nothing.
  void discard(const Record& record);

  const std::vector<RegistryTrouble>& troubles() const { return troubles_; }
  /// For a caller that goes on without the registry.
  void tell_trouble(const std::string& path, const std::string& reason);

 private:
  using Wanted = std::function<bool(const std::string& name, const std::string& id)>;

  std::string folder_path(std::string_view folder) const;
  std::string path(std::string_view folder, const std::string& name, const std::string& id) const;
  std::vector<Record> load(std::string_view folder, const Wanted& wanted);
  std::vector<Record> load_both(const Wanted& wanted);
  std::optional<Record> load_file(const std::string& path);
  FileLock lock() const;

  std::string root_;
  std::vector<RegistryTrouble> troubles_;
};

/// Where the registry is: /var/lib/agentctl for the system scope, $XDG_STATE_HOME/agentctl or
/// ~/.local/state/agentctl for a user's.
std::string registry_root(ManagerScope scope, const std::string& home, const char* xdg_state_home);

}  // namespace agentctl
