#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "domain/session.hpp"

// What the readers and writers of records, launches, notes and views share. Included by .cpp files of this folder only.

namespace agentctl {

namespace json = boost::json;

[[noreturn]] void refuse(std::string_view field, std::string_view rule);

// Bytes that are no UTF-8 (a file name, an argument) cannot be JSON text. They are written as U+0000 followed by two
// hexadecimal digits, which is unambiguous because no argument, path or variable can contain NUL.
json::string encode(std::string_view bytes);
std::string decode(std::string_view field, std::string_view text);

/// Typed access to one object's fields, each of which is read once; every mismatch names the field. Fields that are
/// read in the order in which they were written are found without a search, and those that were never written cost
/// nothing after the last that was: a record has few of the many that it can have.
class Fields {
 public:
  explicit Fields(const json::object& object) : object_(object), next_(object.begin()) {}

  const json::value* find(std::string_view key) const {
    if (next_ == object_.end()) return nullptr;
    const json::value* value = next_->key() == key ? &(next_++)->value() : object_.if_contains(key);
    return value != nullptr && !value->is_null() ? value : nullptr;
  }

  std::string text(std::string_view key) const {
    const json::value* value = find(key);
    if (value == nullptr) return {};
    if (!value->is_string()) refuse(key, "must be a string");
    return decode(key, value->get_string());
  }

  std::string required_text(std::string_view key) const {
    std::string value = text(key);
    if (value.empty()) refuse(key, "must be a string and not empty");
    return value;
  }

  std::optional<std::int64_t> number(std::string_view key, std::int64_t low, std::int64_t high) const {
    const json::value* value = find(key);
    if (value == nullptr) return std::nullopt;
    boost::system::error_code failed;
    const auto number = value->to_number<std::int64_t>(failed);
    if (failed || number < low || number > high) refuse(key, "must be a whole number in its range");
    return number;
  }

  bool flag(std::string_view key) const {
    const json::value* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_bool()) refuse(key, "must be true or false");
    return value->get_bool();
  }

  std::optional<TimePoint> time(std::string_view key) const {
    const auto usec = number(key, 0, INT64_MAX);
    if (!usec) return std::nullopt;
    return TimePoint(microseconds(*usec));
  }

  std::vector<std::string> texts(std::string_view key) const {
    std::vector<std::string> items;
    for (const json::value& value : array(key)) {
      if (!value.is_string()) refuse(key, "must hold strings only");
      items.push_back(decode(key, value.get_string()));
    }
    return items;
  }

  const json::array& array(std::string_view key) const {
    static const json::array none;
    const json::value* value = find(key);
    if (value == nullptr) return none;
    if (!value->is_array()) refuse(key, "must be an array");
    return value->get_array();
  }

  const json::object* object(std::string_view key) const {
    const json::value* value = find(key);
    if (value == nullptr) return nullptr;
    if (!value->is_object()) refuse(key, "must be an object");
    return &value->get_object();
  }

  const json::object& required_object(std::string_view key) const {
    const json::object* value = object(key);
    if (value == nullptr) refuse(key, "must be an object");
    return *value;
  }

 private:
  const json::object& object_;
  mutable json::object::const_iterator next_;
};

inline std::int64_t usec_of(TimePoint time) { return time.time_since_epoch().count(); }

void put(json::object& object, std::string_view key, std::string_view text);
void put(json::object& object, std::string_view key, const std::vector<std::string>& texts);
void put(json::object& object, std::string_view key, const std::optional<TimePoint>& time);

template <class Integer>
void put_number(json::object& object, std::string_view key, const std::optional<Integer>& number) {
  if (number) object[key] = *number;
}

template <class Integer>
std::optional<Integer> narrow(std::optional<std::int64_t> number) {
  if (!number) return std::nullopt;
  return static_cast<Integer>(*number);
}

// For what is shown: never U+0000, null instead of what is empty.
json::value text_or_null(const std::string& text);
json::value time_or_null(const std::optional<TimePoint>& time);

json::value parse_object(std::string_view text, json::storage_ptr storage);

json::object asker_object(const Asker& asker);
Asker parse_asker(const json::object& object);

json::object stop_object(const StopRequest& stop);
StopRequest parse_stop(const json::object& object);

json::object health_object(const HealthCheck& check);
HealthCheck parse_health(const json::object& object);

json::object record_object(const Record& record);
Record parse_record_object(const json::object& object);

}  // namespace agentctl
