#include "store/live_records.hpp"

#include <algorithm>
#include <map>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "domain/naming.hpp"
#include "domain/session_json.hpp"

namespace agentctl {
namespace {

constexpr std::string_view shard_suffix = ".jsonl";
constexpr std::size_t file_size_limit = 4 * record_size_limit;
// Its end is added later.
constexpr std::size_t line_size_limit = record_size_limit - (64u << 10);

bool is_shard(std::string_view file) {
  return file.size() == 1 + shard_suffix.size() && file.ends_with(shard_suffix) &&
         name_shards.find(file.front()) != std::string_view::npos;
}

// must_survive() of a line, without parsing it. A quote within a value has a backslash before it, so none looks like
// this.
bool is_of_one_that_must_survive(std::string_view line) {
  for (const std::string_view mark : {R"("queued":"by-anyone")", R"("persist":true)", R"("flow":{)"})
    if (line.find(mark) != std::string_view::npos) return true;
  return false;
}

}  // namespace

std::string LiveRecords::path(char shard) const {
  std::string path = folder_ + "/";
  path += shard;
  return path.append(shard_suffix);
}

// to_json() begins every record alike, so that one among many is found without parsing them all.
std::optional<LiveRecords::Key> LiveRecords::key_of(std::string_view line) {
  const auto take = [&](std::string_view text) {
    if (!line.starts_with(text)) return false;
    line.remove_prefix(text.size());
    return true;
  };
  Key key;
  if (!take(R"({"schema":1,"id":")")) return std::nullopt;
  key.id = line.substr(0, id_length);
  line.remove_prefix(key.id.size());
  if (!take(R"(","unit":"agentctl-)")) return std::nullopt;
  key.name = line.substr(0, line.find('.'));
  return key;
}

std::string LiveRecords::read(char shard, std::vector<RegistryTrouble>& troubles) const {
  try {
    return read_file(path(shard), file_size_limit).value_or("");
  } catch (const Error& error) {
    troubles.push_back(trouble_with(path(shard), error));
    return {};
  }
}

void LiveRecords::parse(char shard, std::string_view content, const Wanted& wanted, const Sink& sink,
                        std::vector<RegistryTrouble>& troubles) const {
  for (int number = 1; !content.empty(); ++number) {
    const std::string_view line = take_line(content);
    if (const auto key = key_of(line); key && !wanted(*key)) continue;
    const auto place = [&] { return path(shard) + ":" + std::to_string(number); };
    try {
      Record record = parse_record(line);
      if (name_shard(record.request.name) != shard) {
        troubles.push_back({place(), "it belongs in another file"});
      } else if (wanted({record.request.name, record.id})) {
        sink(std::move(record));
      }
    } catch (const Error& error) {
      troubles.push_back(trouble_with(place(), error));
    }
  }
}

LoadedRecords LiveRecords::load(char shard, const Wanted& wanted) const {
  LoadedRecords loaded;
  const std::string content = read(shard, loaded.troubles);
  parse(
      shard, content, wanted, [&](Record&& record) { loaded.records.push_back(std::move(record)); }, loaded.troubles);
  return loaded;
}

std::vector<RegistryTrouble> LiveRecords::for_each_wanted(const Wanted& wanted, const Expect& expect,
                                                          const Sink& sink) const {
  std::vector<RegistryTrouble> troubles;
  std::vector<std::string> files;
  try {
    files = list_directory(folder_);
  } catch (const Error& error) {
    troubles.push_back(trouble_with(folder_, error));
  }
  std::map<char, std::string> contents;
  std::size_t lines = 0;
  for (const std::string& file : files) {
    if (is_shard(file)) {
      const std::string& content = contents[file.front()] = read(file.front(), troubles);
      lines += static_cast<std::size_t>(std::count(content.begin(), content.end(), '\n'));
    } else if (!is_temporary_file(file)) {
      troubles.push_back({folder_ + "/" + file, "not a record of agentctl"});
    }
  }
  expect(lines);
  for (const auto& [shard, content] : contents) parse(shard, content, wanted, sink, troubles);
  return troubles;
}

LoadedRecords LiveRecords::load_all(const Wanted& wanted) const {
  LoadedRecords loaded;
  loaded.troubles = for_each_wanted(
      wanted, [](std::size_t) {}, [&](Record&& record) { loaded.records.push_back(std::move(record)); });
  return loaded;
}

std::vector<RegistryTrouble> LiveRecords::for_each(const Expect& expect, const Sink& sink) const {
  return for_each_wanted([](const Key&) { return true; }, expect, sink);
}

LoadedRecords LiveRecords::all() const {
  LoadedRecords loaded;
  loaded.troubles = for_each([&](std::size_t count) { loaded.records.reserve(count); },
                             [&](Record&& record) { loaded.records.push_back(std::move(record)); });
  return loaded;
}

LoadedRecords LiveRecords::by_name(const std::string& name) const {
  return load(name_shard(name), [&](const Key& key) { return key.name == name; });
}

LoadedRecords LiveRecords::by_id_prefix(const std::string& prefix) const {
  return load_all([&](const Key& key) { return key.id.starts_with(prefix); });
}

std::optional<Record> LiveRecords::find(const std::string& name, const std::string& id) const {
  LoadedRecords loaded = load(name_shard(name), [&](const Key& key) { return key.id == id; });
  for (Record& record : loaded.records)
    if (record.request.name == name) return std::move(record);
  return std::nullopt;
}

// `line` is empty or ends with a newline.
void LiveRecords::replace(const std::string& name, const std::string& id, std::string_view line, bool durably) {
  const std::string file = path(name_shard(name));
  const std::string before = read_file(file, file_size_limit).value_or("");
  const auto is_it = [&](std::string_view other) {
    if (const auto key = key_of(other)) return key->id == id;
    try {
      return parse_record(other).id == id;
    } catch (const Error&) {
      return false;
    }
  };
  std::string after;
  after.reserve(before.size() + line.size() + 1);
  for (std::string_view left = before; !left.empty();)
    if (const std::string_view other = take_line(left); !is_it(other)) after.append(other) += '\n';
  after += line;
  // What could not be read again would take all that share the file along.
  if (line.size() > line_size_limit || (after.size() > file_size_limit && after.size() > before.size()))
    throw Error({.code = ErrorCode::failed,
                 .context = "cannot keep the record of session",
                 .object = name,
                 .reason = line.size() > line_size_limit ? "it is too large" : "'" + file + "' has no room for it",
                 .hint = "start it when less waits, or with less on its command line"});
  // Some file systems can leave a renamed file empty that was not synced: with it would go what had been.
  durably = durably || is_of_one_that_must_survive(after);
  if (after.empty()) {
    remove_file(file);
  } else if (after != before) {
    durably ? write_file_durably(file, after) : write_file(file, after);
  }
}

void LiveRecords::put(const Record& record) { replace(record.request.name, record.id, to_json(record)); }

void LiveRecords::put_durably(const Record& record) { replace(record.request.name, record.id, to_json(record), true); }

void LiveRecords::remove(const std::string& name, const std::string& id) { replace(name, id, {}); }

}  // namespace agentctl
