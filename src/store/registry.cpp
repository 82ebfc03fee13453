#include "store/registry.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <iterator>
#include <span>
#include <string_view>
#include <unordered_set>

#include "base/error.hpp"
#include "domain/naming.hpp"
#include "domain/session_json.hpp"

namespace agentctl {
namespace {

constexpr std::string_view live_folder = "live";
constexpr std::string_view ended_folder = "ended";
constexpr std::string_view suffix = ".json";

struct FileName {
  std::string name;
  std::string id;
};

std::optional<FileName> parse_file_name(std::string_view file) {
  if (!file.ends_with(suffix)) return std::nullopt;
  file.remove_suffix(suffix.size());
  const auto dot = file.find('.');
  if (dot == std::string_view::npos || !is_valid_name(file.substr(0, dot)) || !is_valid_id(file.substr(dot + 1)))
    return std::nullopt;
  return FileName{std::string(file.substr(0, dot)), std::string(file.substr(dot + 1))};
}

// Files of ours that are no records: a writer's temporary file, and what was set aside.
bool is_ours(std::string_view file) { return file.ends_with(".tmp") || file.ends_with(".broken"); }

struct Candidate {
  std::string file;
  FileName name;
};

struct Loaded {
  std::vector<Record> records;
  std::vector<RegistryTrouble> troubles;
};

std::optional<Record> read_record(int folder, const std::string& file, const std::string& path,
                                  std::vector<RegistryTrouble>& troubles) {
  try {
    const auto content = read_file_at(folder, file, record_size_limit);
    if (!content) return std::nullopt;
    return parse_record(*content);
  } catch (const Error& error) {
    troubles.push_back({path, error.reason().empty() ? error.what() : error.reason()});
    return std::nullopt;
  }
}

Loaded read_records(const std::string& folder, std::span<const Candidate> candidates, bool ended) {
  Loaded loaded;
  // Relative to the open folder: the kernel need not walk its whole path for each file.
  const Fd opened = open_directory(folder);
  loaded.records.reserve(candidates.size());
  for (const Candidate& candidate : candidates) {
    const std::string path = folder + "/" + candidate.file;
    auto record = read_record(opened.get(), candidate.file, path, loaded.troubles);
    if (!record) continue;
    if (record->request.name != candidate.name.name || record->id != candidate.name.id) {
      loaded.troubles.push_back({path, "its content is another session's"});
    } else if (ended && !record->end) {
      loaded.troubles.push_back({path, "it does not say how the session ended"});
    } else {
      loaded.records.push_back(std::move(*record));
    }
  }
  return loaded;
}

// Thousands of small files are read and parsed on two cores: a thread costs as much as about ten of them.
Loaded read_records_in_parallel(const std::string& folder, std::span<const Candidate> candidates, bool ended) {
  constexpr std::size_t worth_a_thread = 200;
  if (candidates.size() < worth_a_thread) return read_records(folder, candidates, ended);
  const std::size_t half = candidates.size() / 2;
  auto first = std::async(std::launch::async, read_records, folder, candidates.first(half), ended);
  Loaded rest = read_records(folder, candidates.subspan(half), ended);
  Loaded loaded = first.get();
  std::move(rest.records.begin(), rest.records.end(), std::back_inserter(loaded.records));
  std::move(rest.troubles.begin(), rest.troubles.end(), std::back_inserter(loaded.troubles));
  return loaded;
}

}  // namespace

Registry::Registry(std::string root) : root_(std::move(root)) {}

std::string Registry::folder_path(std::string_view folder) const { return root_ + "/" + std::string(folder); }

std::string Registry::path(std::string_view folder, const std::string& name, const std::string& id) const {
  return folder_path(folder) + "/" + name + "." + id + std::string(suffix);
}

void Registry::tell_trouble(const std::string& path, const std::string& reason) {
  // Each look at a folder meets the same file again.
  const auto told = [&](const RegistryTrouble& trouble) { return trouble.path == path; };
  if (std::none_of(troubles_.begin(), troubles_.end(), told)) troubles_.push_back({path, reason});
}

FileLock Registry::lock() const { return FileLock::acquire(root_ + "/lock"); }

std::optional<Record> Registry::create(const Record& record) {
  make_directories(folder_path(live_folder));
  const FileLock held = lock();
  std::vector<Record> holders =
      load(live_folder, [&](const std::string& name, const std::string&) { return name == record.request.name; });
  for (Record& holder : holders)
    if (!has_ended(holder.request.name, holder.id)) return std::move(holder);
  write_file(path(live_folder, record.request.name, record.id), to_json(record));
  return std::nullopt;
}

bool Registry::has_ended(const std::string& name, const std::string& id) const {
  return ::access(path(ended_folder, name, id).c_str(), F_OK) == 0;
}

std::optional<Record> Registry::load_file(const std::string& file) {
  std::vector<RegistryTrouble> troubles;
  auto record = read_record(AT_FDCWD, file, file, troubles);
  for (const RegistryTrouble& trouble : troubles) tell_trouble(trouble.path, trouble.reason);
  return record;
}

std::vector<Record> Registry::load(std::string_view folder, const Wanted& wanted) {
  std::vector<std::string> files;
  try {
    files = list_directory(folder_path(folder));
  } catch (const Error& error) {
    tell_trouble(folder_path(folder), error.reason());
  }
  std::vector<Candidate> candidates;
  for (const std::string& file : files) {
    auto name = parse_file_name(file);
    if (!name) {
      if (!is_ours(file)) tell_trouble(folder_path(folder) + "/" + file, "not a record of agentctl");
    } else if (wanted(name->name, name->id)) {
      candidates.push_back({file, std::move(*name)});
    }
  }
  Loaded loaded = read_records_in_parallel(folder_path(folder), candidates, folder == ended_folder);
  for (const RegistryTrouble& trouble : loaded.troubles) tell_trouble(trouble.path, trouble.reason);
  return std::move(loaded.records);
}

std::vector<Record> Registry::load_both(const Wanted& wanted) {
  // Live first: a session that ends between the two reads is then seen in both, never in neither.
  std::vector<Record> live = load(live_folder, wanted);
  std::vector<Record> records = load(ended_folder, wanted);
  std::unordered_set<std::string> ended;
  for (const Record& record : records) ended.insert(record.id);
  for (Record& record : live)
    if (!ended.contains(record.id)) records.push_back(std::move(record));
  return records;
}

std::vector<Record> Registry::live() {
  return load(live_folder, [](const std::string&, const std::string&) { return true; });
}

std::vector<Record> Registry::ended() {
  return load(ended_folder, [](const std::string&, const std::string&) { return true; });
}

std::vector<Record> Registry::by_name(const std::string& name) {
  return load_both([&](const std::string& candidate, const std::string&) { return candidate == name; });
}

std::vector<Record> Registry::by_id_prefix(const std::string& prefix) {
  return load_both([&](const std::string&, const std::string& id) { return id.starts_with(prefix); });
}

std::optional<Record> Registry::update(const std::string& name, const std::string& id,
                                       const std::function<void(Record&)>& change) {
  const std::string file = path(live_folder, name, id);
  if (::access(file.c_str(), F_OK) < 0) return std::nullopt;  // and maybe no folder to make a lock in
  const FileLock held = lock();
  auto record = load_file(file);
  if (!record || record->end) return std::nullopt;
  change(*record);
  write_file(file, to_json(*record));
  return record;
}

bool Registry::finish(Record record, const End& end) {
  const std::string& name = record.request.name;
  const std::string live_file = path(live_folder, name, record.id);
  const std::string ended_file = path(ended_folder, name, record.id);
  make_directories(folder_path(ended_folder));
  const FileLock held = lock();
  if (const auto earlier = load_file(ended_file)) {
    remove_file(live_file);
    return false;
  }
  if (auto stored = load_file(live_file)) record = std::move(*stored);
  record.end = end;
  write_file(ended_file, to_json(record));
  remove_file(live_file);
  return true;
}

bool Registry::remove_ended(const Record& record) {
  return remove_file(path(ended_folder, record.request.name, record.id));
}

void Registry::discard(const Record& record) { remove_file(path(live_folder, record.request.name, record.id)); }

std::string registry_root(ManagerScope scope, const std::string& home, const char* xdg_state_home) {
  if (scope == ManagerScope::system) return "/var/lib/agentctl";
  // The XDG base directory specification: a relative path must be ignored.
  if (xdg_state_home != nullptr && xdg_state_home[0] == '/') return std::string(xdg_state_home) + "/agentctl";
  return home + "/.local/state/agentctl";
}

}  // namespace agentctl
