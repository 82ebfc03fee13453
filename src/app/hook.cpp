#include "app/hook.hpp"

#include "app/launch.hpp"
#include "base/random.hpp"
#include "domain/hook.hpp"
#include "domain/naming.hpp"
#include "domain/session_view.hpp"

namespace agentctl {

void run_hook(Context& context, const Record& ended) {
  const SessionRequest& request = ended.request;
  if (request.on_end.empty()) return;
  const Session session = make_session(ended, {}, std::nullopt);
  // A command line can be read by anyone on the bus, so it goes over a file.
  const Hook hook{.command = request.on_end,
                  .cwd = request.cwd,
                  .environment = facts_of(session),
                  .session = to_json(session) + "\n"};
  const std::string id = random_id(id_length);
  const std::string folder = context.runtime.create_for_hook(id, hook, owner_of(ended));
  try {
    context.engine.request_helper(
        {.unit = "agentctl-on-end." + request.name + "." + id + ".service",
         .description = "agentctl --on-end of session " + request.name + " (" + ended.id + ")",
         .command = {context.libexec_dir + "/on-end", folder},
         .user = request.user,
         .limit = hook_limit});
  } catch (...) {
    context.runtime.remove(id);
    throw;
  }
}

}  // namespace agentctl
