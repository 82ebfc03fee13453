#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace agentctl {

using std::chrono::microseconds;

/// A point of CLOCK_REALTIME in microseconds, as systemd and journald give them.
using TimePoint = std::chrono::sys_time<microseconds>;

/// systemd's "infinity".
inline constexpr microseconds forever = microseconds::max();

TimePoint now();

/// A systemd time span (systemd.time(7)): "90", "90s", "15min", "2h 30min", "1.5h", "1d", "infinity". A number
/// without a unit counts seconds. Nothing when it is no time span, negative, or over 2^63 microseconds.
std::optional<microseconds> parse_time_span(std::string_view text);

/// The shortest systemd time span that says the same: "2h 30min", "infinity", "0".
std::string format_time_span(microseconds span);

/// At most two units, for people: "3d 4h", "12min", "45s", "0s" under a second.
std::string format_rough_span(microseconds span);

/// RFC 3339 in UTC with milliseconds: "2026-01-31T12:00:00.250Z".
std::string format_rfc3339(TimePoint time);

/// Reads what format_rfc3339 writes (any number of fraction digits, up to 6 kept; "Z" only).
std::optional<TimePoint> parse_rfc3339(std::string_view text);

/// In the reader's time zone: "2026-01-31 13:00:00 CET".
std::string format_local(TimePoint time);

}  // namespace agentctl
