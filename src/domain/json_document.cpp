#include "domain/json_document.hpp"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>

#include "base/error.hpp"
#include "base/text.hpp"
#include "domain/javascript.hpp"

namespace agentctl {
namespace {

Error invalid(const std::string& file, const std::string& reason) {
  return Error({.code = ErrorCode::usage, .context = "invalid", .object = file, .reason = reason, .hint = {}});
}

// The unit of a "\uXXXX" at the front.
std::optional<unsigned> escaped_unit(std::string_view text) {
  constexpr std::size_t length = 6;
  if (text.size() < length || !text.starts_with("\\u")) return std::nullopt;
  unsigned unit = 0;
  const char* end = text.data() + length;
  if (std::from_chars(text.data() + 2, end, unit, 16).ptr != end) return std::nullopt;
  return unit;
}

bool is_high_surrogate(unsigned unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low_surrogate(unsigned unit) { return unit >= 0xDC00 && unit < 0xE000; }

// Boost's parser refuses them escaped, and takes them as the three bytes of WTF-8. Nothing when there are none, or the
// text is no valid UTF-8, which must be refused.
std::optional<std::string> unescape_lone_surrogates(std::string_view text) {
  std::string unescaped;
  std::size_t copied = 0;
  for (std::size_t at = text.find('\\'); at != std::string_view::npos; at = text.find('\\', at)) {
    const auto unit = escaped_unit(text.substr(at));
    const auto next = unit ? escaped_unit(text.substr(at + 6)) : std::nullopt;
    if (unit && is_high_surrogate(*unit) && next && is_low_surrogate(*next)) {
      at += 12;
    } else if (unit && (is_high_surrogate(*unit) || is_low_surrogate(*unit))) {
      unescaped.append(text.substr(copied, at - copied));
      unescaped += static_cast<char>(0xE0 | *unit >> 12);
      unescaped += static_cast<char>(0x80 | (*unit >> 6 & 0x3F));
      unescaped += static_cast<char>(0x80 | (*unit & 0x3F));
      copied = at += 6;
    } else {
      at += 2;
    }
  }
  if (copied == 0 || !is_valid_utf8(text)) return std::nullopt;
  return unescaped.append(text.substr(copied));
}

/// Builds the value that Boost's own parser would, but for numbers: that one multiplies by powers of ten, and its
/// 0.30000000000000004 is another number's neighbour.
class ValueBuilder {
 public:
  using error_code = boost::system::error_code;
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);

  json::value release() { return stack_.release(); }

  bool on_document_begin(error_code&) {
    stack_.reset();
    return true;
  }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return true; }
  bool on_object_end(std::size_t size, error_code&) { return stack_.push_object(size), pushed(); }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t size, error_code&) { return stack_.push_array(size), pushed(); }
  bool on_key_part(json::string_view part, std::size_t, error_code&) { return stack_.push_chars(part), pushed(); }
  bool on_key(json::string_view part, std::size_t, error_code&) { return stack_.push_key(part), pushed(); }
  bool on_string_part(json::string_view part, std::size_t, error_code&) { return stack_.push_chars(part), pushed(); }
  bool on_string(json::string_view part, std::size_t, error_code&) { return stack_.push_string(part), pushed(); }
  bool on_number_part(json::string_view part, error_code&) {
    number_.append(part);
    return true;
  }
  bool on_int64(std::int64_t number, json::string_view, error_code&) { return stack_.push_int64(number), pushed(); }
  bool on_uint64(std::uint64_t number, json::string_view, error_code&) { return stack_.push_uint64(number), pushed(); }
  bool on_double(double number, json::string_view part, error_code&) {
    number_.append(part);
    double nearest = 0;
    const auto read = std::from_chars(number_.data(), number_.data() + number_.size(), nearest);
    return stack_.push_double(read.ec == std::errc() ? nearest : number), pushed();
  }
  bool on_bool(bool flag, error_code&) { return stack_.push_bool(flag), pushed(); }
  bool on_null(error_code&) { return stack_.push_null(), pushed(); }
  bool on_comment_part(json::string_view, error_code&) { return true; }
  bool on_comment(json::string_view, error_code&) { return true; }

