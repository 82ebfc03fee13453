#pragma once

#include <string>

#include "base/error.hpp"
#include "domain/session.hpp"

namespace agentctl {

/// The Error that says what a D-Bus error means for `object`. The table is here and nowhere else.
Error translate_bus_error(const std::string& name, const std::string& message, const std::string& context,
                          const std::string& object);

/// The Error for a manager whose bus cannot be reached at `address`; a user's has its sockets in `runtime_dir`.
Error unreachable_manager(ManagerScope scope, const std::string& runtime_dir, const std::string& address,
                          const std::string& message);

}  // namespace agentctl
