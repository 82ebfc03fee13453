#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace agentctl {

using Environment = std::map<std::string, std::string>;

/// Whether a variable of the caller reaches a session: what belongs to the caller's own agent session or to its own
/// systemd unit does not, proxies and cloud credentials that agents need do. It is a strip list: all else passes.
bool passes_to_session(std::string_view name);

/// The caller's environment, cleaned by passes_to_session().
Environment clean_environment(const Environment& caller);

/// What --clean-env starts from: HOME, USER, SHELL, PATH, LANG, TERM, XDG_RUNTIME_DIR, as far as they are set.
Environment minimal_environment(const Environment& caller);

/// What services of a file start from: PATH, HOME, TEMP, TMP.
Environment bare_environment(const Environment& caller);

/// [A-Za-z_][A-Za-z0-9_]*
bool is_valid_variable(std::string_view name);

/// Adds one -e: "K=V", or "K" for the caller's own value. Throws a usage Error.
void add_variable(Environment& environment, std::string_view assignment, const Environment& caller);

/// Adds an --env-file: lines of K=V or K, blank lines and those that begin with # skipped; nothing is unquoted.
/// Throws an Error that names the line.
void add_environment_file(Environment& environment, std::string_view content, const std::string& path,
                          const Environment& caller);

std::vector<std::string> to_assignments(const Environment& environment);

}  // namespace agentctl
