#include "cli/program.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/verb.hpp"

namespace agentctl {
namespace {

constexpr const char* first_steps =
    R"(agentctl runs AI agents, and the services they start, as systemd sessions.

  agentctl run -n web -- npm run dev    start a session; it goes on without you
  agentctl list                         what lives
  agentctl status web                   how it is
  agentctl logs -f web                  what it prints
  agentctl stop web                     end it, with all of its processes

agentctl --help shows the rest.
)";

std::string help_text() {
  std::string text = "Usage: agentctl [--user | --system] [--json] [--no-color] VERB ...\n\n";
  for (const Verb& verb : verbs()) {
    std::string name(verb.name);
    name.resize(12, ' ');
    text += "  " + name + std::string(verb.summary) + "\n";
  }
  return text +
         "\nagentctl VERB --help shows a verb's options; agentctl(1) has the exit statuses and the JSON.\n"
         "A NAME is a session's name, its id, or the beginning of an id that only one has.\n";
}

void set_scope(GlobalOptions& globals, ManagerScope scope) {
  if (globals.scope && *globals.scope != scope) throw usage_error("", "--user and --system exclude each other");
  globals.scope = scope;
}

// Global options may stand before the verb, as with systemctl.
bool take_global(const std::string& word, GlobalOptions& globals) {
  if (word == "--user") {
    set_scope(globals, ManagerScope::user);
  } else if (word == "--system") {
    set_scope(globals, ManagerScope::system);
  } else if (word == "--json") {
    globals.json = true;
  } else if (word == "--no-color") {
    globals.no_color = true;
  } else {
    return false;
  }
  return true;
}

std::string nearest_verb(const std::string& word) {
  for (const Verb& verb : verbs())
    if (verb.name.starts_with(word.substr(0, 2))) return std::string(verb.name);
  return {};
}

// Those that no person calls.
int (*internal_verb(const std::string& name))(Invocation&) {
  if (name == "__complete") return cmd_complete;
  if (name == "__log-stream") return cmd_log_stream;
  return nullptr;
}

int run_verb(std::vector<std::string> words, GlobalOptions& globals, std::optional<Invocation>& kept) {
  auto word = words.begin();
  while (word != words.end() && take_global(*word, globals)) ++word;
  if (word == words.end()) {
    print(first_steps);
    return 0;
  }
  const std::string name = *word;
  if (name == "--help" || name == "-h" || name == "help") {
    print(help_text());
    return 0;
  }
  if (name == "--version") {
    print_version();
    return 0;
  }
  const auto& table = verbs();
  const auto verb = std::find_if(table.begin(), table.end(), [&](const Verb& row) { return row.name == name; });
  const auto run = verb != table.end() ? verb->run : internal_verb(name);
  if (run == nullptr) {
    if (name.starts_with('-')) throw usage_error("", "unknown option '" + to_printable(name) + "'");
    const std::string nearest = nearest_verb(name);
    throw usage_error("", "unknown verb '" + to_printable(name) + "'" +
                              (nearest.empty() ? "" : "; did you mean '" + nearest + "'?"));
  }
  Invocation& invocation = kept.emplace(std::vector<std::string>(word + 1, words.end()), globals);
  try {
    const int status = run(invocation);
    globals = invocation.globals();
    return status;
  } catch (...) {
    globals = invocation.globals();
    throw;
  }
}

// A usage error can come before --json has been parsed. Of other errors it is known: there, a --json among the words
// may be the command's own.
bool wants_json(const std::vector<std::string>& words) {
  const auto end = std::find(words.begin(), words.end(), "--");
  return std::find(words.begin(), end, "--json") != end;
}

// What could not be read may be the reason why something was not found.
std::vector<std::string> warnings(std::optional<Invocation>& invocation) {
  return invocation ? invocation->take_warnings() : std::vector<std::string>{};
}

}  // namespace

int run_program(std::vector<std::string> arguments, std::optional<Invocation>& kept) {
  GlobalOptions globals;
  const bool json = wants_json(arguments);
  try {
    const int status = run_verb(std::move(arguments), globals, kept);
    for (const std::string& warning : warnings(kept)) print_warning(warning);
    return status;
  } catch (const HelpShown&) {
    return 0;
  } catch (const Error& error) {
    print_error(error, warnings(kept), globals.json || (json && error.code() == ErrorCode::usage));
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    print_error(Error({.code = ErrorCode::failed, .context = error.what(), .object = {}, .reason = {}, .hint = {}}),
                warnings(kept), globals.json);
    return 1;
  }
}

}  // namespace agentctl
