#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/time.hpp"
#include "cli/invocation.hpp"

namespace CLI {
class App;
}  // namespace CLI

namespace agentctl {

/// Thrown by CommandLine::parse() when --help or --version was asked for and has been printed.
struct HelpShown {};

/// The options of one verb: CLI11 with what is the same for all of them (global options, --help with examples,
/// --version, errors as Error{usage}).
class CommandLine {
 public:
  /// `usage` is what follows "agentctl VERB"; `examples` are whole command lines.
  CommandLine(Invocation& invocation, std::string verb, std::string usage, std::string description,
              std::vector<std::string> examples);

  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  // What is given is written to the variables by parse(); `names` are "-s,--long".
  void add_flag(const std::string& names, bool& flag, const std::string& help);
  void add_option(const std::string& names, std::string& value, const char* type, const std::string& help);
  /// One that stays empty when it is not given; "" is something else.
  void add_option(const std::string& names, std::optional<std::string>& value, const char* type,
                  const std::string& help);
  /// One that may be given more than once.
  void add_option(const std::string& names, std::vector<std::string>& values, const char* type,
                  const std::string& help);
  void add_choice(const std::string& names, std::string& value, const std::vector<std::string>& choices,
                  const std::string& help);
  /// A time span option; none stays empty.
  void add_span(const std::string& names, std::optional<microseconds>& span, const std::string& help);
  void add_argument(const std::string& name, std::string& value);
  void add_argument(const std::string& name, std::vector<std::string>& values);  ///< at least one
  void add_optional_argument(const std::string& name, std::string& value);
  void add_optional_argument(const std::string& name, std::vector<std::string>& values);

  /// Throws Error{usage} or HelpShown. From the first word that is no option on, words are left to rest() when
  /// `words_follow` is set.
  void parse(bool words_follow = false);
  const std::vector<std::string>& rest() const { return rest_; }

 private:
  bool may_be_given(std::string_view names) const;
  std::string help() const;

  Invocation& invocation_;
  std::string verb_;
  std::string usage_;
  std::vector<std::string> examples_;
  std::vector<std::string> rest_;
  std::vector<std::function<void()>> after_parse_;
  bool user_ = false;
  bool system_ = false;
  bool help_ = false;
  bool version_ = false;
  std::unique_ptr<CLI::App> app_;  ///< whose header takes longer to compile than all verbs together
};

/// What --version is for, before a verb and after it.
void print_version();

/// The Error of a usage mistake; it names the --help.
Error usage_error(const std::string& verb, const std::string& reason);

/// 0 to `most` in decimal digits, or a usage Error that names the option. CLI11's own conversion takes 010 for 8, and
/// -1 for a large number.
std::size_t parse_number(const std::string& verb, const std::string& option, const std::string& text,
                         std::int64_t most);

/// A systemd time span, or a usage Error that names the option.
microseconds parse_span(const std::string& option, const std::string& text);

}  // namespace agentctl
