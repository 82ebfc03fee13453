#include "http/metrics.hpp"

#include <gmock/gmock.h>

#include <regex>
#include <sstream>

#include "support/sample_records.hpp"

namespace agentctl {
namespace {

using testing::HasSubstr;
using testing::Not;

Session running(const std::string& name) {
  Session session = make_session(sample_record(name), {.unit = Activity::active}, std::nullopt);
  session.usage.cpu_ns = 1'500'000'000;
  session.usage.memory_bytes = 4096;
  session.usage.processes = 3;
  return session;
}

TEST(Metrics, CountSessionsByState) {
  const std::string text = metrics_text({running("a"), running("b")});
  EXPECT_THAT(text, HasSubstr("agentctl_sessions{state=\"running\"} 2\nagentctl_sessions{state=\"stopping\"} 0\n"));
}

TEST(Metrics, HaveWhatASessionUses) {
  Session session = running("web");
  session.record.attempt = 3;
  session.record.request.project = "shop";
  const std::string labels = "{name=\"web\",project=\"shop\",agent=\"\"} ";
  const std::string text = metrics_text({session});
  for (const char* line : {"agentctl_session_up", "agentctl_session_cpu_seconds_total", "agentctl_session_memory_bytes",
                           "agentctl_session_processes", "agentctl_session_restarts_total"})
    EXPECT_THAT(text, HasSubstr(std::string("\n") + line + labels));
  EXPECT_THAT(text, HasSubstr("cpu_seconds_total" + labels + "1.500000000\n"));
  EXPECT_THAT(text, HasSubstr("memory_bytes" + labels + "4096\n"));
  EXPECT_THAT(text, HasSubstr("restarts_total" + labels + "2\n"));
}

TEST(Metrics, LeaveOutWhatIsNotKnown) {
  Session session = running("web");
  session.usage = {};
  EXPECT_THAT(metrics_text({session}), Not(HasSubstr("memory_bytes{")));
  EXPECT_THAT(metrics_text({session}), HasSubstr("# TYPE agentctl_session_memory_bytes gauge\n"));
}

TEST(Metrics, EscapeLabels) {
  Session session = running("web");
  session.record.request.agent = "a\"b\\c\nd\xff";
  EXPECT_THAT(metrics_text({session}), HasSubstr("agent=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\"} 1\n"));
}

TEST(Metrics, AreLinesOfTheFormat) {
  std::istringstream text(metrics_text({running("a"), running("b")}));
  const std::regex line(R"re(# (HELP|TYPE) agentctl_\w+ .+|agentctl_\w+\{(\w+="[^"]*",?)+\} \d+(\.\d+)?)re");
  for (std::string given; std::getline(text, given);) EXPECT_TRUE(std::regex_match(given, line)) << given;
}

}  // namespace
}  // namespace agentctl
