#include "base/error.hpp"
#include "probe/health_loop.hpp"
#include "probe/http_check.hpp"
#include "probe/probe_main.hpp"

// The probe of sessions with an http health check: apart from the other, for libcurl and all that it loads.

namespace agentctl {
namespace {

void probe(const HealthCheck& check, const std::string& runtime_dir) {
  run_health_loop(check, runtime_dir, HttpCheck(check));
}

}  // namespace
}  // namespace agentctl

int main(int argc, char** argv) { return agentctl::probe_main(argc, argv, agentctl::probe); }
