#include "store/registry.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <iterator>
#include <set>
#include <span>
#include <string_view>
#include <unordered_set>

#include "base/error.hpp"
#include "domain/naming.hpp"
#include "domain/rivalry.hpp"
#include "domain/session_json.hpp"
#include "store/file_name.hpp"

namespace agentctl {
namespace {

// To a registry that is gone, with the XDG_STATE_HOME of a shell, say.
void remove_dangling_link(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode) && ::access(path.c_str(), F_OK) < 0 &&
      errno == ENOENT)
    remove_file(path);
}

struct Candidate {
  std::string file;
  FileName name;
};

std::optional<Record> read_record(int folder, const std::string& file, const std::string& path,
                                  std::vector<RegistryTrouble>& troubles) {
  try {
    const auto content = read_file_at(folder, file, record_size_limit);
    if (!content) return std::nullopt;
    return parse_record(*content);
  } catch (const Error& error) {
    troubles.push_back(trouble_with(path, error));
    return std::nullopt;
  }
}

LoadedRecords read_records(const std::string& folder, std::span<const Candidate> candidates) {
  LoadedRecords loaded;
  // Relative to the open folder: the kernel need not walk its whole path for each file.
  const Fd opened = open_directory(folder);
  loaded.records.reserve(candidates.size());
  for (const Candidate& candidate : candidates) {
    const std::string path = folder + "/" + candidate.file;
    auto record = read_record(opened.get(), candidate.file, path, loaded.troubles);
    if (!record) continue;
    if (record->request.name != candidate.name.name || record->id != candidate.name.id) {
      loaded.troubles.push_back({path, "its content is another session's"});
    } else if (!record->end) {
      loaded.troubles.push_back({path, "it does not say how the session ended"});
    } else {
      loaded.records.push_back(std::move(*record));
    }
  }
  return loaded;
}

// Thousands of small files are read and parsed on two cores: a thread costs as much as about ten of them.
LoadedRecords read_records_in_parallel(const std::string& folder, std::span<const Candidate> candidates) {
  constexpr std::size_t worth_a_thread = 200;
  if (candidates.size() < worth_a_thread) return read_records(folder, candidates);
  const std::size_t half = candidates.size() / 2;
  auto first = std::async(std::launch::async, read_records, folder, candidates.first(half));
  LoadedRecords rest = read_records(folder, candidates.subspan(half));
  LoadedRecords loaded = first.get();
  std::move(rest.records.begin(), rest.records.end(), std::back_inserter(loaded.records));
  std::move(rest.troubles.begin(), rest.troubles.end(), std::back_inserter(loaded.troubles));
  return loaded;
}

// Those that have ended, and those that have not and are not among them: a session that ends between the two reads is
// seen in both.
std::vector<Record> joined(std::vector<Record> live, std::vector<Record> ended) {
  std::unordered_set<std::string> ids;
  for (const Record& record : ended) ids.insert(record.id);
  for (Record& record : live)
    if (!ids.contains(record.id)) ended.push_back(std::move(record));
  return ended;
}

void give_ports(SessionRequest& request, const std::vector<Record>& live, const HostPorts& host) {
  if (!has_automatic_port(request)) return;
  std::set<std::uint16_t> held;
  for (const Record& record : live) held.insert(record.request.ports.begin(), record.request.ports.end());
  if (choose_ports(request, std::move(held), host)) return;
  throw Error({.code = ErrorCode::failed,
               .context = "cannot find a free port",
               .object = {},
               .reason = "all that are no part of net.ipv4.ip_local_port_range are taken",
               .hint = "--port N"});
}

}  // namespace

Registry::Registry(RegistryPlace place)
    : root_(std::move(place.root)),
      link_(std::move(place.link)),
      live_folder_(root_ + "/live"),
      launches_folder_(root_ + "/launches"),
      flows_folder_(root_ + "/flows"),
      ended_flows_folder_(root_ + "/ended-flows"),
      ended_folder_(root_ + "/ended"),
      hooks_folder_(root_ + "/hooks"),
      live_(live_folder_) {}

std::string Registry::ended_path(const std::string& name, const std::string& id) const {
  return ended_folder_ + "/" + to_string(FileName{name, id});
}

std::string Registry::hook_path(const Record& record) const {
  return hooks_folder_ + "/" + to_string(FileName{record.request.name, record.id});
}

