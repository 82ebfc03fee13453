#pragma once

#include "domain/json_document.hpp"
#include "domain/service_file.hpp"

// What the checks of a file of services share. Included by .cpp files of this folder only.

namespace agentctl {

/// The spec that is checked. Its functions throw ServiceRefusal, which check_service_file() turns into a value.
struct SpecCheck {
  const Place& place;
  std::size_t index;
  const ServiceRules& rules;
  const GitLookup& git;
  bool extended;

  [[noreturn]] void refuse(const std::string& pointer, const std::string& reason) const;
};

/// The member, unless it is missing or null.
std::optional<Place> given(const Place& object, std::string_view key);

/// Its pointer, whether it is there or not.
std::string pointer_to(const Place& object, std::string_view key);

/// What somebody wrote, as a reason quotes it: " (X)", cut when it is long.
std::string in_parentheses(std::string_view text);

bool has_nul(std::string_view text);

/// A string of 1 to `longest` UTF-16 units without NUL. `what` begins the reasons: WHAT-missing, WHAT-too-long,
/// WHAT-contains-nul.
std::string text_in(const SpecCheck& check, const Place& object, std::string_view key, const std::string& what,
                    std::size_t longest);

/// The strings of an array; none when it is missing. WHAT-not-array … of `plural`, WHAT-not-string … of `one`.
std::vector<std::string> texts_in(const SpecCheck& check, const Place& object, std::string_view key,
                                  const std::string& plural, const std::string& one, std::size_t most);

/// Whether the rules let a program of that path or name be started.
bool is_allowed_program(const ServiceRules& rules, std::string_view path);

void check_only(const SpecCheck& check, const Place& object, std::initializer_list<std::string_view> keys);

void read_health(const SpecCheck& check, ServiceSpec& spec);
void read_extras(const SpecCheck& check, ServiceSpec& spec);

/// In an extended file: each name is there, and none needs itself, also not through others.
void check_needs(const std::vector<ServiceSpec>& specs);

}  // namespace agentctl
