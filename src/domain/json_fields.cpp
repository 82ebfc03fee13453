#include "domain/json_fields.hpp"

#include <algorithm>

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "base/text.hpp"

namespace agentctl {
namespace {

// As encode() writes it: a text has one form only.
int hex_digit(char c) { return to_lower(c) == c ? hex_value(c) : -1; }

}  // namespace

[[noreturn]] void refuse(std::string_view field, std::string_view rule) {
  throw Error({.code = ErrorCode::failed,
               .context = "invalid JSON",
               .object = std::string(field),
               .reason = std::string(rule),
               .hint = {}});
}

json::string encode(std::string_view bytes) {
  if (is_valid_utf8(bytes)) return json::string(bytes);
  json::string text;
  while (!bytes.empty()) {
    std::size_t length = std::min<std::size_t>(4, bytes.size());
    while (length > 0 && (!is_valid_utf8(bytes.substr(0, length)) || count_characters(bytes.substr(0, length)) != 1))
      --length;
    if (length > 0) {
      text.append(bytes.substr(0, length));
      bytes.remove_prefix(length);
    } else {
      constexpr std::string_view digits = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(bytes.front());
      text.push_back('\0');
      text.push_back(digits[byte >> 4]);
      text.push_back(digits[byte & 15]);
      bytes.remove_prefix(1);
    }
  }
  return text;
}

std::string decode(std::string_view field, std::string_view text) {
  if (text.find('\0') == std::string_view::npos) return std::string(text);
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\0') {
      bytes += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0 || high * 16 + low == 0) refuse(field, "must not contain NUL");
    bytes += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return bytes;
}

void put(json::object& object, std::string_view key, std::string_view text) {
  if (!text.empty()) object[key] = encode(text);
}

void put(json::object& object, std::string_view key, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  json::array& array = object[key].emplace_array();
  for (const std::string& text : texts) array.emplace_back(encode(text));
}

void put(json::object& object, std::string_view key, const std::optional<TimePoint>& time) {
  if (time) object[key] = usec_of(*time);
}

json::value text_or_null(const std::string& text) {
  if (text.empty()) return nullptr;
  return json::string(to_valid_utf8(text));
}

json::value time_or_null(const std::optional<TimePoint>& time) {
  if (!time) return nullptr;
  return json::string(format_rfc3339(*time));
}

json::value parse_object(std::string_view text, json::storage_ptr storage) {
  boost::system::error_code failed;
  json::parse_options options;
  options.max_depth = 16;
  json::value value = json::parse(text, failed, std::move(storage), options);
  if (failed) refuse({}, failed.message());
  if (!value.is_object()) refuse({}, "must be an object");
  return value;
}

}  // namespace agentctl
