#include "http/event_stream.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "base/text.hpp"

namespace agentctl {
namespace {

constexpr std::size_t largest_piece = 4u << 20;

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80; }

// How many bytes at the end may be the beginning of a character; at most 3.
std::size_t open_end(std::string_view text) {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0U) == 0x80) continue;
    const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC2 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

}  // namespace

std::string Utf8Cutter::take(std::string_view bytes) {
  rest_ += bytes;
  const std::size_t whole = rest_.size() - open_end(rest_);
  std::string text = to_valid_utf8(std::string_view(rest_).substr(0, whole));
  rest_.erase(0, whole);
  return text;
}

std::string Utf8Cutter::finish() {
  std::string text = to_valid_utf8(rest_);
  rest_.clear();
  return text;
}

std::size_t tail_start(std::string_view text, std::size_t size) {
  if (text.size() <= size) return 0;
  std::size_t start = text.size() - size;
  for (std::size_t skipped = 0; skipped < 3 && start < text.size() && continues(text[start]); ++skipped) ++start;
  return start;
}

std::string event_text(std::string_view data) { return "data: " + std::string(data) + "\n\n"; }

std::string event_text(std::string_view name, std::string_view data) {
  return "event: " + std::string(name) + "\n" + event_text(data);
}

std::string output_events(std::string_view utf8) {
  std::string events;
  while (!utf8.empty()) {
    const std::string_view most = utf8.substr(0, largest_piece);
    const std::size_t size = most.size() < utf8.size() ? most.size() - open_end(most) : most.size();
    events += event_text(boost::json::serialize(boost::json::string_view(utf8.data(), size)));
    utf8.remove_prefix(size);
  }
  return events;
}

}  // namespace agentctl
