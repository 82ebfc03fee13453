#include <cstdint>
#include <cstdlib>
#include <string>

#include "host/control_frames.hpp"

// Any bytes, in two pieces, through the reader; what it gives must come back the same from the writer.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agentctl::control;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  FrameReader reader(frame_limit);
  std::string written;
  for (const std::string_view piece : {bytes.substr(0, size / 2), bytes.substr(size / 2)}) {
    reader.feed(piece);
    while (const auto frame = reader.next())
      if (!std::holds_alternative<Unknown>(*frame)) append_frame(written, *frame);
  }
  FrameReader again(frame_limit);
  again.feed(written);
  std::string rewritten;
  while (const auto frame = again.next()) append_frame(rewritten, *frame);
  if (again.is_broken() || again.pending() != 0 || rewritten != written) std::abort();
  return 0;
}
