#include "app/hook.hpp"

#include "app/launch.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "domain/hook.hpp"
#include "domain/naming.hpp"
#include "domain/session_view.hpp"

namespace agentctl {
namespace {

void run_hook(Context& context, const Record& ended) {
  const SessionRequest& request = ended.request;
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

}  // namespace

void run_hooks(Context& context, const std::vector<Record>& ended) {
  for (const Record& record : ended) {
    try {
      if (context.registry.take_hook(record)) run_hook(context, record);
    } catch (const Error& error) {
      context.registry.tell_trouble(error.object(), error.reason());
    }
  }
}

void run_left_hooks(Context& context) { run_hooks(context, context.registry.left_hooks()); }

}  // namespace agentctl
