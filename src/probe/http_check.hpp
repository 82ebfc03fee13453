#pragma once

#include <memory>

#include "domain/health.hpp"
#include "probe/check.hpp"

namespace agentctl {

/// GETs a URL with libcurl. Healthy is decided as soon as the headers are in: a body without an end cannot hold it up,
/// and is read for a moment only so that the server is not cut off in mid-answer. No redirects, no proxy, no cookies.
class HttpCheck {
 public:
  explicit HttpCheck(const HealthCheck& check);

  CheckResult operator()();

 private:
  HealthCheck check_;
  std::shared_ptr<void> handle_;  ///< a CURL: its connections are not kept, but what it has resolved is
};

}  // namespace agentctl
