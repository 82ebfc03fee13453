#pragma once

#include <cstdlib>
#include <string_view>

#include "base/error.hpp"

namespace agentctl {

/// What cannot be read must be an Error that says why, and nothing else.
template <class Check>
void unless_refused(Check check) {
  try {
    check();
  } catch (const Error& error) {
    if (std::string_view(error.what()).empty()) std::abort();
  }
}

}  // namespace agentctl
