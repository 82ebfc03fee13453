#pragma once

#include <string>
#include <string_view>

namespace agentctl {

/// A strong entity tag of a body: 16 hexadecimal digits in quotes. FNV-1a, as for slices: a tag has to change with the
/// body, it has to keep no secret.
std::string entity_tag(std::string_view body);

/// Whether an If-None-Match header names the tag: a list, "*", W/ (RFC 9110, 13.1.2: the comparison is weak), and
/// without quotes as well, which is how older clients of this interface send it.
bool matches_tag(std::string_view if_none_match, std::string_view tag);

}  // namespace agentctl
