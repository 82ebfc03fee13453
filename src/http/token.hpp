#pragma once

#include <string>

namespace agentctl {

/// The secret that a client on TCP has to know: 64 hexadecimal digits in FOLDER/http-token, which only the user can
/// read. Made when it is missing; throws Error when the file is not what it was.
std::string http_token(const std::string& folder);

}  // namespace agentctl
