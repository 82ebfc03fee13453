#include "domain/regex.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "base/text.hpp"
#include "domain/ecmascript_pattern.hpp"

namespace agentctl {
namespace {

// One item of the pattern that is tried is a step; some, as .* is, go over much of the text in one. No clock is asked,
// so the answer is the same on every machine.
constexpr std::uint32_t max_steps = 5'000'000;
constexpr std::uint64_t max_moves = 200'000'000;
constexpr std::uint32_t max_heap_kib = 32 * 1024;

Error invalid(const std::string& pattern, const std::string& reason, std::size_t at) {
  return Error({.code = ErrorCode::usage,
                .context = "invalid regular expression",
                .object = pattern,
                .reason = reason + " at offset " + std::to_string(at),
                .hint = {}});
}

std::string message_of(int number) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(number, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

std::string translate(const std::string& pattern) {
  if (pattern.size() > max_regex_bytes) throw invalid(pattern.substr(0, 64), "too long", max_regex_bytes);
  if (!is_valid_utf8(pattern)) throw invalid(to_valid_utf8(pattern), "no valid UTF-8", 0);
  try {
    return to_pcre(pattern);
  } catch (const PatternRefusal& refusal) {
    throw invalid(pattern, refusal.reason, refusal.at);
  }
}

template <class Thing>
struct Freed {
  Thing* thing;
  void (*free)(Thing*);
  ~Freed() { free(thing); }
};

struct Work {
  std::uint32_t steps = 0;
  std::uint64_t moves = 0;  ///< bytes that were gone over, forth and back
  std::size_t position = 0;
};

// pcre2's own match limit counts anew at each place where a match may begin.
int count_work(pcre2_callout_block* block, void* data) {
  auto& work = *static_cast<Work*>(data);
  const std::size_t at = block->current_position;
  work.moves += at > work.position ? at - work.position : work.position - at;
  work.position = at;
  return ++work.steps > max_steps || work.moves > max_moves ? PCRE2_ERROR_MATCHLIMIT : 0;
}

}  // namespace

void Regex::Free::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

Regex::Regex(const std::string& pattern) : pattern_(pattern) {
  const std::string translated = translate(pattern);
  const Freed<pcre2_compile_context> context{pcre2_compile_context_create(nullptr), pcre2_compile_context_free};
  pcre2_set_newline(context.thing, PCRE2_NEWLINE_ANYCRLF);
  // Possessification would hide steps from the count: a*b would go over all of the text at each place in one.
  constexpr std::uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_ALLOW_EMPTY_CLASS |
                                    PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT |
                                    PCRE2_NO_AUTO_POSSESS;
  int failed = 0;
  std::size_t at = 0;
  code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(), options, &failed, &at,
                            context.thing));
  if (!code_) throw invalid(pattern, message_of(failed), std::min(at, pattern.size()));
}

bool Regex::matches(std::string_view text) const {
  const Freed<pcre2_match_data> found{pcre2_match_data_create(1, nullptr), pcre2_match_data_free};
  const Freed<pcre2_match_context> context{pcre2_match_context_create(nullptr), pcre2_match_context_free};
  Work work;
  pcre2_set_match_limit(context.thing, max_steps);
  pcre2_set_depth_limit(context.thing, max_steps);
  pcre2_set_heap_limit(context.thing, max_heap_kib);
  pcre2_set_callout(context.thing, count_work, &work);
  const char* subject = text.data() == nullptr ? "" : text.data();
  const int result =
      pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(subject), text.size(), 0, 0, found.thing, context.thing);
  if (result >= 0) return true;
  if (result == PCRE2_ERROR_NOMATCH) return false;
  const bool too_much =
      result == PCRE2_ERROR_MATCHLIMIT || result == PCRE2_ERROR_DEPTHLIMIT || result == PCRE2_ERROR_HEAPLIMIT;
  throw Error({.code = ErrorCode::failed,
               .context = "cannot search for",
               .object = pattern_,
               .reason = too_much ? "it takes too many steps with this text" : message_of(result),
               .hint = {}});
}

}  // namespace agentctl
