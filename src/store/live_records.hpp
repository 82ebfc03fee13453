#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/session.hpp"
#include "store/registry_trouble.hpp"

namespace agentctl {

struct LoadedRecords {
  std::vector<Record> records;
  std::vector<RegistryTrouble> troubles;
};

/// The records of live sessions: 16 files of one JSON record a line, `0.jsonl` to `f.jsonl`, chosen by a hash of the
/// name as the slices are. A list of 1,000 sessions opens 16 files and not 1,000, which took longer than all of
/// systemd's answer; a start rewrites a 16th of what lives, and not all of it.
///
/// Each change replaces one file as a whole; whoever makes it holds the registry's lock. A line that cannot be read
/// costs that record alone: it is told as a trouble and carried along as it is.
class LiveRecords {
 public:
  explicit LiveRecords(std::string folder) : folder_(std::move(folder)) {}

  LoadedRecords all() const;
  /// The same, one after another, for who keeps them in a place of its own: records are large. `expect` is told first
  /// how many there may be. Returns what could not be read.
  using Expect = std::function<void(std::size_t)>;
  using Sink = std::function<void(Record&&)>;
  std::vector<RegistryTrouble> for_each(const Expect& expect, const Sink& sink) const;
  LoadedRecords by_name(const std::string& name) const;
  LoadedRecords by_id_prefix(const std::string& prefix) const;
  std::optional<Record> find(const std::string& name, const std::string& id) const;

  /// Adds the record, or replaces the one of its id. A power cut does not undo it when the record must survive one
  /// (must_survive()), nor does it take away others that must. Throws Error.
  void put(const Record& record);
  /// The same for any record.
  void put_durably(const Record& record);
  /// No error when it is not there.
  void remove(const std::string& name, const std::string& id);

 private:
  /// What a line says first, before it is parsed.
  struct Key {
    std::string_view name;
    std::string_view id;
  };
  using Wanted = std::function<bool(const Key&)>;

  static std::optional<Key> key_of(std::string_view line);
  std::string path(char shard) const;
  std::string read(char shard, std::vector<RegistryTrouble>& troubles) const;
  void parse(char shard, std::string_view content, const Wanted& wanted, const Sink& sink,
             std::vector<RegistryTrouble>& troubles) const;
  LoadedRecords load(char shard, const Wanted& wanted) const;
  LoadedRecords load_all(const Wanted& wanted) const;
  std::vector<RegistryTrouble> for_each_wanted(const Wanted& wanted, const Expect& expect, const Sink& sink) const;
  void replace(const std::string& name, const std::string& id, std::string_view line, bool durably = false);

  std::string folder_;
};

}  // namespace agentctl
