#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "domain/session.hpp"
#include "store/live_records.hpp"
#include "store/registry_trouble.hpp"

namespace agentctl {

/// The records on disk: those of live sessions in a few files (live/, store/live_records.hpp), and one JSON file for
/// each that has ended (`ended/NAME.ID.json`), so that listing what lives does not read what has ended.
///
/// Each change is one rename of a whole file, made under one flock that is never held across a call that can block.
/// Ending writes to ended/ and then removes from live/; after a crash between the two the end counts. Rejected: one
/// file for all (each start would write all of it), a database (a dependency, for records that are written thrice).
class Registry {
 public:
  /// `root` need not exist; the first create() makes it.
  explicit Registry(std::string root);

  const std::string& root() const { return root_; }

  /// Claims the record's name, and what else only one may have (domain/rivalry.hpp), and writes it, in one step:
  /// nothing when that was done, else the record that has it (and may turn out to be dead). Throws Error.
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

  std::string ended_path(const std::string& name, const std::string& id) const;
  std::vector<Record> taken(LoadedRecords loaded);
  std::vector<Record> load_ended(const Wanted& wanted);
  std::optional<Record> load_ended_file(const std::string& path);
  FileLock lock() const;

  std::string root_;
  std::string live_folder_;
  std::string ended_folder_;
  LiveRecords live_;
  std::vector<RegistryTrouble> troubles_;
};

/// Where the registry is: /var/lib/agentctl for the system scope, $XDG_STATE_HOME/agentctl or
/// ~/.local/state/agentctl for a user's.
std::string registry_root(ManagerScope scope, const std::string& home, const char* xdg_state_home);

}  // namespace agentctl