void Registry::tell_trouble(const std::string& path, const std::string& reason) {
  // Each look at a folder meets the same file again.
  const auto told = [&](const RegistryTrouble& trouble) { return trouble.path == path; };
  if (std::none_of(troubles_.begin(), troubles_.end(), told)) troubles_.push_back({path, reason});
}

FileLock Registry::lock() const { return FileLock::acquire(root_ + "/lock"); }

std::vector<Record> Registry::taken(LoadedRecords loaded) {
  for (const RegistryTrouble& trouble : loaded.troubles) tell_trouble(trouble.path, trouble.reason);
  return std::move(loaded.records);
}

// One that has a port first: it is in the way also of who would replace the other.
std::optional<Record> Registry::find_rival(const SessionRequest& request, const std::vector<Record>& live) const {
  const Record* found = nullptr;
  for (const Record& holder : live) {
    const Rivalry rivalry = rivalry_of(request, holder.request);
    if (rivalry == Rivalry::none || (found != nullptr && rivalry != Rivalry::port)) continue;
    if (has_ended(holder.request.name, holder.id)) continue;
    found = &holder;
    if (rivalry == Rivalry::port) break;
  }
  return found == nullptr ? std::nullopt : std::optional(*found);
}

void Registry::make_live_folder() {
  remove_dangling_link(root_);
  make_directories(live_folder_);
  if (link_.empty()) return;
  try {
    make_directories(link_.substr(0, link_.find_last_of('/')));
    remove_dangling_link(link_);
    if (::symlink(root_.c_str(), link_.c_str()) < 0 && errno != EEXIST) throw system_error("cannot make", link_, errno);
  } catch (const Error& error) {
    tell_trouble(link_, error.reason());
  }
}

Creation Registry::create(const Record& record, const PoolLimits& limits, const HostPorts* host) {
  make_live_folder();
  const FileLock held = lock();
  Record stored = record;
  SessionRequest& request = stored.request;
  const auto live = taken(has_rivals_of_other_names(request) ? live_.all() : live_.by_name(request.name));
  if (auto rival = find_rival(request, live)) return {.rival = std::move(rival)};
  if (host != nullptr) {
    for (const std::uint16_t port : request.ports)
      if (port != automatic_port && host->is_listened_on(port)) return {.occupied = port};
    give_ports(request, live, *host);
  }
  if (record.queued != Queued::no && can_start_now(stored, limits)) stored.queued = Queued::no;
  live_.put(stored);
  return {.queued = stored.queued != Queued::no, .ports = request.ports};
}

std::optional<Record> Registry::find_live(const std::string& name, const std::string& id) const {
  return live_.find(name, id);
}

std::optional<Record> Registry::find(const std::string& name, const std::string& id) {
  // Live first, as in by_name().
  auto live = find_live(name, id);
  auto ended = find_ended(name, id);
  return ended ? std::move(ended) : std::move(live);
}

bool Registry::has_ended(const std::string& name, const std::string& id) const {
  return ::access(ended_path(name, id).c_str(), F_OK) == 0;
}

std::vector<std::pair<std::string, std::string>> Registry::ended_names() const {
  std::vector<std::pair<std::string, std::string>> names;
  for (const std::string& file : list_directory(ended_folder_))
    if (auto name = parse_file_name(file)) names.emplace_back(std::move(name->name), std::move(name->id));
  return names;
}

std::optional<Record> Registry::find_ended(const std::string& name, const std::string& id) {
  return load_ended_file(ended_path(name, id));
}

std::optional<Record> Registry::load_ended_file(const std::string& file) {
  std::vector<RegistryTrouble> troubles;
  auto record = read_record(AT_FDCWD, file, file, troubles);
  for (const RegistryTrouble& trouble : troubles) tell_trouble(trouble.path, trouble.reason);
  return record;
}

std::vector<Record> Registry::load_ended(const Wanted& wanted) {
  std::vector<std::string> files;
  try {
    files = list_directory(ended_folder_);
  } catch (const Error& error) {
    tell_trouble(ended_folder_, error.reason());
  }
  std::vector<Candidate> candidates;
  for (const std::string& file : files) {
    auto name = parse_file_name(file);
    if (!name) {
      if (!is_temporary_file(file)) tell_trouble(ended_folder_ + "/" + file, "not a record of agentctl");
    } else if (wanted(name->name, name->id)) {
      candidates.push_back({file, std::move(*name)});
    }
  }
  return taken(read_records_in_parallel(ended_folder_, candidates));
}

