#include "support/fake_log.hpp"

#include <algorithm>

namespace agentctl {
namespace {

std::size_t lines_in(const LogEntry& entry, std::optional<OutputStream> stream) {
  std::size_t lines = 0;
  std::size_t offset = 0;
  for (const LogSegment& segment : entry.segments) {
    const std::string bytes = entry.text.substr(offset, segment.size);
    offset += segment.size;
    if (!stream || *stream == segment.stream)
      lines += static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), '\n'));
  }
  return lines;
}

class FakeLogSource : public LogSource {
 public:
  FakeLogSource(FakeLog& log, std::string session) : log_(log), session_(std::move(session)) {}

  void seek(TimePoint since) override {
    next_ = 0;
    while (next_ < log_.entries.size() && log_.entries[next_].time < since) ++next_;
    next_ -= std::min<std::size_t>(next_, 2);
  }

  void seek_last(std::size_t lines, std::optional<OutputStream> stream) override {
    next_ = log_.entries.size();
    for (std::size_t found = 0; found < lines && next_ > 0;) {
      --next_;
      if (log_.entries[next_].session == session_) found += lines_in(log_.entries[next_], stream);
    }
  }

  void seek_last_bytes(std::size_t bytes) override {
    next_ = log_.entries.size();
    for (std::size_t found = 0; found < bytes && next_ > 0;) {
      --next_;
      if (log_.entries[next_].session == session_) found += log_.entries[next_].text.size();
    }
  }

  std::optional<LogEntry> next() override {
    while (next_ < log_.entries.size()) {
      const LogEntry& entry = log_.entries[next_++];
      if (entry.session == session_) return entry;
    }
    return std::nullopt;
  }

  bool wait(microseconds) override {
    if (log_.arriving.empty()) return false;
    log_.entries.push_back(log_.arriving.front());
    log_.arriving.erase(log_.arriving.begin());
    return true;
  }

 private:
  FakeLog& log_;
  std::string session_;
  std::size_t next_ = 0;
};

}  // namespace

LogEntry FakeLog::make(const std::string& session, OutputStream stream, const std::string& text, TimePoint time) {
  LogEntry entry;
  entry.session = session;
  entry.invocation = "i1";
  entry.pid = 4711;
  entry.time = time;
  entry.position = positions_[session];
  entry.segments.push_back({.stream = stream, .size = static_cast<std::uint32_t>(text.size())});
  entry.text = text;
  positions_[session].advance(stream, text);
  return entry;
}

LogEntry& FakeLog::add(const std::string& session, OutputStream stream, const std::string& text, TimePoint time) {
  return entries.emplace_back(make(session, stream, text, time));
}

void FakeLog::add_arriving(const std::string& session, OutputStream stream, const std::string& text) {
  arriving.push_back(make(session, stream, text, TimePoint{}));
}

void FakeLog::lose(const std::string& session, OutputStream stream, const std::string& text) {
  positions_[session].advance(stream, text);
}

std::unique_ptr<LogSource> FakeLog::open(const std::string& session, const std::string& unit, ManagerScope scope) {
  opened.push_back(session + " " + unit + " " + to_string(scope));
  return std::make_unique<FakeLogSource>(*this, session);
}

}  // namespace agentctl
