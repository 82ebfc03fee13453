#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace agentctl {

/// Cuts a stream of bytes only where a character ends, however it arrives.
class Utf8Cutter {
 public:
  /// All whole characters so far, as valid UTF-8: what is none becomes U+FFFD. The rest waits for what follows.
  std::string take(std::string_view bytes);
  /// What still waits.
  std::string finish();

 private:
  std::string rest_;
};

/// Where the last `size` bytes of a text begin, without the end of a character that began before them.
std::size_t tail_start(std::string_view text, std::size_t size);

/// Server-sent events (text/event-stream), each with the empty line that ends it. `data` is one line.
std::string event_text(std::string_view data);
std::string event_text(std::string_view name, std::string_view data);

/// The events that carry a piece of output: JSON strings of at most 4 MiB of it. Nothing for no text.
std::string output_events(std::string_view utf8);

}  // namespace agentctl
