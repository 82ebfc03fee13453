#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace agentctl {

/// Decimal digits only, without sign or space, up to 2^63-1.
std::optional<std::int64_t> parse_decimal(std::string_view text);

/// Bytes as systemd takes them: decimal digits and K, M, G or T, of 1024 each; less than 2^63.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// The part before the first `separator`, which is taken off the text together with it; all of it when there is none.
std::string_view take_until(std::string_view& text, char separator);
/// The first line, in the same way.
std::string_view take_line(std::string_view& text);

/// 16 digits that differ when the bytes do, as long as nobody is after two that have the same (FNV-1a, 64 bits).
std::string fnv1a_hex(std::string_view bytes);

/// Without the spaces and tabs at either end.
std::string_view trim(std::string_view text);

/// Bytes that are no valid UTF-8 become U+FFFD.
std::string to_valid_utf8(std::string_view bytes);
bool is_valid_utf8(std::string_view bytes);

/// One line that a shell reads back as these words. Control characters and bytes that are no UTF-8 become $'\n'-like
/// escapes (bash, POSIX 2024), so that it can be shown on a terminal.
std::string quote_for_shell(const std::vector<std::string>& words);

/// At most so many characters (code points) of valid UTF-8; when cut, the last one is "…". For a limit; what a terminal
/// shows is measured in columns (cli/columns.hpp).
std::string shorten(std::string_view text, std::size_t characters);

/// How many characters (code points) the text has.
std::size_t count_characters(std::string_view text);

/// Valid UTF-8 without control characters, so that nothing an agent wrote can steer a terminal: C0, DEL and C1
/// become "\x1b"-like escapes.
std::string to_printable(std::string_view bytes);

}  // namespace agentctl
