#include "cli/command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/text.hpp"
#include "cli/print.hpp"

namespace agentctl {
namespace {

constexpr const char* help_names = "-h,--help";

// Options first, each with its text in one column; CLI11's own layout adds types and blank lines.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(26); }
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_items_expected_max() == 0 ? "" : " " + option->get_type_name();
  }
};

// 2 when the option's value is the next word. Short options may stand together, and the last take a value: "-fn web".
std::size_t words_of_option(const CLI::App& app, const std::string& word) {
  const auto takes_value = [&](const std::string& name) {
    const CLI::Option* option = app.get_option_no_throw(name);
    return option != nullptr && option->get_items_expected_max() > 0;
  };
  if (word.starts_with("--")) return takes_value(word) ? 2 : 1;
  for (std::size_t i = 1; i < word.size(); ++i)
    if (takes_value(std::string("-") + word[i])) return i + 1 == word.size() ? 2 : 1;
  return 1;
}

// Whether the word can be `name`, "-s" or "--long", whatever value stands with it.
bool can_be(std::string_view word, std::string_view name) {
  if (name.starts_with("--")) return word.starts_with(name) && (word.size() == name.size() || word[name.size()] == '=');
  return word.starts_with('-') && !word.starts_with("--") && word.find(name[1]) != std::string_view::npos;
}

bool can_be_any(std::string_view word, std::string_view names) {
  while (!names.empty())
    if (can_be(word, take_until(names, ','))) return true;
  return false;
}

// CLI11's own words for these differ between its versions, and name neither what is wrong nor what is right.
std::string reason_of(const CLI::ParseError& error, const CLI::App& app) {
  const std::string text = error.what();
  const auto quote = [](const std::string& word) { return "'" + to_printable(word) + "'"; };
  // What is missing is looked for before what is too much, though the latter often explains it.
  const auto extras = app.remaining();
  const bool misspelt = !extras.empty() && extras.front().starts_with('-');
  if (misspelt || dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    if (extras.empty()) return text;
    return (extras.front().starts_with('-') ? "unknown option " : "unexpected argument ") + quote(extras.front());
  }
  const std::string option = text.substr(0, text.find(':'));
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    if (text.find("missing") != std::string::npos || text.find("At least") != std::string::npos)
      return option + " needs a value";
    if (text.find("At Most") != std::string::npos) return option + " is given more than once";
  }
  constexpr std::string_view lead = "Could not convert: ";
  const auto equals = text.find(" = ");
  // Values are texts, so only a flag can be given one that it cannot take.
  if (text.starts_with(lead) && equals != std::string::npos)
    return text.substr(lead.size(), equals - lead.size()) + " takes no value, such as " +
           quote(text.substr(equals + 3));
  return to_printable(text);
}

}  // namespace

Error usage_error(const std::string& verb, const std::string& reason) {
  return Error({.code = ErrorCode::usage,
                .context = reason,
                .object = {},
                .reason = {},
                .hint = "agentctl " + verb + (verb.empty() ? "" : " ") + "--help"});
}

std::size_t parse_number(const std::string& verb, const std::string& option, const std::string& text,
                         std::int64_t most) {
  const auto number = parse_decimal(text);
  if (number && *number <= most) return static_cast<std::size_t>(*number);
  const std::string limit = most == INT64_MAX ? "" : " up to " + std::to_string(most);
  throw usage_error(verb, option + " takes a number" + limit + ", not '" + to_printable(text) + "'");
}

void print_version() { print("agentctl " AGENTCTL_VERSION "\n"); }

microseconds parse_span(const std::string& option, const std::string& text) {
  if (const auto span = parse_time_span(text)) return *span;
  throw Error({.code = ErrorCode::usage,
               .context = "invalid",
               .object = option,
               .reason = "'" + to_printable(text) + "' is no time span",
               .hint = "90, 90s, 15min, 2h 30min, 1d or infinity (systemd.time(7))"});
}

CommandLine::CommandLine(Invocation& invocation, std::string verb, std::string usage, std::string description,
                         std::vector<std::string> examples)
    : invocation_(invocation),
      verb_(std::move(verb)),
      usage_(std::move(usage)),
      examples_(std::move(examples)),
      app_(std::make_unique<CLI::App>(std::move(description))) {
  app_->formatter(std::make_shared<HelpFormatter>());
  app_->set_help_flag();
  app_->add_flag(help_names, help_, "show this");
  const auto add_everywhere = [this](const char* names, bool& flag, const char* help) {
    if (may_be_given(names)) app_->add_flag(names, flag, help)->group("Everywhere");
  };
  add_everywhere("--user", user_, "the sessions of your own systemd (default, but for root)");
  add_everywhere("--system", system_, "the sessions of the system's systemd");
  add_everywhere("--json", invocation_.globals().json, "print JSON");
  add_everywhere("--no-color", invocation_.globals().no_color, "no colours (also: NO_COLOR)");
  add_everywhere("--version", version_, "show the version");
}

CommandLine::~CommandLine() = default;

// CLI11 compares each option that it is told of with all that it has: most of a short command's time, if it were told
// of those that nobody names. Its help shows all.
bool CommandLine::may_be_given(std::string_view names) const {
  const auto& words = invocation_.arguments();
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& word) { return can_be_any(word, names) || can_be_any(word, help_names); });
}

