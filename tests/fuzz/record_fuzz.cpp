#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.hpp"
#include "domain/launch.hpp"
#include "domain/naming.hpp"
#include "domain/session_json.hpp"
#include "fuzz/unless_refused.hpp"

namespace {

using namespace agentctl;

// What is accepted must be written so that it is accepted again and means the same; anything else must be an Error.
template <class Parse>
auto read_twice(Parse parse, std::string_view text) -> decltype(parse(text)) {
  auto first = parse(text);
  const std::string written = to_json(first);
  if (to_json(parse(written)) != written) std::abort();
  return first;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  unless_refused([&] {
    const Record record = read_twice(parse_record, text);
    // These become file names, and the unit is what stop and kill are sent to.
    if (!is_valid_id(record.id) || !is_valid_name(record.request.name) || record.request.command.empty()) std::abort();
    if (name_from_unit(record.unit) != record.request.name) std::abort();
    if (record.end && !is_terminal(record.end->state)) std::abort();
  });
  unless_refused([&] { read_twice(parse_launch, text); });
  unless_refused([&] { read_twice(parse_host_note, text); });
  return 0;
}
