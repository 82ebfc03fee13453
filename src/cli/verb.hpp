#pragma once

#include <string_view>
#include <vector>

#include "cli/invocation.hpp"

namespace agentctl {

/// One row of the verb table: what --help lists, and the function in cmd_NAME.cpp that does it.
struct Verb {
  std::string_view name;
  std::string_view summary;
  int (*run)(Invocation&);
};

const std::vector<Verb>& verbs();

int cmd_run(Invocation& invocation);
int cmd_list(Invocation& invocation);
int cmd_status(Invocation& invocation);
int cmd_logs(Invocation& invocation);
int cmd_wait(Invocation& invocation);
int cmd_why(Invocation& invocation);
int cmd_stop(Invocation& invocation);
int cmd_cancel(Invocation& invocation);
int cmd_flow(Invocation& invocation);
int cmd_apply(Invocation& invocation);
int cmd_context(Invocation& invocation);
int cmd_hint(Invocation& invocation);
int cmd_events(Invocation& invocation);
int cmd_port(Invocation& invocation);
int cmd_adopt(Invocation& invocation);
int cmd_kill(Invocation& invocation);
int cmd_restart(Invocation& invocation);
int cmd_extend(Invocation& invocation);
int cmd_rm(Invocation& invocation);
int cmd_prune(Invocation& invocation);
int cmd_reconcile(Invocation& invocation);
int cmd_doctor(Invocation& invocation);
int cmd_serve(Invocation& invocation);
int cmd_complete(Invocation& invocation);
int cmd_log_stream(Invocation& invocation);

}  // namespace agentctl
