#include "domain/json_document.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"

namespace agentctl {
namespace {

Error invalid(const std::string& file, const std::string& reason) {
  return Error({.code = ErrorCode::usage, .context = "invalid", .object = file, .reason = reason, .hint = {}});
}

}  // namespace

void Place::refuse(const std::string& rule) const {
  throw invalid(*file_, to_printable(pointer_.empty() ? "/" : pointer_) + ": " + rule);
}

Place Place::below(const json::value& value, std::string_view key) const {
  std::string pointer = pointer_ + "/";
  for (const char c : key) {
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
    places.emplace_back(std::string(member.key()), below(member.value(), member.key()));
  return places;
}

std::string Place::text(std::size_t limit) const {
  if (!value_->is_string()) refuse("must be a string");
  std::string text(value_->get_string());
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

std::vector<std::string> Place::texts() const {
  std::vector<std::string> texts;
  for (const Place& place : items()) texts.push_back(place.text());
  return texts;
}

JsonDocument::JsonDocument(std::string_view text, std::string file) : file_(std::move(file)) {
  json::stream_parser parser({}, {.max_depth = 16});
  boost::system::error_code failed;
  const std::size_t parsed = parser.write_some(text.data(), text.size(), failed);
  if (!failed) parser.finish(failed);
  if (!failed && parsed < text.size()) failed = json::error::extra_data;
  if (failed) {
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(parsed), '\n');
    throw invalid(file_, "line " + std::to_string(line) + ": " + failed.message());
  }
  value_ = parser.release();
}

}  // namespace agentctl