 private:
  bool pushed() {
    number_.clear();
    return true;
  }

  json::value_stack stack_;
  std::string number_;
};

}  // namespace

void Place::refuse(const std::string& rule) const {
  throw invalid(*file_, to_printable(pointer_.empty() ? "/" : pointer_) + ": " + rule);
}

Place Place::below(const json::value& value, std::string_view key) const {
  std::string pointer = pointer_ + "/";
  for (const char c : replace_lone_surrogates(key)) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer += c;
    }
  }
  return {value, std::move(pointer), *file_};
}

void Place::only(std::initializer_list<std::string_view> keys) const {
  std::string known;
  for (const std::string_view key : keys) known.append(known.empty() ? "" : ", ").append(key);
  for (const auto& [key, place] : members())
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) place.refuse("unknown key; known are " + known);
}

std::optional<Place> Place::find(std::string_view key) const {
  if (!value_->is_object()) refuse("must be an object");
  const json::value* value = value_->get_object().if_contains(key);
  if (value == nullptr) return std::nullopt;
  return below(*value, key);
}

Place Place::required(std::string_view key) const {
  auto place = find(key);
  if (!place) refuse("must have the key '" + std::string(key) + "'");
  return std::move(*place);
}

std::vector<Place> Place::items() const {
  if (!value_->is_array()) refuse("must be an array");
  std::vector<Place> places;
  for (const json::value& value : value_->get_array()) places.push_back(below(value, std::to_string(places.size())));
  return places;
}

std::vector<std::pair<std::string, Place>> Place::members() const {
  if (!value_->is_object()) refuse("must be an object");
  std::vector<std::pair<std::string, Place>> places;
  for (const auto& member : value_->get_object())
    places.emplace_back(replace_lone_surrogates(member.key()), below(member.value(), member.key()));
  return places;
}

std::string Place::text(std::size_t limit) const {
  if (!value_->is_string()) refuse("must be a string");
  std::string text = string();
  if (text.empty()) refuse("must not be empty");
  if (text.size() > limit) refuse("must be at most " + std::to_string(limit) + " bytes");
  if (text.find('\0') != std::string::npos) refuse("must not contain NUL");
  return text;
}

std::int64_t Place::number(std::int64_t low, std::int64_t high) const {
  boost::system::error_code failed;
  const auto number = value_->is_number() ? value_->to_number<std::int64_t>(failed) : 0;
  if (!value_->is_number() || failed || number < low || number > high)
    refuse("must be a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  return number;
}

bool Place::flag() const {
  if (!value_->is_bool()) refuse("must be true or false");
  return value_->get_bool();
}

std::string Place::string() const { return replace_lone_surrogates(value_->get_string()); }

std::vector<std::string> Place::texts() const {
  std::vector<std::string> texts;
  for (const Place& place : items()) texts.push_back(place.text());
  return texts;
}

JsonDocument::JsonDocument(std::string_view text, std::string file, std::size_t max_depth) : file_(std::move(file)) {
  const auto unescaped = unescape_lone_surrogates(text);
  if (unescaped) text = *unescaped;
  json::basic_parser<ValueBuilder> parser({.max_depth = max_depth, .allow_invalid_utf8 = unescaped.has_value()});
  boost::system::error_code failed;
  const std::size_t parsed = parser.write_some(false, text.data(), text.size(), failed);
  if (!failed && parsed < text.size()) failed = json::error::extra_data;
  if (failed) {
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(parsed), '\n');
    throw invalid(file_, "line " + std::to_string(line) + ": " + failed.message());
  }
  value_ = parser.handler().release();
}

}  // namespace agentctl
