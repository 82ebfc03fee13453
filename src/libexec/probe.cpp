#include <unistd.h>

#include <memory>

#include "base/error.hpp"
#include "probe/command_check.hpp"
#include "probe/health_loop.hpp"
#include "probe/log_check.hpp"
#include "probe/probe_main.hpp"
#include "probe/socket_check.hpp"

// The probe of sessions with a health check that is no http (see probe_http.cpp): linked statically, as there is one
// for each of them.

namespace agentctl {
namespace {

Check make_check(const HealthCheck& check) {
  const microseconds limit = check_limit(check);
  switch (check.kind) {
    case HealthKind::command: return [command = std::make_shared<CommandCheck>(check)] { return (*command)(); };
    case HealthKind::tcp:
      return
          [target = parse_tcp_target(check.target).value_or(TcpTarget{}), limit] { return check_tcp(target, limit); };
    case HealthKind::unix_socket: return [path = check.target, limit] { return check_unix_socket(path, limit); };
    case HealthKind::log: return [regex = check.target] { return await_line(Fd(STDIN_FILENO), regex); };
    case HealthKind::http:
    case HealthKind::notify: break;
  }
  throw Error({.code = ErrorCode::usage,
               .context = "no check of this program's:",
               .object = to_string(check.kind),
               .reason = {},
               .hint = {}});
}

void probe(const HealthCheck& check, const std::string& runtime_dir) {
  run_health_loop(check, runtime_dir, make_check(check));
}

}  // namespace
}  // namespace agentctl

int main(int argc, char** argv) { return agentctl::probe_main(argc, argv, agentctl::probe); }
