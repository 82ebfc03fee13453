#include "cli/verb.hpp"

namespace agentctl {

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> table{
      {"run", "start a session", cmd_run},
      {"list", "sessions that live, or with -a all", cmd_list},
      {"status", "one session: processes, resources, time left, last output", cmd_status},
      {"why", "what ended a session, or why it is in its state", cmd_why},
      {"logs", "what a session printed, and with -f prints", cmd_logs},
      {"stop", "end sessions with all of their processes", cmd_stop},
      {"cancel", "take queued sessions out of the line", cmd_cancel},
      {"wait", "wait until sessions have ended", cmd_wait},
      {"kill", "send a signal to all processes of a session", cmd_kill},
      {"restart", "start a session again", cmd_restart},
      {"extend", "give a session more time", cmd_extend},
      {"flow", "sessions that follow one another", cmd_flow},
      {"apply", "start the services that a file describes", cmd_apply},
      {"context", "what runs for a project, for an agent's prompt", cmd_context},
      {"hint", "how to have services started, for an agent's prompt", cmd_hint},
      {"events", "what happens to sessions, as it happens", cmd_events},
      {"port", "who holds a port, and who listens on it", cmd_port},
      {"serve", "the sessions over HTTP, and a page that shows them", cmd_serve},
      {"adopt", "make a session of a process that runs already", cmd_adopt},
      {"rm", "forget ended sessions by name", cmd_rm},
      {"prune", "forget all that ended long ago", cmd_prune},
      {"reconcile", "repair the registry after a crash or reboot", cmd_reconcile},
      {"doctor", "check this host, and tell how to mend it", cmd_doctor},
  };
  return table;
}

}  // namespace agentctl