void CommandLine::add_flag(const std::string& names, bool& flag, const std::string& help) {
  if (!may_be_given(names)) return;
  app_->add_flag(names, flag, help);
}

void CommandLine::add_option(const std::string& names, std::string& value, const char* type, const std::string& help) {
  if (!may_be_given(names)) return;
  app_->add_option(names, value, help)->type_name(type);
}

// CLI11's own optional takes "" for none.
void CommandLine::add_option(const std::string& names, std::optional<std::string>& value, const char* type,
                             const std::string& help) {
  if (!may_be_given(names)) return;
  const auto text = std::make_shared<std::string>();
  CLI::Option* option = app_->add_option(names, *text, help)->type_name(type);
  after_parse_.push_back([text, option, &value] {
    if (option->count() > 0) value = *text;
  });
}

void CommandLine::add_option(const std::string& names, std::vector<std::string>& values, const char* type,
                             const std::string& help) {
  if (!may_be_given(names)) return;
  app_->add_option(names, values, help)->type_name(type)->allow_extra_args(false);
}

void CommandLine::add_choice(const std::string& names, std::string& value, const std::vector<std::string>& choices,
                             const std::string& help) {
  if (!may_be_given(names)) return;
  std::string type;
  std::string said;
  for (const std::string& choice : choices) {
    type += (type.empty() ? "" : "|") + choice;
    said += (said.empty() ? "" : choice == choices.back() ? " or " : ", ") + choice;
  }
  CLI::Option* option = app_->add_option(names, value, help)->type_name(type);
  after_parse_.push_back([this, option, choices, said, &value] {
    if (option->count() > 0 && std::find(choices.begin(), choices.end(), value) == choices.end())
      throw usage_error(verb_, option->get_name() + " takes " + said + ", not '" + to_printable(value) + "'");
  });
}

void CommandLine::add_argument(const std::string& name, std::string& value) {
  app_->add_option(name, value)->required()->type_name("");
}

void CommandLine::add_argument(const std::string& name, std::vector<std::string>& values) {
  app_->add_option(name, values)->required()->type_name("");
}

void CommandLine::add_optional_argument(const std::string& name, std::string& value) {
  app_->add_option(name, value)->type_name("");
}

void CommandLine::add_optional_argument(const std::string& name, std::vector<std::string>& values) {
  app_->add_option(name, values)->type_name("");
}

void CommandLine::add_span(const std::string& names, std::optional<microseconds>& span, const std::string& help) {
  if (!may_be_given(names)) return;
  const auto text = std::make_shared<std::string>();
  CLI::Option* option = app_->add_option(names, *text, help)->type_name("SPAN");
  after_parse_.push_back([text, option, &span] {
    if (option->count() > 0) span = parse_span(option->get_name(), *text);
  });
}

std::string CommandLine::help() const {
  std::string text =
      "Usage: agentctl " + verb_ + (usage_.empty() ? "" : " " + usage_) + "\n" + app_->get_description() + "\n";
  const std::string all = app_->help();
  // CLI11 begins with the description and a usage line of its own.
  const auto options = all.find("\nOptions:");
  if (options != std::string::npos) text += all.substr(options);
  // Its groups of options are two blank lines apart.
  for (auto blank = text.find("\n\n\n"); blank != std::string::npos; blank = text.find("\n\n\n")) text.erase(blank, 1);
  while (text.ends_with("\n\n")) text.pop_back();
  text += "\nExamples:\n";
  for (const std::string& example : examples_) text += "  " + example + "\n";
  return text;
}

void CommandLine::parse(bool words_follow) {
  // CLI11 takes words off the back. What follows the first word that is no option belongs to the command to run, and
  // CLI11's own ways to say so differ between its versions: so they are cut off here, by its own table of options.
  std::vector<std::string> words = invocation_.arguments();
  if (words_follow) {
    std::size_t end = 0;
    while (end < words.size() && words[end].size() > 1 && words[end].front() == '-' && words[end] != "--")
      end += words_of_option(*app_, words[end]);
    end = std::min(end, words.size());
    const std::size_t from = end < words.size() && words[end] == "--" ? end + 1 : end;
    rest_.assign(words.begin() + static_cast<std::ptrdiff_t>(from), words.end());
    words.resize(end);
  }
  std::reverse(words.begin(), words.end());
  try {
    app_->parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    if (!help_ && !version_) throw usage_error(verb_, reason_of(error, *app_));
  }
  if (help_) {
    print(help());
    throw HelpShown{};
  }
  if (version_) {
    print_version();
    throw HelpShown{};
  }
  const auto before = invocation_.globals().scope;
  if ((user_ || before == ManagerScope::user) && (system_ || before == ManagerScope::system))
    throw usage_error(verb_, "--user and --system exclude each other");
  if (user_) invocation_.globals().scope = ManagerScope::user;
  if (system_) invocation_.globals().scope = ManagerScope::system;
  for (const auto& step : after_parse_) step();
  allow_color(!invocation_.globals().no_color && std::getenv("NO_COLOR") == nullptr && stdout_is_terminal());
}

}  // namespace agentctl
