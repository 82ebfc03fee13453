#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "domain/session.hpp"

namespace agentctl {

/// Checks everything of a request that can be checked without looking at the machine. Throws a usage Error that names
/// the option, the rule and the remedy. Called before a unit or a record exists, so a refusal changes nothing.
void check_request(const SessionRequest& request);

/// The rule for -n alone: for a name that was given, and may not be left out by being empty.
void check_name(const std::string& name);

/// 1 to 64 of [A-Za-z0-9._-], a letter or digit first: projects, groups and label keys.
bool is_valid_word(std::string_view text);

inline constexpr std::size_t max_ports = 20;
inline constexpr std::size_t max_labels = 64;
inline constexpr std::size_t max_codes = 32;
inline constexpr std::size_t max_shell_command = 4096;
inline constexpr std::size_t max_text = 256;  ///< bytes of an agent, a work item or a label's value
/// execve(2): one argument takes at most 32 pages with its NUL (MAX_ARG_STRLEN).
inline constexpr std::size_t max_argument = 131'071;

}  // namespace agentctl
