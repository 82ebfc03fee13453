#pragma once

#include <memory>
#include <string>
#include <string_view>

struct pcre2_real_code_8;

namespace agentctl {

inline constexpr std::size_t max_regex_bytes = 4096;

/// A regular expression as ECMAScript writes them without flags, translated for PCRE2 (to_pcre()). The differences that
/// are left: `$` also matches before the last line break, so that ^ready$ is found in what a program printed; a
/// look-behind has a fixed length; \s is ASCII; a character beyond U+FFFF is one, not two halves; a group in a loop
/// keeps what it has matched; a count over 65,535 is that many. Rejected: std::regex, which recurses once a character
/// and so ends the process on long input.
class Regex {
 public:
  /// Throws Error{usage} with what is wrong and at which byte.
  explicit Regex(const std::string& pattern);

  /// Whether it is found anywhere. Bytes that are no UTF-8 match nothing. Throws Error{failed} when that would take too
  /// many steps or too much memory: a pattern like (a+)+$ ends so within a second whatever the text is.
  bool matches(std::string_view text) const;

  const std::string& pattern() const noexcept { return pattern_; }

 private:
  struct Free {
    void operator()(pcre2_real_code_8* code) const;
  };

  std::string pattern_;
  std::unique_ptr<pcre2_real_code_8, Free> code_;
};

}  // namespace agentctl
