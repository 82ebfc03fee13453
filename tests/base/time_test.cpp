#include "base/time.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include <limits>
#include <string>
#include <vector>

namespace agentctl {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(TimeSpan, ReadsWhatSystemdReads) {
  const std::vector<std::pair<std::string, microseconds>> table{
      // The examples of systemd.time(7).
      {"2 h", hours(2)},
      {"2hours", hours(2)},
      {"48hr", hours(48)},
      {"1y 12month", seconds(31'557'600 + 12 * 2'629'800)},
      {"55s500ms", milliseconds(55'500)},
      {"300ms20s 5day", milliseconds(300) + seconds(20) + hours(120)},
      // Its names of units.
      {"1usec", microseconds(1)},
      {"1us", microseconds(1)},
      {"1µs", microseconds(1)},
      {"1msec", milliseconds(1)},
      {"1ms", milliseconds(1)},
      {"1seconds", seconds(1)},
      {"1second", seconds(1)},
      {"1sec", seconds(1)},
      {"1s", seconds(1)},
      {"1minutes", minutes(1)},
      {"1minute", minutes(1)},
      {"1min", minutes(1)},
      {"1m", minutes(1)},
      {"1hours", hours(1)},
      {"1hour", hours(1)},
      {"1hr", hours(1)},
      {"1h", hours(1)},
      {"1days", hours(24)},
      {"1day", hours(24)},
      {"1d", hours(24)},
      {"1weeks", hours(168)},
      {"1week", hours(168)},
      {"1w", hours(168)},
      {"1months", seconds(2'629'800)},
      {"1month", seconds(2'629'800)},
      {"1M", seconds(2'629'800)},
      {"1years", seconds(31'557'600)},
      {"1year", seconds(31'557'600)},
      {"1y", seconds(31'557'600)},
      // Numbers.
      {"90", seconds(90)},
      {"0", microseconds(0)},
      {"007", seconds(7)},
      {"1 2 3", seconds(6)},
      {"1.5h", minutes(90)},
      {".5s", milliseconds(500)},
      {"0.000001", microseconds(1)},
      {"1.0000009s", seconds(1)},
      {"0.9us", microseconds(0)},
      {"2.5ms", microseconds(2500)},
      {"  90 s  ", seconds(90)},
      {"\t2h\t30min", minutes(150)},
      {"infinity", forever},
      {" infinity ", forever},
      {"9223372036854775807us", microseconds(std::numeric_limits<std::int64_t>::max())},
      {"292271y", seconds(292'271LL * 31'557'600)},
  };
  for (const auto& [text, span] : table) {
    const auto parsed = parse_time_span(text);
    ASSERT_TRUE(parsed.has_value()) << "'" << text << "'";
    EXPECT_EQ(parsed->count(), span.count()) << "'" << text << "'";
  }
}

TEST(TimeSpan, RefusesWhatIsNone) {
  for (const char* text :
       {"",  " ",    "-1",  "-5min", "1min -30s",   "s",           "min",      "abc",   "5 parsecs", "5S",  "5Min",
        ".", "1,5s", "1e3", "0x10",  "infinity 5s", "5s infinity", "Infinity", "5min;", "1:30",      "5\n", "5s\n5s"})
    EXPECT_FALSE(parse_time_span(text).has_value()) << "'" << text << "'";
  EXPECT_FALSE(parse_time_span(std::string_view("5\0s", 3)).has_value());
}

TEST(TimeSpan, RefusesWhatWouldOverflow) {
  for (const char* text : {"9223372036854775808us", "99999999999999999999", "9223372036854775807", "292277y",
                           "9223372036854775us 300000y", "9223372036854775807us 1us", "9223372036854775807.9999999y"})
    EXPECT_FALSE(parse_time_span(text).has_value()) << "'" << text << "'";
}

TEST(TimeSpan, IsWrittenAsShortAsItCanBe) {
  const std::vector<std::pair<microseconds, std::string>> table{
      {microseconds(0), "0"},    {microseconds(1), "1us"},    {milliseconds(1500), "1s 500ms"},
      {seconds(90), "1min 30s"}, {minutes(150), "2h 30min"},  {hours(24), "1d"},
      {hours(24 * 8), "1w 1d"},  {hours(24 * 365), "52w 1d"}, {forever, "infinity"},
  };
  for (const auto& [span, text] : table) EXPECT_EQ(format_time_span(span), text);
}

TEST(TimeSpan, IsReadBackAsItWasWritten) {
  std::vector<microseconds> spans{microseconds(0), forever, forever - microseconds(1)};
  // Every power of two, and its neighbours: each unit and each combination of them is met.
  for (int bit = 0; bit < 63; ++bit)
    for (const std::int64_t near : {-1, 0, 1}) spans.emplace_back((std::int64_t{1} << bit) + near);
  for (const microseconds span : spans) {
    const std::string text = format_time_span(span);
    const auto parsed = parse_time_span(text);
    ASSERT_TRUE(parsed.has_value()) << text;
    EXPECT_EQ(parsed->count(), span.count()) << text;
  }
}

TEST(RoughSpan, HasAtMostTwoUnits) {
  const std::vector<std::pair<microseconds, std::string>> table{
      {microseconds(0), "0s"},
      {milliseconds(999), "0s"},
      {seconds(45), "45s"},
      {seconds(61), "1min 1s"},
      {hours(1), "1h"},
      {hours(1) + seconds(59), "1h"},
      {hours(76) + minutes(12), "3d 4h"},
      {hours(72) + minutes(12), "3d"},
      {hours(24 * 7 * 3) + minutes(1), "3w"},
      {microseconds(-5), "0s"},
      {forever, "infinity"},
  };
  for (const auto& [span, text] : table) EXPECT_EQ(format_rough_span(span), text);
}

TEST(Rfc3339, IsUtcWithMilliseconds) {
  EXPECT_EQ(format_rfc3339(TimePoint(microseconds(1'769'860'800'250'999))), "2026-01-31T12:00:00.250Z");
  EXPECT_EQ(format_rfc3339(TimePoint{}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_rfc3339(TimePoint(microseconds(-1))), "1969-12-31T23:59:59.999Z");
}

TEST(Rfc3339, ReadsAnyNumberOfFractionDigits) {
  const std::vector<std::pair<std::string, std::int64_t>> table{
      {"2026-01-31T12:00:00Z", 1'769'860'800'000'000},
      {"2026-01-31T12:00:00.2Z", 1'769'860'800'200'000},
      {"2026-01-31T12:00:00.250Z", 1'769'860'800'250'000},
      {"2026-01-31T12:00:00.123456Z", 1'769'860'800'123'456},
      {"2026-01-31T12:00:00.123456789Z", 1'769'860'800'123'456},
      {"2024-02-29T23:59:59Z", 1'709'251'199'000'000},
      {"1970-01-01T00:00:00.000Z", 0},
  };
  for (const auto& [text, usec] : table) {
    const auto time = parse_rfc3339(text);
    ASSERT_TRUE(time.has_value()) << text;
    EXPECT_EQ(time->time_since_epoch().count(), usec) << text;
  }
}

TEST(Rfc3339, RefusesWhatItDoesNotWrite) {
  for (const char* text : {"",
                           "Z",
                           "2026-01-31",
                           "2026-01-31T12:00:00",
                           "2026-01-31T12:00:00+00:00",
                           "2026-01-31T12:00:00.Z",
                           "2026-01-31T12:00:00.1x2Z",
                           "2026-01-31T12:00:00,5Z",
                           "2026-01-31 12:00:00Z",
                           "2026-01-31t12:00:00Z",
                           "2026-00-31T12:00:00Z",
                           "2026-13-31T12:00:00Z",
                           "2026-01-00T12:00:00Z",
                           "2026-01-32T12:00:00Z",
                           "2026-01-31T24:00:00Z",
                           "2026-01-31T12:60:00Z",
                           "2026-01-31T12:00:61Z",
                           "+026-01-31T12:00:00Z",
                           "2026-1-31T12:00:00Z",
                           "2026-01-31T12:00:00.0000000000000000000000000000000Z",
                           "2026-01-31T12:00:00ZZ"})
    EXPECT_FALSE(parse_rfc3339(text).has_value()) << "'" << text << "'";
}

TEST(Rfc3339, RefusesADayThatItsMonthDoesNotHave) {
  for (const char* text : {"2026-02-29T12:00:00Z", "2026-02-30T12:00:00Z", "2026-04-31T12:00:00Z"})
    EXPECT_FALSE(parse_rfc3339(text).has_value()) << text;
}

TEST(Rfc3339, IsReadBackToTheMillisecond) {
  for (const std::int64_t ms :
       {-62'135'596'800'000LL, -1LL, 0LL, 1LL, 999LL, 1'769'860'800'250LL, 4'102'444'799'999LL}) {
    const TimePoint time{milliseconds(ms)};
    EXPECT_EQ(parse_rfc3339(format_rfc3339(time)), time) << ms;
  }
}

TEST(LocalTime, IsInTheReadersZone) {
  ::setenv("TZ", "XYZ-3", 1);
  ::tzset();
  EXPECT_EQ(format_local(TimePoint(seconds(1'769'860'800))), "2026-01-31 15:00:00 XYZ");
  ::unsetenv("TZ");
  ::tzset();
}

TEST(Now, IsTheRealTimeClock) {
  timespec clock{};
  ::clock_gettime(CLOCK_REALTIME, &clock);
  const auto difference = now().time_since_epoch() - seconds(clock.tv_sec);
  EXPECT_LT(std::chrono::abs(difference), minutes(1));
}

}  // namespace
}  // namespace agentctl
