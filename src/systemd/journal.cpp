#include "systemd/journal.hpp"

#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/error.hpp"

namespace agentctl {
namespace {

using JournalHandle = std::unique_ptr<sd_journal, void (*)(sd_journal*)>;

int check(int result) {
  if (result < 0) throw system_error("cannot read", "the journal", -result);
  return result;
}

JournalHandle open_journal() {
  sd_journal* journal = nullptr;
  check(::sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY));
  return {journal, ::sd_journal_close};
}

std::size_t count_lines(const LogEntry& entry, std::optional<OutputStream> stream) {
  std::size_t lines = 0;
  std::size_t offset = 0;
  for (const LogSegment& segment : entry.segments) {
    const std::string_view bytes = std::string_view(entry.text).substr(offset, segment.size);
    offset += segment.size;
    if (!stream || *stream == segment.stream) lines += std::count(bytes.begin(), bytes.end(), '\n');
  }
  return lines;
}

class JournalSource : public LogSource {
 public:
  JournalSource(const std::string& session, const std::string& unit, ManagerScope scope) : journal_(open_journal()) {
    // By default a field is cut at 64 KiB.
    check(::sd_journal_set_data_threshold(journal_.get(), 0));
    // Anybody can write AGENTCTL_SESSION= to the journal; the unit is journald's own word. Other users' managers can
    // have one of that name, too.
    match(std::string(log_field::session) + "=" + session);
    if (scope == ManagerScope::system) {
      match("_SYSTEMD_UNIT=" + unit);
    } else {
      match("_SYSTEMD_USER_UNIT=" + unit);
      match("_UID=" + std::to_string(::getuid()));
    }
    check(::sd_journal_seek_head(journal_.get()));
  }

  void seek(TimePoint since) override {
    // "60 years ago" is before the epoch.
    const auto usec = std::max<std::int64_t>(0, since.time_since_epoch().count());
    check(::sd_journal_seek_realtime_usec(journal_.get(), static_cast<std::uint64_t>(usec)));
    constexpr std::uint64_t entries = 16;
    at_entry_ = check(::sd_journal_previous_skip(journal_.get(), entries)) > 0;
  }

  void seek_last(std::size_t lines, std::optional<OutputStream> stream) override {
    seek_back(lines, [&](const LogEntry& entry) { return count_lines(entry, stream); });
  }

  void seek_last_bytes(std::size_t bytes) override {
    seek_back(bytes, [](const LogEntry& entry) { return entry.kind == LogEntryKind::output ? entry.text.size() : 0; });
  }

  std::optional<LogEntry> next() override {
    for (;;) {
      if (!at_entry_ && check(::sd_journal_next(journal_.get())) == 0) return std::nullopt;
      at_entry_ = false;
      if (auto entry = current()) return entry;
    }
  }

  bool wait(microseconds timeout) override {
    return check(::sd_journal_wait(journal_.get(), static_cast<std::uint64_t>(timeout.count()))) != SD_JOURNAL_NOP;
  }

 private:
  // To where the entries that follow count to so much.
  template <class Count>
  void seek_back(std::size_t wanted, Count count) {
    check(::sd_journal_seek_tail(journal_.get()));
    // sd_journal_next() after a bare seek to the tail gives the last entry again.
    if (wanted == 0) check(::sd_journal_previous(journal_.get()));
    for (std::size_t found = 0; found < wanted;) {
      if (check(::sd_journal_previous(journal_.get())) == 0) {
        check(::sd_journal_seek_head(journal_.get()));
        return;
      }
      if (const auto entry = current()) found += count(*entry);
      at_entry_ = found >= wanted;
    }
  }

  void match(const std::string& field) { check(::sd_journal_add_match(journal_.get(), field.data(), field.size())); }

  // One by one: most of an entry's fields are journald's, and a batch's text can be MiB.
  std::optional<LogEntry> current() {
    LogEntryDecoder decoder;
    constexpr std::array fields{log_field::session,  log_field::invocation, log_field::pid,
                                log_field::time,     log_field::event,      log_field::position,
                                log_field::segments, log_field::stream,     log_field::message};
    for (const char* name : fields) add_field(decoder, name);
    return decoder.take();
  }

  void add_field(LogEntryDecoder& decoder, const char* name) {
    const void* data = nullptr;
    std::size_t size = 0;
    const int result = ::sd_journal_get_data(journal_.get(), name, &data, &size);
    if (result == -ENOENT || result == -EBADMSG) return;
    check(result);
    decoder.field({static_cast<const char*>(data), size});
  }

  JournalHandle journal_;
  bool at_entry_ = false;
};

bool is_readable(int flags) {
  sd_journal* journal = nullptr;
  if (::sd_journal_open(&journal, flags) < 0) return false;
  const JournalHandle handle(journal, ::sd_journal_close);
  return ::sd_journal_seek_tail(journal) >= 0 && ::sd_journal_previous(journal) > 0;
}

}  // namespace

std::unique_ptr<LogSource> Journal::open(const std::string& session, const std::string& unit, ManagerScope scope) {
  return std::make_unique<JournalSource>(session, unit, scope);
}

JournalHealth inspect_journal() {
  JournalHealth health;
  sd_id128_t machine;
  if (::sd_id128_get_machine(&machine) == 0) {
    std::array<char, SD_ID128_STRING_MAX> text{};
    const std::string path = std::string("/var/log/journal/") + ::sd_id128_to_string(machine, text.data());
    health.persistent = ::access(path.c_str(), F_OK) == 0;
  }
  health.readable = is_readable(SD_JOURNAL_LOCAL_ONLY);
  health.volatile_readable = is_readable(SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_RUNTIME_ONLY);
  return health;
}

}  // namespace agentctl
