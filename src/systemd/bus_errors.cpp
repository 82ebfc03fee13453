#include "systemd/bus_errors.hpp"

#include <unistd.h>

#include <array>
#include <string_view>

#include "base/system.hpp"
#include "base/user.hpp"

namespace agentctl {
namespace {

struct Row {
  std::string_view name;
  ErrorCode code;
  const char* reason;  // empty: the message of the bus
  const char* hint;
};

constexpr std::array<Row, 14> rows{{
    {"org.freedesktop.systemd1.UnitExists", ErrorCode::conflict, "a session of that name lives", "agentctl list"},
    {"org.freedesktop.systemd1.NoSuchUnit", ErrorCode::not_found, "systemd has no such unit", "agentctl list -a"},
    {"org.freedesktop.systemd1.NoSuchProcess", ErrorCode::not_found, "", "agentctl list -a"},
    {"org.freedesktop.systemd1.JobTypeNotApplicable", ErrorCode::failed, "", "agentctl doctor"},
    {"org.freedesktop.systemd1.TransactionIsDestructive", ErrorCode::conflict,
     "systemd is busy with the opposite job for it", "systemctl list-jobs"},
    {"org.freedesktop.DBus.Error.AccessDenied", ErrorCode::not_permitted, "", "agentctl --user, or as root"},
    {"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", ErrorCode::not_permitted, "",
     "agentctl --user, or as root"},
    {"org.freedesktop.DBus.Error.ServiceUnknown", ErrorCode::unreachable, "", "agentctl doctor"},
    {"org.freedesktop.DBus.Error.NoReply", ErrorCode::unreachable, "", "agentctl doctor"},
    {"org.freedesktop.DBus.Error.Timeout", ErrorCode::unreachable, "systemd does not answer", "agentctl doctor"},
    {"org.freedesktop.DBus.Error.Disconnected", ErrorCode::unreachable, "the bus closed the connection",
     "agentctl doctor"},
    {"org.freedesktop.DBus.Error.NoServer", ErrorCode::unreachable, "", "agentctl doctor"},
    {"org.freedesktop.DBus.Error.FileNotFound", ErrorCode::unreachable, "", "agentctl doctor"},
    {"org.freedesktop.DBus.Error.LimitsExceeded", ErrorCode::failed, "", "try again when less is under way"},
}};

// What went wrong on this side, sdbus-c++ puts into words of its own: "Failed to open bus (No such file or directory)".
std::string plain_reason(const std::string& message) {
  const auto open = message.find(" (");
  if (!message.starts_with("Failed to ") || !message.ends_with(')') || open == std::string::npos) return message;
  return message.substr(open + 2, message.size() - open - 3);
}

}  // namespace

Error translate_bus_error(const std::string& name, const std::string& message, const std::string& context,
                          const std::string& object) {
  // sd-bus gives errno values of its own as System.Error.ENOTCONN and the like.
  const bool disconnected = name == "System.Error.ENOTCONN" || name == "System.Error.ECONNRESET";
  const std::string_view wanted = disconnected ? "org.freedesktop.DBus.Error.Disconnected" : std::string_view(name);
  for (const Row& row : rows) {
    if (row.name != wanted) continue;
    return Error({.code = row.code,
                  .context = context,
                  .object = object,
                  .reason = *row.reason != '\0' ? row.reason : plain_reason(message),
                  .hint = row.hint});
  }
  return Error({.code = ErrorCode::failed,
                .context = context,
                .object = object,
                .reason = message.empty() ? name : plain_reason(message),
                .hint = "agentctl doctor"});
}

Error unreachable_manager(ManagerScope scope, const std::string& runtime_dir, const std::string& address,
                          const std::string& message) {
  if (scope == ManagerScope::system)
    return Error({.code = ErrorCode::unreachable,
                  .context = "cannot reach the system's systemd over",
                  .object = address,
                  .reason = plain_reason(message),
                  .hint = "agentctl doctor"});
  return Error({.code = ErrorCode::unreachable,
                .context = "cannot reach your systemd user manager over",
                .object = address,
                .reason = plain_reason(message),
                .hint = way_to_user_manager(runtime_dir, ::getuid(), user_name(::getuid()))});
}

}  // namespace agentctl
