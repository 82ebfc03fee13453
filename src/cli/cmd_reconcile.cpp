#include <boost/json.hpp>

#include "app/reconcile.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/verb.hpp"

namespace agentctl {
namespace {

std::string text_of(const ReconcileReport& report) {
  std::string text;
  for (const Record& record : report.ended)
    text += record.request.name + ": " + to_string(record.end->state) + ", " + record.end->reason + "\n";
  for (const Record& record : report.restored) text += record.request.name + ": its lost record was written again\n";
  for (const std::string& id : report.removed) text += id + ": removed what a killed agentctl left behind\n";
  for (const Record& record : report.started) text += record.request.name + ": started, its turn had come\n";
  return text.empty() ? "nothing to repair\n" : text;
}

std::string json_of(const ReconcileReport& report) {
  const auto names = [](const std::vector<Record>& records) {
    boost::json::array array;
    for (const Record& record : records) array.emplace_back(record.request.name);
    return array;
  };
  boost::json::array removed;
  for (const std::string& id : report.removed) removed.emplace_back(id);
  return boost::json::serialize(boost::json::object{{"ended", names(report.ended)},
                                                    {"restored", names(report.restored)},
                                                    {"removed", removed},
                                                    {"started", names(report.started)}}) +
         "\n";
}

}  // namespace

int cmd_reconcile(Invocation& invocation) {
  CommandLine line(invocation, "reconcile", "",
                   "Writes down how sessions ended of which nothing else could: after a reboot, a power cut, a kill.\n"
                   "agentctl-reconcile.timer does it; so does every command for what it shows.",
                   {"agentctl reconcile"});
  line.parse();
  const ReconcileReport report = reconcile(invocation.context());
  print(invocation.globals().json ? json_of(report) : text_of(report));
  return 0;
}

}  // namespace agentctl
