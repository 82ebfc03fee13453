#include "domain/ecmascript_pattern.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "base/ascii.hpp"

namespace agentctl {
namespace {

constexpr char32_t first_surrogate = 0xD800;
constexpr char32_t first_low_surrogate = 0xDC00;
constexpr char32_t last_surrogate = 0xDFFF;
constexpr char32_t last_unit = 0xFFFF;
constexpr std::uint64_t most_repeats = 65535;  // PCRE2's
// Not PCRE2's own empty class: a quantifier after that has no effect.
constexpr std::string_view no_character = "[^\\x{0}-\\x{10ffff}]";

bool is_high_surrogate(char32_t unit) { return unit >= first_surrogate && unit < first_low_surrogate; }
bool is_low_surrogate(char32_t unit) { return unit >= first_low_surrogate && unit <= last_surrogate; }

char32_t join(char32_t high, char32_t low) {
  return 0x10000 + ((high - first_surrogate) << 10) + (low - first_low_surrogate);
}

// Where a pattern stands for a character.
std::string pcre_character(char32_t character) {
  if (character < 0x80 && is_alphanumeric(static_cast<char>(character)))
    return std::string(1, static_cast<char>(character));
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "\\x{%x}", static_cast<unsigned>(character));
  return text.data();
}

/// What a class is made of: a UTF-16 unit, as [a-z] counts, or a set as \d is.
struct ClassAtom {
  char32_t unit = 0;
  std::string set{};
  bool is_dash = false;  ///< one that can make a range
};

/// The capturing groups of a whole pattern: what \1 and \k mean depends on all of them.
struct Groups {
  std::size_t count = 0;
  std::vector<std::pair<std::string, std::size_t>> names{};

  std::optional<std::size_t> find(std::string_view name) const {
    for (const auto& [known, number] : names)
      if (known == name) return number;
    return std::nullopt;
  }
};

class Translation {
 public:
  explicit Translation(std::string_view pattern) : pattern_(pattern) { find_groups(); }

  std::string take() {
    while (!is_at_end()) term();
    if (!open_.empty()) refuse("missing closing parenthesis");
    return std::move(result_);
  }

 private:
  /// A group that is open, by what may follow its end.
  struct OpenGroup {
    std::size_t number = 0;  ///< 0: it captures nothing
    bool is_repeatable = true;
  };

  [[noreturn]] void refuse(std::string reason) const { throw PatternRefusal{std::move(reason), at_}; }
  bool is_at_end() const { return at_ == pattern_.size(); }
  std::string_view rest() const { return pattern_.substr(at_); }
  char peek(std::size_t ahead = 0) const { return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : '\0'; }

  bool take_if(std::string_view text) {
    if (!rest().starts_with(text)) return false;
    at_ += text.size();
    return true;
  }

  void add(std::string_view text, bool is_repeatable) {
    result_ += text;
    is_repeatable_ = is_repeatable;
  }

  void find_groups() {
    bool in_class = false;
    for (; !is_at_end(); ++at_) {
      if (peek() == '\\') {
        if (++at_ == pattern_.size()) break;
      } else if (in_class) {
        in_class = peek() != ']';
      } else if (peek() == '[') {
        in_class = true;
      } else if (peek() == '(') {
        count_group();
      }
    }
    at_ = 0;
  }

  void count_group() {
    const bool is_named = rest().starts_with("(?<") && peek(3) != '=' && peek(3) != '!';
    if (peek(1) == '?' && !is_named) return;
    ++groups_.count;
    if (!is_named) return;
    const std::size_t began = std::exchange(at_, at_ + 3);
    std::string name = group_name();
    if (groups_.find(name)) refuse("two groups have the same name");
    groups_.names.emplace_back(std::move(name), groups_.count);
    at_ = began;
  }

  // NAME>
  std::string group_name() {
    const std::string_view name = rest().substr(0, rest().find('>'));
    const auto is_part = [](char c) {
      return is_alphanumeric(c) || c == '_' || c == '$' || static_cast<unsigned char>(c) >= 0x80;
    };
    if (name.size() == rest().size() || name.empty() || is_digit(name.front()) ||
        !std::all_of(name.begin(), name.end(), is_part))
      refuse("that is no name of a group");
    at_ += name.size() + 1;
    return std::string(name);
  }

  void term() {
    switch (peek()) {
      case '\\': return escape();
      case '[': return character_class();
      case '(': return open_group();
      case ')': return close_group();
      case '^':
      case '$':
      case '|': return add(pattern_.substr(at_++, 1), false);
      case '.': return add(pattern_.substr(at_++, 1), true);
      default: break;
    }
    if (quantifier()) return;
    add_character(take_character());
  }

