#include "cli/log_printer.hpp"

#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>

#include "base/text.hpp"
#include "cli/print.hpp"

namespace agentctl {
namespace {

// The length of a colour sequence at the front ("\033[1;31m"), 0 when there is none.
std::size_t color_sequence(std::string_view text) {
  if (!text.starts_with("\033[")) return 0;
  for (std::size_t i = 2; i < text.size() && i < 32; ++i) {
    const char c = text[i];
    if (c == 'm') return i + 1;
    if ((c < '0' || c > '9') && c != ';' && c != ':') return 0;
  }
  return 0;
}

std::string to_base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t k) -> unsigned {
      return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U;
    };
    const unsigned group = byte(0) << 16 | byte(1) << 8 | byte(2);
    text += digits[group >> 18];
    text += digits[group >> 12 & 63];
    text += i + 1 < bytes.size() ? digits[group >> 6 & 63] : '=';
    text += i + 2 < bytes.size() ? digits[group & 63] : '=';
  }
  return text;
}

void put(std::string_view text, FILE* file) {
  if (std::fwrite(text.data(), 1, text.size(), file) != text.size())
    throw system_error("cannot write to", "stdout", errno);
}

}  // namespace

std::string for_terminal(std::string_view bytes) {
  if (bytes.ends_with('\r')) bytes.remove_suffix(1);
  std::string shown;
  bool colored = false;
  while (!bytes.empty()) {
    if (const std::size_t length = color_sequence(bytes)) {
      shown += bytes.substr(0, length);
      bytes.remove_prefix(length);
      colored = true;
    } else if (bytes.front() == '\t') {
      shown += '\t';
      bytes.remove_prefix(1);
    } else {
      std::size_t plain = 1;
      while (plain < bytes.size() && bytes[plain] != '\t' && bytes[plain] != '\033') ++plain;
      shown += to_printable(bytes.substr(0, plain));
      bytes.remove_prefix(plain);
    }
  }
  return colored ? shown + "\033[0m" : shown;
}

LogPrinter::LogPrinter(Options options) : options_(std::move(options)) {}

LogPrinter::~LogPrinter() { std::fflush(stdout); }

LogSink LogPrinter::sink() const {
  return [this](const LogItem& item) {
    if (const auto* line = std::get_if<LogLine>(&item)) {
      print_line(*line);
    } else {
      print_gap(std::get<LogGap>(item));
    }
  };
}

void LogPrinter::print_line(const LogLine& line) const {
  if (options_.json) {
    boost::json::object object{{"time", format_rfc3339(line.time)}, {"stream", to_string(line.stream)},
                               {"text", to_valid_utf8(line.text)},  {"pid", line.pid},
                               {"session", options_.session},       {"name", options_.name}};
    // The text of a line that is no UTF-8 has replacement characters; this has the bytes.
    if (!is_valid_utf8(line.text)) object["base64"] = to_base64(line.text);
    put(boost::json::serialize(object) + "\n", stdout);
    return;
  }
  FILE* file = options_.split_streams && line.stream == OutputStream::err ? stderr : stdout;
  if (options_.times) put(paint(format_local(line.time), Color::dim) + " ", file);
  if (::isatty(::fileno(file)) == 1) {
    put(for_terminal(line.text) + "\n", file);
  } else {
    put(line.text, file);
    if (line.ends_with_newline) put("\n", file);
  }
}

void LogPrinter::print_gap(const LogGap& gap) const {
  std::fflush(stdout);
  print_warning(gap.lines > 0 ? std::to_string(gap.lines) + " lines are missing here: the journal has not kept them"
                              : "a part of a line is missing here: the journal has not kept it");
}

}  // namespace agentctl
