#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.hpp"
#include "domain/flow.hpp"
#include "domain/launch.hpp"
#include "domain/ports.hpp"
#include "domain/queue.hpp"
#include "domain/session.hpp"
#include "store/live_records.hpp"
#include "store/registry_trouble.hpp"

namespace agentctl {

struct RegistryPlace {
  std::string root;
  std::string link{};  ///< made a symbolic link to the root where nothing is, by the first create(); empty: none
};

/// What became of a record that was to be created.
struct Creation {
  std::optional<Record> rival{};            ///< has what only one may have (and may be dead); nothing was written
  std::optional<std::uint16_t> occupied{};  ///< a port on which somebody listens already; nothing was written
  bool queued = false;                      ///< written, and it has to wait
  std::vector<std::uint16_t> ports{};       ///< those of the request, the automatic ones as they were chosen
};

/// What became of the attempt to hold a queued session's launch, so that it can be started.
enum class Hold {
  held,
  busy,  ///< the agentctl that queues it is still at it, and will look for what may start afterwards
  gone,  ///< it cannot be started any more; the record's end says why
};

/// The records on disk: those of live sessions in a few files (live/, store/live_records.hpp), and one JSON file for
/// each that has ended (`ended/NAME.ID.json`), so that listing what lives does not read what has ended.
///
/// Each change is one rename of a whole file, made under one flock that is never held across a call that can block.
/// Ending writes to ended/ and then removes from live/; after a crash between the two the end counts. Rejected: one
/// file for all (each start would write all of it), a database (a dependency, for records that are written thrice).
class Registry {
 public:
  /// `root` need not exist; the first create() makes it.
  explicit Registry(std::string root) : Registry(RegistryPlace{std::move(root), {}}) {}
  explicit Registry(RegistryPlace place);

  const std::string& root() const { return root_; }
  const std::string& link() const { return link_; }

  /// Claims the record's name, what else only one may have (domain/rivalry.hpp), its ports and a slot of its pool, and
  /// writes it, in one step. Without `host` nobody else is looked for on its ports: it lives already. When there is no
  /// slot, `record.queued` says who will start it later; it is `no` in what was written when there is one. Throws
  /// Error.
  Creation create(const Record& record, const PoolLimits& limits = {}, const HostPorts* host = nullptr);

  /// Records that have no end, in no order. What cannot be read is set aside and told in troubles().
  std::vector<Record> live();
  /// The same, one after another (store/live_records.hpp).
  void for_each_live(const LiveRecords::Expect& expect, const LiveRecords::Sink& sink);
  std::vector<Record> ended();

  /// The records of a name, live and ended.
  std::vector<Record> by_name(const std::string& name);
  /// Records whose id begins so.
  std::vector<Record> by_id_prefix(const std::string& prefix);

  std::optional<Record> find_live(const std::string& name, const std::string& id) const;
  /// One record, live or ended.
  std::optional<Record> find(const std::string& name, const std::string& id);
  bool has_ended(const std::string& name, const std::string& id) const;

  /// Names and ids of all that have ended, without reading a record.
  std::vector<std::pair<std::string, std::string>> ended_names() const;
  std::optional<Record> find_ended(const std::string& name, const std::string& id);

  /// Changes a live record under the lock. Nothing when it has ended or is gone; else the record as it is now.
  std::optional<Record> update(const std::string& name, const std::string& id,
                               const std::function<void(Record&)>& change);

  /// Ends a record, once: true when this call did it. `record` is what is written when the registry has lost it.
  bool finish(Record record, const End& end);

  /// The --on-end command of an ended session is for whoever takes it: true for one call alone, whatever happens to the
  /// caller or the host afterwards.
  bool take_hook(const Record& ended);
  /// Those that nobody has taken: whoever wrote the end was killed.
  std::vector<Record> left_hooks();

  /// Ends a record that is still queued, or forgets it when no end is given. False when it was claimed or has ended.
  bool cancel(const Record& record, const std::optional<End>& end);

