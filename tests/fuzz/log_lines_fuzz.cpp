#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "domain/log_entry.hpp"

namespace {

using namespace agentctl;

// The reader must never give more bytes than it was fed, nor lose one of an entry without saying so.
void read_all(LogLineReader& reader, const LogEntry& entry, std::size_t& fed, std::size_t& given) {
  const LogSink sink = [&](const LogItem& item) {
    if (const auto* line = std::get_if<LogLine>(&item)) given += line->text.size() + (line->ends_with_newline ? 1 : 0);
  };
  fed += entry.text.size();
  reader.read(entry, sink);
  if (!reader.has(entry.position)) std::abort();
  if (given > fed) std::abort();
}

}  // namespace

// The input is a journal: fields divided by bytes 0xff, entries by 0xfe.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  LogLineReader reader(size % 2 == 0 ? LogLineReader::Start::anywhere : LogLineReader::Start::beginning, 64);
  LogEntryDecoder decoder;
  std::size_t fed = 0;
  std::size_t given = 0;
  std::size_t start = 0;
  for (std::size_t i = 0; i <= size; ++i) {
    const bool ends_entry = i == size || data[i] == 0xfe;
    if (!ends_entry && data[i] != 0xff) continue;
    decoder.field(bytes.substr(start, i - start));
    start = i + 1;
    if (!ends_entry) continue;
    const auto entry = decoder.take();
    if (!entry || entry->kind != LogEntryKind::output) continue;
    std::size_t total = 0;
    for (const LogSegment& segment : entry->segments) total += segment.size;
    if (total != entry->text.size()) std::abort();
    // What was decoded must decode the same from what it would be written as.
    LogEntryDecoder again;
    again.field("MESSAGE=" + std::string(message_of(*entry)));
    again.field("AGENTCTL_SESSION=" + entry->session);
    again.field("AGENTCTL_INVOCATION=" + entry->invocation);
    again.field("AGENTCTL_TIME=" + std::to_string(entry->time.time_since_epoch().count()));
    again.field("AGENTCTL_POSITION=" + format_position(entry->position));
    again.field(std::string("AGENTCTL_STREAM=") + to_string(entry->segments.front().stream));
    if (const std::string segments = format_segments(*entry); !segments.empty())
      again.field("AGENTCTL_SEGMENTS=" + segments);
    const auto same = again.take();
    if (!same || same->text != entry->text || same->position != entry->position) std::abort();
    read_all(reader, *entry, fed, given);
  }
  reader.finish([](const LogItem&) {});
  return 0;
}
