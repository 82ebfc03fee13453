#include "cli/columns.hpp"

#include <algorithm>
#include <clocale>
#include <cwchar>

namespace agentctl {
namespace {

// A long table is nearly all of these, and to read the locale takes longer than to print it.
bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// The C library reads and measures characters of the thread's locale, which is "C" everywhere else.
class Utf8Locale {
 public:
  Utf8Locale() {
    static const locale_t utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    if (utf8 != nullptr) before_ = ::uselocale(utf8);
  }
  ~Utf8Locale() {
    if (before_ != nullptr) ::uselocale(before_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t before_ = nullptr;
};

struct Character {
  std::size_t bytes = 1;
  std::size_t columns = 1;
};

Character first_of(std::string_view text) {
  wchar_t character = 0;
  std::mbstate_t state{};
  const std::size_t bytes = std::mbrtowc(&character, text.data(), text.size(), &state);
  if (bytes == 0 || bytes > text.size()) return {};
  const int columns = ::wcwidth(character);
  return {.bytes = bytes, .columns = columns < 0 ? 1 : static_cast<std::size_t>(columns)};
}

}  // namespace

std::size_t count_columns(std::string_view text) {
  if (is_ascii(text)) return text.size();
  const Utf8Locale locale;
  std::size_t columns = 0;
  while (!text.empty()) {
    const Character character = first_of(text);
    columns += character.columns;
    text.remove_prefix(character.bytes);
  }
  return columns;
}

std::string fit_columns(std::string_view text, std::size_t columns) {
  if (count_columns(text) <= columns) return std::string(text);
  if (columns == 0) return {};
  if (is_ascii(text)) return std::string(text.substr(0, columns - 1)) + "…";
  const Utf8Locale locale;
  std::string_view left = text;
  for (std::size_t room = columns - 1;;) {
    const Character character = first_of(left);
    if (character.columns > room) return std::string(text.substr(0, text.size() - left.size())) + "…";
    room -= character.columns;
    left.remove_prefix(character.bytes);
  }
}

}  // namespace agentctl
