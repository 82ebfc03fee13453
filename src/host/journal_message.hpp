#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "domain/log_entry.hpp"

namespace agentctl {

/// What every entry of a session host says of where it comes from.
struct LogOrigin {
  std::string session;
  std::string name;
  std::string project;     ///< empty: none
  std::string invocation;  ///< of the unit
  std::string identifier;  ///< SYSLOG_IDENTIFIER, what journalctl shows before the text
  pid_t pid = 0;           ///< the command's; 0: it was not started
};

/// Appends one field as systemd.io/JOURNAL_NATIVE_PROTOCOL has it: "NAME=value\n", or the form with a length when the
/// value has a newline.
void append_field(std::string& message, std::string_view name, std::string_view value);

/// The fields that all entries share, to be sent before encode_entry().
std::string encode_origin(const LogOrigin& origin);

/// The entry's own fields but for the text: it ends where the bytes of message_of(entry) and then "\n" are to follow.
/// The text is left out because it can have 1 MiB, which need not be copied.
std::string encode_entry(const LogEntry& entry);

}  // namespace agentctl
