#include "base/time.hpp"

#include <array>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "base/ascii.hpp"

namespace agentctl {
namespace {

constexpr std::int64_t second = 1'000'000;

struct Unit {
  std::string_view name;
  std::int64_t usec;
};

// The names of systemd.time(7). A month is 30.44 days and a year 365.25, as there.
// One kind of unit a line.
// clang-format off
constexpr std::array<Unit, 32> units{{
    {"usec", 1}, {"us", 1}, {"µs", 1},
    {"msec", 1000}, {"ms", 1000},
    {"seconds", second}, {"second", second}, {"secs", second}, {"sec", second}, {"s", second},
    {"minutes", 60 * second}, {"minute", 60 * second}, {"mins", 60 * second}, {"min", 60 * second}, {"m", 60 * second},
    {"hours", 3600 * second}, {"hour", 3600 * second}, {"hrs", 3600 * second}, {"hr", 3600 * second},
    {"h", 3600 * second},
    {"days", 86400 * second}, {"day", 86400 * second}, {"d", 86400 * second},
    {"weeks", 604800 * second}, {"week", 604800 * second}, {"w", 604800 * second},
    {"months", 2629800 * second}, {"month", 2629800 * second}, {"M", 2629800 * second},
    {"years", 31557600 * second}, {"year", 31557600 * second}, {"y", 31557600 * second},
}};
// clang-format on

// Written from the largest to the smallest; months and years are not written, since no one counts in 30.44 days.
constexpr std::array<Unit, 7> written{{{"w", 604800 * second},
                                       {"d", 86400 * second},
                                       {"h", 3600 * second},
                                       {"min", 60 * second},
                                       {"s", second},
                                       {"ms", 1000},
                                       {"us", 1}}};

void skip_space(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

struct Number {
  std::int64_t whole = 0;
  std::int64_t micro = 0;  // the fraction, in millionths
};

std::optional<Number> take_number(std::string_view& text) {
  Number number;
  bool any = false;
  while (!text.empty() && is_digit(text.front())) {
    if (__builtin_mul_overflow(number.whole, 10, &number.whole) ||
        __builtin_add_overflow(number.whole, text.front() - '0', &number.whole))
      return std::nullopt;
    text.remove_prefix(1);
    any = true;
  }
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    for (std::int64_t weight = 100'000; !text.empty() && is_digit(text.front()); text.remove_prefix(1), weight /= 10) {
      number.micro += (text.front() - '0') * weight;
      any = true;
    }
  }
  if (!any) return std::nullopt;
  return number;
}

std::optional<std::int64_t> take_unit(std::string_view& text) {
  std::size_t length = 0;
  while (length < text.size() && text[length] != ' ' && text[length] != '\t' && text[length] != '.' &&
         !is_digit(text[length]))
    ++length;
  if (length == 0) return second;
  for (const Unit& unit : units) {
    if (unit.name == text.substr(0, length)) {
      text.remove_prefix(length);
      return unit.usec;
    }
  }
  return std::nullopt;
}

}  // namespace

TimePoint now() { return std::chrono::time_point_cast<microseconds>(std::chrono::system_clock::now()); }

std::optional<microseconds> parse_time_span(std::string_view text) {
  skip_space(text);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  if (text == "infinity") return forever;
  if (text.empty()) return std::nullopt;
  std::int64_t total = 0;
  while (!text.empty()) {
    const auto number = take_number(text);
    if (!number) return std::nullopt;
    skip_space(text);
    const auto unit = take_unit(text);
    if (!unit) return std::nullopt;
    skip_space(text);
    std::int64_t part = 0;
    // The fraction of a unit: split so that neither product can overflow for the largest unit.
    const std::int64_t fraction = *unit / second * number->micro + *unit % second * number->micro / second;
    if (__builtin_mul_overflow(number->whole, *unit, &part) || __builtin_add_overflow(part, fraction, &part) ||
        __builtin_add_overflow(total, part, &total))
      return std::nullopt;
  }
  return microseconds(total);
}

std::string format_time_span(microseconds span) {
  if (span == forever) return "infinity";
  std::string text;
  std::int64_t left = span.count();
  for (const Unit& unit : written) {
    if (left < unit.usec) continue;
    if (!text.empty()) text += ' ';
    text += std::to_string(left / unit.usec);
    text += unit.name;
    left %= unit.usec;
  }
  return text.empty() ? "0" : text;
}

std::string format_rough_span(microseconds span) {
  if (span == forever) return "infinity";
  std::string text;
  std::int64_t left = span.count();
  int parts = 0;
  for (const Unit& unit : written) {
    if (unit.usec < second) break;
    if (left < unit.usec) {
      if (parts > 0) break;  // "3d 12min" says less than "3d"
      continue;
    }
    if (!text.empty()) text += ' ';
    text += std::to_string(left / unit.usec);
    text += unit.name;
    left %= unit.usec;
    if (++parts == 2) break;
  }
  return text.empty() ? "0s" : text;
}

std::string format_rfc3339(TimePoint time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  const std::time_t seconds = whole.time_since_epoch().count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900, parts.tm_mon + 1,
                parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                static_cast<int>((time - whole).count() / 1000));
  return text.data();
}

std::optional<TimePoint> parse_rfc3339(std::string_view text) {
  constexpr std::string_view shape = "0000-00-00T00:00:00";
  if (text.size() <= shape.size() || text.size() > 40 || text.back() != 'Z') return std::nullopt;
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (shape[i] == '0' ? !is_digit(text[i]) : shape[i] != text[i]) return std::nullopt;
  const auto digits = [&](std::size_t from, std::size_t count) {
    int value = 0;
    for (std::size_t i = from; i < from + count; ++i) value = value * 10 + (text[i] - '0');
    return value;
  };
  std::tm parts{};
  parts.tm_year = digits(0, 4) - 1900;
  parts.tm_mon = digits(5, 2) - 1;
  parts.tm_mday = digits(8, 2);
  parts.tm_hour = digits(11, 2);
  parts.tm_min = digits(14, 2);
  parts.tm_sec = digits(17, 2);
  const std::chrono::year_month_day date(std::chrono::year(digits(0, 4)),
                                         std::chrono::month(static_cast<unsigned>(digits(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(digits(8, 2))));
  if (!date.ok() || parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 60) return std::nullopt;
  std::int64_t micro = 0;
  std::string_view fraction = text.substr(shape.size(), text.size() - shape.size() - 1);
  if (!fraction.empty()) {
    if (fraction.front() != '.' || fraction.size() < 2) return std::nullopt;
    fraction.remove_prefix(1);
    std::int64_t weight = 100'000;
    for (const char c : fraction) {
      if (!is_digit(c)) return std::nullopt;
      micro += (c - '0') * weight;
      weight /= 10;
    }
  }
  return TimePoint(microseconds(static_cast<std::int64_t>(::timegm(&parts)) * second + micro));
}

std::string format_local(TimePoint time) {
  const std::time_t seconds = time.time_since_epoch().count() / second;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S %Z", &parts);
  return text.data();
}

}  // namespace agentctl