  /// Claims the next record that may start (domain/queue.hpp), in one step: counts, calls `hold` for the first in line,
  /// which may set what the start needs, and writes that it is queued no more. What is `gone`, and the steps of a flow
  /// that was never written, are ended on the way and added to `ended`.
  std::optional<Record> claim_next(const PoolLimits& limits, const std::function<Hold(Record&)>& hold,
                                   std::vector<Record>& ended);

  /// Puts a claimed record that was never started back in line. False when it has ended.
  bool requeue(const Record& record);

  /// What starts a session later, also after a reboot: its launch, with the environment, 0600.
  void store_launch(const Launch& launch);
  std::optional<Launch> stored_launch(const std::string& id);
  void forget_launch(const std::string& id);
  /// Forgets the launches that nobody will start: without a record, and old enough (a minute) that none can be just
  /// about to be written. Returns their ids.
  std::vector<std::string> forget_abandoned_launches();

  /// Removes half-written files that are old enough (a minute) that nobody is just about to rename them.
  void remove_strays() const;

  /// Writes a flow and the records of its steps, all queued, in one step: nothing when that was done, else what is in
  /// the way, in words. Throws Error.
  std::optional<std::string> create_flow(const Flow& flow, const std::vector<Record>& records);

  /// Flows without an end; all flows.
  std::vector<Flow> live_flows();
  std::vector<Flow> flows();

  /// Changes a live flow. Nothing when it has ended or is gone; else the flow as it is now.
  std::optional<Flow> update_flow(const Flow& flow, const std::function<void(Flow&)>& change);

  /// Cancels the steps that can never start, and ends the flow when nothing is left of it. Returns the flow as it is
  /// then; what was cancelled is added to `cancelled`.
  Flow advance_flow(const Flow& flow, std::vector<Record>& cancelled);
  /// How its steps stand, in the flow's order.
  std::vector<StepStanding> standings(const Flow& flow);

  /// Forgets an ended flow; its sessions' records stay.
  void remove_flow(const Flow& flow);

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
  std::string hook_path(const Record& record) const;
  std::vector<Record> taken(LoadedRecords loaded);
  std::vector<Record> load_ended(const Wanted& wanted);
  std::optional<Record> find_rival(const SessionRequest& request, const std::vector<Record>& live) const;
  std::optional<Record> load_ended_file(const std::string& path);
  FileLock lock() const;
  bool finish_locked(Record record, const End& end);
  bool can_start_now(const Record& record, const PoolLimits& limits);
  std::vector<Record> unended();
  std::set<std::string> steps_that_may_start(const std::vector<Record>& live);
  void end_orphans(std::vector<Record>& live, std::vector<Record>& ended);
  std::string launch_path(const std::string& id) const;
  std::string flow_path(const std::string& name, const std::string& id) const;
  bool has_flow_ended(const Flow& flow) const;
  std::vector<StepStanding> standings(const Flow& flow, const std::vector<Record>& live);
  std::optional<Flow> load_flow(const std::string& path);
  std::vector<Flow> load_flows(const std::string& folder);

  void make_live_folder();

  std::string root_;
  std::string link_;
  std::string live_folder_;
  std::string launches_folder_;
  std::string flows_folder_;
  std::string ended_flows_folder_;
  std::string ended_folder_;
  std::string hooks_folder_;
  LiveRecords live_;
  std::vector<RegistryTrouble> troubles_;
};

/// /var/lib/agentctl for the system scope, $XDG_STATE_HOME/agentctl or ~/.local/state/agentctl for a user's. A manager
/// has one registry, and starts helpers and timers that do not see what a shell has set: where one is only in the
/// latter place it is that one, and one that is made elsewhere is linked from there.
RegistryPlace registry_place(ManagerScope scope, const std::string& home, const char* xdg_state_home);

}  // namespace agentctl
