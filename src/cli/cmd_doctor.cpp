#include <unistd.h>

#include <boost/json.hpp>

#include "app/doctor.hpp"
#include "base/system.hpp"
#include "base/text.hpp"
#include "base/user.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/verb.hpp"
#include "systemd/journal.hpp"
#include "systemd/systemd_engine.hpp"

namespace agentctl {
namespace {

HostFacts gather(ManagerScope scope) {
  HostFacts facts;
  // sd_booted(3)
  facts.booted_with_systemd = ::access("/run/systemd/system", F_OK) == 0;
  try {
    SystemdEngine engine(scope, user_runtime_dir());
    facts.systemd_version = engine.manager_property("Version");
    facts.manager_state = engine.manager_property("SystemState");
  } catch (const Error& error) {
    facts.manager_error = error.reason();
  }
  const JournalHealth journal = inspect_journal();
  facts.journal_persistent = journal.persistent;
  facts.journal_readable = journal.readable;
  facts.volatile_journal_readable = journal.volatile_readable;
  facts.journal_config = run_command({"systemd-analyze", "cat-config", "systemd/journald.conf"}).text;
  return facts;
}

const char* word(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok: return "ok";
    case Verdict::warning: return "warning";
    case Verdict::failure: return "failure";
  }
  return "";
}

Color color_of(Verdict verdict) {
  if (verdict == Verdict::ok) return Color::green;
  return verdict == Verdict::warning ? Color::yellow : Color::red;
}

void print_text(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    std::string verdict = word(finding.verdict);
    verdict.resize(9, ' ');
    std::string topic = finding.topic;
    topic.resize(16, ' ');
    text += paint(verdict, color_of(finding.verdict)) + topic + to_printable(finding.text) + "\n";
    if (!finding.remedy.empty()) text += std::string(25, ' ') + "mend: " + to_printable(finding.remedy) + "\n";
  }
  print(text);
}

void print_json(const std::vector<Finding>& findings) {
  boost::json::array array;
  for (const Finding& finding : findings)
    array.emplace_back(boost::json::object{{"verdict", word(finding.verdict)},
                                           {"topic", finding.topic},
                                           {"text", to_valid_utf8(finding.text)},
                                           {"remedy", to_valid_utf8(finding.remedy)}});
  print(boost::json::serialize(array) + "\n");
}

}  // namespace

int cmd_doctor(Invocation& invocation) {
  CommandLine line(invocation, "doctor", "",
                   "Checks what sessions need of this host, and tells how to mend what is wrong.\n"
                   "Ends with 1 when something is.",
                   {"agentctl doctor", "agentctl doctor --json"});
  line.parse();
  const HostFacts facts = gather(invocation.scope());
  const std::vector<Finding> findings = examine(invocation.context(), facts);
  invocation.globals().json ? print_json(findings) : print_text(findings);
  for (const Finding& finding : findings)
    if (finding.verdict == Verdict::failure) return 1;
  return 0;
}

}  // namespace agentctl
