#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace agentctl {

/// How many columns of a terminal printable UTF-8 takes: 2 for most characters of East Asia and for emoji, 0 for what
/// combines (wcwidth(3)).
std::size_t count_columns(std::string_view text);

/// What of printable UTF-8 fits into so many columns; when it is cut, the last one is "…".
std::string fit_columns(std::string_view text, std::size_t columns);

}  // namespace agentctl
