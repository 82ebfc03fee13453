#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/time.hpp"

using namespace agentctl;

// What is read as a time span or a time must be written so that it is read as the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto span = parse_time_span(text)) {
    if (*span < microseconds(0) || parse_time_span(format_time_span(*span)) != span) std::abort();
    if (format_rough_span(*span).empty()) std::abort();
  }
  if (const auto time = parse_rfc3339(text)) {
    const auto again = parse_rfc3339(format_rfc3339(*time));
    if (!again || *again > *time || *time - *again >= std::chrono::milliseconds(1)) std::abort();
  }
  return 0;
}
