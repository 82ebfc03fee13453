#pragma once

#include <cstddef>
#include <string>

namespace agentctl {

/// `length` random characters of [a-z2-7], 5 bits each, from getrandom(2). The first is a letter, so that an id can
/// never be taken for a number, and never for an option.
std::string random_id(std::size_t length);

/// So many random bytes in hexadecimal digits: for what must not be guessed.
std::string random_hex(std::size_t bytes);

}  // namespace agentctl
