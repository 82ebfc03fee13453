#pragma once

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace agentctl {

/// The Error that `call` throws; a failure of the test when it throws none.
template <class Call>
Error thrown_by(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error({.code = ErrorCode::failed, .context = "(nothing was thrown)", .object = {}, .reason = {}, .hint = {}});
}

}  // namespace agentctl
