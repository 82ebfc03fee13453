#pragma once

#include <optional>
#include <string>
#include <string_view>

// What JavaScript makes of JSON values: the files that agents write were first read by a program in it, and its reasons
// and limits are those that they know.

namespace boost::json {
class value;
}

namespace agentctl {

/// JavaScript's strings may have half of a surrogate pair. Here that is as in WTF-8, like any other code unit in UTF-8:
/// three bytes, the first 0xED, the second from 0xA0 on. This makes U+FFFD of it, as JavaScript does when it writes.
std::string replace_lone_surrogates(std::string_view wtf8);

/// Length in UTF-16 units of valid UTF-8, as JavaScript counts it.
std::size_t utf16_length(std::string_view text);

/// A number as String() writes it: 3001.5, 1e+21, -1, Infinity.
std::string number_text(double number);

/// String(value), in valid UTF-8: null, true, an array's items joined by commas, [object Object].
std::string string_of(const boost::json::value& value);

/// JSON.stringify(value), but for the order of keys that are numbers, and half a surrogate pair, which it writes as
/// "\ufffd": as long, and every reader takes it.
std::string stringify(const boost::json::value& value);

/// The same of a string.
std::string quoted_json(std::string_view text);

/// A JSON number, or a string of ASCII decimal digits only; nothing otherwise. Number() takes more: " 3001 ", "0xBB9",
/// "3e3", [3001], true.
std::optional<double> number_in(const boost::json::value& value);

}  // namespace agentctl
