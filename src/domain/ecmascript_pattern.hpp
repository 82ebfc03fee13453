#pragma once

#include <string>
#include <string_view>

namespace agentctl {

/// Why a pattern is none, and at which byte.
struct PatternRefusal {
  std::string reason;
  std::size_t at;
};

/// Reads a pattern as `new RegExp(pattern)` does, with its Annex B: an escape of a letter that has no meaning is that
/// letter, \8 beyond the last group an 8, a brace that is no quantifier a brace. Returns the same for PCRE2, in UTF,
/// with PCRE2_ALLOW_EMPTY_CLASS and PCRE2_MATCH_UNSET_BACKREF. Throws PatternRefusal for what JavaScript refuses; what
/// PCRE2 cannot do, as a look-behind of any length, is left to it. The pattern is valid UTF-8.
std::string to_pcre(std::string_view pattern);

}  // namespace agentctl
