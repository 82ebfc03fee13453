#pragma once

#include <exception>
#include <string>

namespace agentctl {

/// What went wrong, as the exit status that scripts rely on (docs/man/agentctl.1, EXIT STATUS).
enum class ErrorCode {
  failed = 1,
  usage = 2,
  not_found = 3,
  conflict = 4,
  not_permitted = 5,
  unreachable = 6,
  timed_out = 7,
  command_not_executable = 126,
  command_not_found = 127,
};

/// The stable word for a code in JSON errors, for example "not-found".
const char* to_string(ErrorCode code) noexcept;

/// The one exception of agentctl. It is thrown where the object's name is known, and caught once, in main.
/// Expected outcomes are values, not errors. Rejected: error codes by return value, which lose the object's name.
class Error : public std::exception {
 public:
  struct Parts {
    ErrorCode code = ErrorCode::failed;
    std::string context;  ///< what could not be done: "cannot start session"
    std::string object;   ///< to what: a session's name, a path, an option
    std::string reason;   ///< why, without a full stop
    std::string hint;     ///< a command or step that helps; may be empty
  };

  explicit Error(Parts parts);

  const char* what() const noexcept override { return message_.c_str(); }
  ErrorCode code() const noexcept { return parts_.code; }
  const std::string& context() const noexcept { return parts_.context; }
  const std::string& object() const noexcept { return parts_.object; }
  const std::string& reason() const noexcept { return parts_.reason; }
  const std::string& hint() const noexcept { return parts_.hint; }
  /// The same error; with this hint, if it has none.
  Error with_hint(std::string hint) const;

 private:
  Parts parts_;
  std::string message_;
};

/// An Error whose reason is the text of `error_number`; EACCES and EPERM become not_permitted.
Error system_error(std::string context, std::string object, int error_number);

}  // namespace agentctl
