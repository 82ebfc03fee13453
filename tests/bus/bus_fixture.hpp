#pragma once

#include <gmock/gmock.h>

#include <chrono>
#include <cstdlib>
#include <future>
#include <optional>
#include <string>

#include "bus/fake_systemd.hpp"
#include "support/temporary_folder.hpp"
#include "support/thrown_error.hpp"
#include "systemd/systemd_engine.hpp"

namespace agentctl {

/// A fake systemd on a bus of its own, and an engine that is about to meet it as a user manager.
class BusTest : public testing::Test {
 protected:
  // sd-bus's own limit of a call, so that nothing waits its usual 25 s.
  BusTest() { ::setenv("SYSTEMD_BUS_TIMEOUT", "10s", 1); }

  std::string runtime_dir() const { return folder_ / "run"; }

  static UnitSpec service_spec() {
    return {.unit = "agentctl-web.service",
            .slice = "agentctl-shop.slice",
            .description = "agentctl session abcdefghij: npm",
            .kind = SessionKind::service,
            .host = {"/libexec/session-host", "/run/web's $HOME"},
            .recorder = {"/libexec/recorder", "/run/web's $HOME"},
            .processes = {},
            .can_attach = false,
            .ttl = std::nullopt,
            .stop_timeout = std::chrono::seconds(5),
            .user = {}};
  }

  /// Calls in a thread; the bus dies if the answer does not come within the test's patience, so that get() returns.
  template <class Call>
  auto bounded(Call call) {
    auto answer = std::async(std::launch::async, call);
    if (answer.wait_for(patience) != std::future_status::ready) {
      ADD_FAILURE() << "hangs";
      bus_.kill();
    }
    return answer.get();
  }

 private:
  TemporaryFolder folder_;

 protected:
  PrivateBus bus_{runtime_dir()};
  FakeSystemd systemd_{bus_.address()};
  SystemdEngine engine_{ManagerScope::user, runtime_dir()};
};

}  // namespace agentctl
