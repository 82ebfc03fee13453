#include "base/error.hpp"

#include <cerrno>
#include <system_error>

namespace agentctl {

const char* to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::failed: return "failed";
    case ErrorCode::usage: return "usage";
    case ErrorCode::not_found: return "not-found";
    case ErrorCode::conflict: return "conflict";
    case ErrorCode::not_permitted: return "not-permitted";
    case ErrorCode::unreachable: return "unreachable";
    case ErrorCode::timed_out: return "timed-out";
    case ErrorCode::command_not_executable: return "command-not-executable";
    case ErrorCode::command_not_found: return "command-not-found";
  }
  return "failed";
}

Error::Error(Parts parts) : parts_(std::move(parts)) {
  message_ = parts_.context;
  if (!parts_.object.empty()) message_ += (message_.empty() ? "'" : " '") + parts_.object + "'";
  if (!parts_.reason.empty()) message_ += (message_.empty() ? "" : ": ") + parts_.reason;
}

Error Error::with_hint(std::string hint) const {
  Parts parts = parts_;
  if (parts.hint.empty()) parts.hint = std::move(hint);
  return Error(std::move(parts));
}

Error system_error(std::string context, std::string object, int error_number) {
  const bool denied = error_number == EACCES || error_number == EPERM;
  return Error({.code = denied ? ErrorCode::not_permitted : ErrorCode::failed,
                .context = std::move(context),
                .object = std::move(object),
                .reason = std::generic_category().message(error_number),
                .hint = {}});
}

}  // namespace agentctl