  void open_group() {
    OpenGroup group;
    ++at_;
    if (!take_if("?")) {
      result_ += '(';
      group.number = ++opened_;
    } else if (take_if("<=") || take_if("<!")) {
      result_ += peek_back() == '=' ? "(?<=" : "(?<!";
      group.is_repeatable = false;
    } else if (take_if("<")) {
      group_name();
      result_ += '(';
      group.number = ++opened_;
    } else if (take_if(":") || take_if("=") || take_if("!")) {
      (result_ += "(?") += peek_back();
    } else {
      refuse("unknown kind of group");
    }
    is_repeatable_ = false;
    open_.push_back(group);
  }

  char peek_back() const { return pattern_[at_ - 1]; }

  void close_group() {
    if (open_.empty()) refuse("unmatched closing parenthesis");
    ++at_;
    add(")", open_.back().is_repeatable);
    open_.pop_back();
  }

  // False when there is none: a brace may be only a brace.
  bool quantifier() {
    std::uint64_t least = 0;
    std::optional<std::uint64_t> most;
    const std::size_t began = at_;
    if (take_if("*")) {
    } else if (take_if("+")) {
      least = 1;
    } else if (take_if("?")) {
      most = 1;
    } else if (!take_if("{") || !counts(least, most)) {
      at_ = began;
      return false;
    }
    if (!is_repeatable_) at_ = began, refuse("nothing to repeat");
    if (most && *most < least) at_ = began, refuse("numbers out of order in a quantifier");
    // What is more cannot be told from it.
    const bool has_end = most && *most <= most_repeats;
    result_ += '{' + std::to_string(std::min(least, most_repeats)) + ',' + (has_end ? std::to_string(*most) : "") + '}';
    if (take_if("?")) result_ += '?';
    is_repeatable_ = false;
    return true;
  }

  // "2}", "2,}", "2,3}"
  bool counts(std::uint64_t& least, std::optional<std::uint64_t>& most) {
    const auto first = number();
    if (!first) return false;
    least = *first;
    if (take_if("}")) return most = least, true;
    if (!take_if(",")) return false;
    most = number();
    return take_if("}");
  }

  std::optional<std::uint64_t> number() {
    constexpr std::uint64_t infinite = 0x7FFFFFFF;
    if (!is_digit(peek())) return std::nullopt;
    std::uint64_t value = 0;
    for (; is_digit(peek()); ++at_) value = std::min<std::uint64_t>(infinite, value * 10 + (peek() - '0'));
    return value;
  }

  // One whole character, as it stands there.
  char32_t take_character() {
    const auto lead = static_cast<unsigned char>(pattern_[at_++]);
    if (lead < 0x80) return lead;
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    char32_t character = lead & (0x3F >> more);
    for (int i = 0; i < more; ++i) character = character << 6 | (static_cast<unsigned char>(pattern_[at_++]) & 0x3F);
    return character;
  }

  // Half of a surrogate pair is in no text that is UTF-8.
  void add_character(char32_t character) {
    if (is_high_surrogate(character) && rest().starts_with("\\u")) {
      const std::size_t began = std::exchange(at_, at_ + 2);
      const auto low = hexadecimal(4);
      if (low && is_low_surrogate(*low)) return add(pcre_character(join(character, *low)), true);
      at_ = began;
    }
    const bool is_half = is_high_surrogate(character) || is_low_surrogate(character);
    add(is_half ? std::string(no_character) : pcre_character(character), true);
  }

  void escape() {
    ++at_;
    if (is_at_end()) refuse("\\ at end of pattern");
    if (take_if("b")) return add("\\b", false);
    if (take_if("B")) return add("\\B", false);
    if (const std::string set = take_set(); !set.empty()) return add(set, true);
    if (peek() >= '1' && peek() <= '9') {
      const std::size_t began = at_;
      if (const auto group = number(); *group <= groups_.count) return refer_to(*group);
      at_ = began;
    }
    if (!groups_.names.empty() && take_if("k")) {
      if (!take_if("<")) refuse("\\k needs the <name> of a group");
      const auto group = groups_.find(group_name());
      if (!group) refuse("there is no group of that name");
      return refer_to(*group);
    }
    add_character(escaped_character(false));
  }

  // A group that is still open has matched nothing yet.
  void refer_to(std::size_t group) {
    const bool is_open =
        std::any_of(open_.begin(), open_.end(), [&](const OpenGroup& open) { return open.number == group; });
    add(is_open ? "(?:)" : "\\g{" + std::to_string(group) + "}", true);
  }

  // What follows the backslash, if it is one of the six.
  std::string take_set() {
    if (peek() == '\0' || std::string_view("dDsSwW").find(peek()) == std::string_view::npos) return {};
    return std::string("\\") + pattern_[at_++];
  }

