#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/text.hpp"
#include "http/access.hpp"
#include "http/entity_tag.hpp"
#include "http/event_stream.hpp"
#include "http/routes.hpp"

namespace {

using namespace agentctl;

void check_host(std::string_view host, std::string_view origin) {
  const Listening tcp{.unix_socket = false, .address = "127.0.0.1", .port = 7331};
  // A name that is somebody else's has a dot and a letter after it.
  for (const Listening& listening : {tcp, Listening{}})
    if (is_own_host(listening, host) && host.find(".e") != std::string_view::npos) std::abort();
  if (is_own_origin(host, origin) && origin.size() != host.size() + 7) std::abort();
}

// However it arrives, the text is the same.
void check_pieces(std::string_view bytes) {
  Utf8Cutter whole;
  std::string expected = whole.take(bytes);
  expected += whole.finish();
  Utf8Cutter cutter;
  std::string given;
  for (const char c : bytes) given += cutter.take({&c, 1});
  given += cutter.finish();
  if (given != expected || !is_valid_utf8(given) || expected != to_valid_utf8(bytes)) std::abort();
  if (output_events(given).find("\n\n\n") != std::string::npos) std::abort();
}

}  // namespace

// The lines of the input: method, target, Host, Origin, Authorization, If-None-Match; the rest is the body.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view method = take_line(input);
  std::string wanted(take_line(input));
  if (take_authority(wanted) && !wanted.starts_with('/')) std::abort();
  const auto target = parse_target(wanted);
  const std::string_view host = take_line(input);
  check_host(host, take_line(input));
  const std::string_view authorization = take_line(input);
  const std::string_view token = bearer_token(authorization);
  if (token.size() > authorization.size() || !equal_secrets(token, token)) std::abort();
  const std::string_view tags = take_line(input);
  if (matches_tag(tags, "\"0123456789abcdef\"") && tags.find('*') == std::string_view::npos &&
      tags.find("0123456789abcdef") == std::string_view::npos)
    std::abort();
  check_pieces(input);
  if (!target) return 0;

  const Error unreachable({.code = ErrorCode::unreachable, .context = "no", .object = {}, .reason = {}, .hint = {}});
  const Backend backend{.with_context = [&](const std::function<void(Context&)>&) { throw unreachable; },
                        .global_options = {"--user"}};
  const Answer given = answer(backend, {.method = std::string(method),
                                        .target = *target,
                                        .if_none_match = std::string(tags),
                                        .body = std::string(input)});
  // Nothing is done before systemd was asked, but for the page and the stream of events.
  if (!std::holds_alternative<Response>(given) && !std::holds_alternative<EventStream>(given)) std::abort();
  if (const auto* response = std::get_if<Response>(&given)) to_wire(*response, true, false);
  return 0;
}
