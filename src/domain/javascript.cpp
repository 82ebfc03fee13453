#include "domain/javascript.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/ascii.hpp"

namespace agentctl {
namespace {

namespace json = boost::json;

constexpr std::size_t surrogate_bytes = 3;

bool is_lone_surrogate(std::string_view wtf8) {
  return wtf8.size() >= surrogate_bytes && wtf8[0] == '\xED' && static_cast<unsigned char>(wtf8[1]) >= 0xA0;
}

double double_of(const json::value& value) {
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  if (value.is_uint64()) return static_cast<double>(value.get_uint64());
  return value.get_double();
}

// The digits d1d2…dn of the shortest decimal d1.d2…dn × 10^exponent that is read as this number.
std::pair<std::string, int> shortest_digits(double number) {
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::scientific).ptr;
  const std::string_view written(text.data(), static_cast<std::size_t>(end - text.data()));
  const auto e = written.find('e');
  std::string digits(written.substr(0, e));
  std::erase(digits, '.');
  std::string_view exponent = written.substr(e + 1);
  if (exponent.front() == '+') exponent.remove_prefix(1);
  int value = 0;
  std::from_chars(exponent.data(), exponent.data() + exponent.size(), value);
  return {digits, value};
}

}  // namespace

std::string replace_lone_surrogates(std::string_view wtf8) {
  std::string text;
  text.reserve(wtf8.size());
  for (std::size_t i = 0; i < wtf8.size(); ++i) {
    if (is_lone_surrogate(wtf8.substr(i))) {
      text += "\uFFFD";
      i += surrogate_bytes - 1;
    } else {
      text += wtf8[i];
    }
  }
  return text;
}

std::size_t utf16_length(std::string_view text) {
  std::size_t units = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) != 0x80) units += byte >= 0xF0 ? 2 : 1;
  }
  return units;
}

// ECMA-262, Number::toString.
std::string number_text(double number) {
  if (std::isnan(number)) return "NaN";
  if (number == 0) return "0";
  if (number < 0) return "-" + number_text(-number);
  if (std::isinf(number)) return "Infinity";
  auto [digits, exponent] = shortest_digits(number);
  const int count = static_cast<int>(digits.size());
  const int point = exponent + 1;  // where it is, counted from the first digit
  if (point > 21 || point <= -6) {
    if (count > 1) digits.insert(1, ".");
    return digits + "e" + (exponent < 0 ? "-" : "+") + std::to_string(std::abs(exponent));
  }
  if (point <= 0) return "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
  if (point >= count) return digits + std::string(static_cast<std::size_t>(point - count), '0');
  return digits.insert(static_cast<std::size_t>(point), ".");
}

std::string string_of(const json::value& value) {
  if (value.is_null()) return "null";
  if (value.is_bool()) return value.get_bool() ? "true" : "false";
  if (value.is_string()) return replace_lone_surrogates(value.get_string());
  if (value.is_object()) return "[object Object]";
  if (!value.is_array()) return number_text(double_of(value));
  std::string text;
  for (const json::value& item : value.get_array()) {
    if (&item != value.get_array().data()) text += ',';
    if (!item.is_null()) text += string_of(item);
  }
  return text;
}

std::string quoted_json(std::string_view text) {
  constexpr std::string_view plain = "\"\\\b\f\n\r\t";
  constexpr std::string_view letters = "\"\\bfnrt";
  std::string quoted = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_lone_surrogate(text.substr(i))) {
      quoted += "\\ufffd";
      i += surrogate_bytes - 1;
    } else if (const auto at = plain.find(c); at != std::string_view::npos) {
      quoted += '\\';
      quoted += letters[at];
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      quoted += escape.data();
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string stringify(const json::value& value) {
  if (value.is_string()) return quoted_json(value.get_string());
  if (value.is_object()) {
    std::string text = "{";
    for (const auto& member : value.get_object())
      text += (text.size() > 1 ? "," : "") + quoted_json(member.key()) + ":" + stringify(member.value());
    return text + "}";
  }
  if (value.is_array()) {
    std::string text = "[";
    for (const json::value& item : value.get_array()) text += (text.size() > 1 ? "," : "") + stringify(item);
    return text + "]";
  }
  if (value.is_number() && !std::isfinite(double_of(value))) return "null";
  return string_of(value);
}

std::optional<double> number_in(const json::value& value) {
  if (value.is_number()) return double_of(value);
  if (!value.is_string() || value.get_string().empty()) return std::nullopt;
  const json::string& text = value.get_string();
  if (!std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  return read.ec == std::errc() ? number : HUGE_VAL;
}

}  // namespace agentctl