  // What follows the backslash, when it means one character.
  char32_t escaped_character(bool in_class) {
    constexpr std::string_view letters = "fnrtv";
    constexpr std::string_view controls = "\f\n\r\t\v";
    const char c = peek();
    if (c == 'c') return control_character(in_class);
    if (c >= '0' && c <= '7') return octal();
    const auto began = at_;
    const char32_t character = take_character();
    if (const auto letter = letters.find(c); letter != std::string_view::npos)
      return static_cast<unsigned char>(controls[letter]);
    if (c == 'k' && !groups_.names.empty()) at_ = began, refuse("\\k needs the <name> of a group");
    if (c == 'x' || c == 'u') return hexadecimal(c == 'x' ? 2 : 4).value_or(character);
    return character;
  }

  // \cA; a \c that is nothing of the kind is a backslash, and the c comes next.
  char32_t control_character(bool in_class) {
    const char c = peek(1);
    if (!is_letter(c) && !(in_class && (is_digit(c) || c == '_'))) return U'\\';
    at_ += 2;
    return static_cast<char32_t>(c & 0x1F);
  }

  // Up to three digits, of one byte.
  char32_t octal() {
    char32_t value = 0;
    for (int digits = 0; digits < 3 && peek() >= '0' && peek() <= '7' && value < 32; ++digits)
      value = value * 8 + static_cast<char32_t>(pattern_[at_++] - '0');
    return value;
  }

  std::optional<char32_t> hexadecimal(std::size_t digits) {
    char32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const int digit = hex_value(peek(i));
      if (digit < 0) return std::nullopt;
      value = value * 16 + static_cast<char32_t>(digit);
    }
    at_ += digits;
    return value;
  }

  void character_class() {
    const std::size_t began = at_++;
    const bool is_negated = take_if("^");
    std::vector<ClassAtom> atoms;
    while (!is_at_end() && peek() != ']') read_class_atom(atoms);
    if (is_at_end()) at_ = began, refuse("missing terminating ]");
    ++at_;
    const std::string content = class_content(atoms);
    add(content.empty() && !is_negated ? std::string(no_character) : (is_negated ? "[^" : "[") + content + "]", true);
  }

  std::string class_content(const std::vector<ClassAtom>& atoms) const {
    std::string content;
    for (std::size_t i = 0; i < atoms.size();) {
      const bool begins_range = i + 2 < atoms.size() && atoms[i + 1].is_dash;
      const bool is_pair = !begins_range && i + 1 < atoms.size() && is_high_surrogate(atoms[i].unit) &&
                           is_low_surrogate(atoms[i + 1].unit) && !(i + 3 < atoms.size() && atoms[i + 2].is_dash);
      if (begins_range) {
        content += range(atoms[i], atoms[i + 2]);
        i += 3;
      } else if (is_pair) {
        content += pcre_character(join(atoms[i].unit, atoms[i + 1].unit));
        i += 2;
      } else {
        content += range(atoms[i], atoms[i]);
        ++i;
      }
    }
    return content;
  }

  void read_class_atom(std::vector<ClassAtom>& atoms) {
    if (take_if("-")) return atoms.push_back({.unit = U'-', .is_dash = true});
    char32_t character = 0;
    if (take_if("\\")) {
      if (is_at_end()) refuse("\\ at end of pattern");
      if (std::string set = take_set(); !set.empty()) return atoms.push_back({.set = std::move(set)});
      character = take_if("b") ? U'\b' : escaped_character(true);
    } else {
      character = take_character();
    }
    if (character <= last_unit) return atoms.push_back({.unit = character});
    character -= 0x10000;
    atoms.push_back({.unit = first_surrogate + (character >> 10)});
    atoms.push_back({.unit = first_low_surrogate + (character & 0x3FF)});
  }

  // With a set at either end the hyphen is only a hyphen.
  std::string range(const ClassAtom& first, const ClassAtom& last) const {
    const auto text_of = [](const ClassAtom& atom) { return atom.set.empty() ? pcre_character(atom.unit) : atom.set; };
    if (!first.set.empty() || !last.set.empty())
      return &first == &last ? text_of(first) : text_of(first) + "\\-" + text_of(last);
    if (first.unit > last.unit) refuse("range out of order in a class");
    std::string text;
    const auto add_part = [&](char32_t from, char32_t to) {
      if (from <= to) text += pcre_character(from);
      if (from < to) text += '-' + pcre_character(to);
    };
    add_part(first.unit, std::min<char32_t>(last.unit, first_surrogate - 1));
    add_part(std::max<char32_t>(first.unit, last_surrogate + 1), last.unit);
    // Both halves of any pair are in it.
    if (first.unit <= first_surrogate && last.unit >= last_surrogate) add_part(last_unit + 1, 0x10FFFF);
    return text;
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  std::string result_;
  Groups groups_;
  std::size_t opened_ = 0;  ///< groups that capture
  std::vector<OpenGroup> open_;
  bool is_repeatable_ = false;
};

}  // namespace

std::string to_pcre(std::string_view pattern) { return Translation(pattern).take(); }

}  // namespace agentctl