std::vector<Record> Registry::live() { return taken(live_.all()); }

void Registry::for_each_live(const LiveRecords::Expect& expect, const LiveRecords::Sink& sink) {
  for (const RegistryTrouble& trouble : live_.for_each(expect, sink)) tell_trouble(trouble.path, trouble.reason);
}

std::vector<Record> Registry::ended() {
  return load_ended([](const std::string&, const std::string&) { return true; });
}

std::vector<Record> Registry::by_name(const std::string& name) {
  // Live first: a session that ends between the two reads is then seen in both, never in neither.
  std::vector<Record> live = taken(live_.by_name(name));
  return joined(std::move(live),
                load_ended([&](const std::string& candidate, const std::string&) { return candidate == name; }));
}

std::vector<Record> Registry::by_id_prefix(const std::string& prefix) {
  std::vector<Record> live = taken(live_.by_id_prefix(prefix));
  return joined(std::move(live),
                load_ended([&](const std::string&, const std::string& id) { return id.starts_with(prefix); }));
}

std::optional<Record> Registry::update(const std::string& name, const std::string& id,
                                       const std::function<void(Record&)>& change) {
  if (!live_.find(name, id)) return std::nullopt;  // and maybe no folder to make a lock in
  const FileLock held = lock();
  auto record = live_.find(name, id);
  if (!record || has_ended(name, id)) return std::nullopt;
  change(*record);
  live_.put(*record);
  return record;
}

bool Registry::finish(Record record, const End& end) {
  make_directories(ended_folder_);
  const FileLock held = lock();
  return finish_locked(std::move(record), end);
}

bool Registry::finish_locked(Record record, const End& end) {
  const std::string& name = record.request.name;
  const std::string ended_file = ended_path(name, record.id);
  if (load_ended_file(ended_file)) {
    live_.remove(name, record.id);
    return false;
  }
  if (auto stored = live_.find(name, record.id)) record = std::move(*stored);
  record.end = end;
  // First, so that no end is without it. It is empty: the record says all.
  if (!record.request.on_end.empty()) {
    make_directories(hooks_folder_);
    write_file(hook_path(record), {});
  }
  // What follows from the end of a step must not happen twice, and what has been stopped must not start again.
  must_survive(record) ? write_file_durably(ended_file, to_json(record)) : write_file(ended_file, to_json(record));
  live_.remove(name, record.id);
  forget_launch(record.id);
  return true;
}

bool Registry::take_hook(const Record& ended) {
  if (ended.request.on_end.empty() || !remove_file(hook_path(ended))) return false;
  // A power cut must not bring it back when it has run.
  sync_directory(hooks_folder_);
  return true;
}

std::vector<Record> Registry::left_hooks() {
  const std::vector<std::string> files = list_directory(hooks_folder_);
  std::vector<Record> left;
  if (files.empty()) return left;
  const FileLock held = lock();
  for (const std::string& file : files) {
    const auto name = parse_file_name(file);
    if (!name) continue;
    if (auto ended = find_ended(name->name, name->id)) {
      left.push_back(std::move(*ended));
    } else if (!live_.find(name->name, name->id)) {
      remove_file(hooks_folder_ + "/" + file);  // of a record that was forgotten
    }
  }
  return left;
}

bool Registry::remove_ended(const Record& record) {
  if (!has_ended(record.request.name, record.id)) return false;
  const FileLock held = lock();  // whoever writes its end has taken it out of live/
  return remove_file(ended_path(record.request.name, record.id));
}

void Registry::discard(const Record& record) {
  if (!live_.find(record.request.name, record.id)) return;
  const FileLock held = lock();
  live_.remove(record.request.name, record.id);
}

RegistryPlace registry_place(ManagerScope scope, const std::string& home, const char* xdg_state_home) {
  if (scope == ManagerScope::system) return {"/var/lib/agentctl"};
  const std::string usual = home + "/.local/state/agentctl";
  // The XDG base directory specification: a relative path must be ignored.
  if (xdg_state_home == nullptr || xdg_state_home[0] != '/') return {usual};
  const std::string wanted = std::string(xdg_state_home) + "/agentctl";
  const auto exists = [](const std::string& path) { return ::access(path.c_str(), F_OK) == 0; };
  if (wanted == usual || (!exists(wanted) && exists(usual))) return {usual};
  return {wanted, usual};
}

}  // namespace agentctl
