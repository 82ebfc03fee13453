#include <unistd.h>

#include "app/context.hpp"
#include "base/listen_fds.hpp"
#include "base/user.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/verb.hpp"
#include "http/listener.hpp"
#include "http/server.hpp"
#include "http/token.hpp"

namespace agentctl {
namespace {

constexpr microseconds idle_when_activated{60'000'000};

// Beside the folder of the sessions, which reconcile takes to be all of theirs.
std::string default_socket(const Context& context) { return context.runtime.parent() + "/agentctl-http.sock"; }

void check_exposure(const Listening& address, bool known) {
  if (is_loopback(address)) return;
  if (!known)
    throw Error({.code = ErrorCode::usage,
                 .context = "cannot listen on",
                 .object = address.address,
                 .reason = "it is no loopback address: whoever sees the network's traffic sees the token",
                 .hint = "forward the socket over SSH (agentctl(1)), or add --i-know"});
  print_warning("serving without encryption beyond this host");
}

Backend make_backend(ManagerScope scope, const GlobalOptions& globals) {
  return {.with_context =
              [globals](const std::function<void(Context&)>& use) {
                Invocation fresh({}, globals);
                use(fresh.context());
              },
          .global_options = {scope == ManagerScope::system ? "--system" : "--user"}};
}

}  // namespace

int cmd_serve(Invocation& invocation) {
  CommandLine line(
      invocation, "serve", "[--listen ADDRESS:PORT | --socket PATH] [--idle SPAN] [--token]",
      "Serves the sessions over HTTP, for programs and with a page for people: on a Unix socket that only\n"
      "this user can use, or on a TCP port for who knows the token. Runs until it is stopped.",
      {"agentctl serve --token", "agentctl serve --idle 1s"});
  std::string listen;
  std::string path;
  bool show_token = false;
  bool i_know = false;
  ServeOptions options;
  line.add_option("--listen", listen, "ADDRESS:PORT", "a TCP port instead of the socket");
  line.add_option("--socket", path, "PATH", "this socket (default: agentctl-http.sock in the runtime folder)");
  line.add_span("--idle", options.idle, "end after so long without a connection");
  line.add_flag("--token", show_token, "print the token for --listen, and end");
  line.add_flag("--i-know", i_know, "allow an address that others can reach");
  line.parse();
  if (!listen.empty() && !path.empty()) throw usage_error("serve", "--listen and --socket exclude each other");

  Context& context = invocation.context();
  if (show_token) {
    print(http_token(context.registry.root()) + "\n");
    return 0;
  }
  options.backend = make_backend(invocation.scope(), invocation.globals());
  options.sockets = take_listen_fds();
  if (!options.sockets.empty()) {
    if (!options.idle) options.idle = idle_when_activated;
  } else if (!listen.empty()) {
    const Listening address = parse_listening(listen);
    check_exposure(address, i_know);
    options.sockets.push_back(listen_on(address));
    print("http://" + listen + "/ (token: agentctl serve --token)\n");
  } else {
    if (path.empty()) path = default_socket(context);
    options.sockets.push_back(listen_at(path));
    print(path + "\n");
  }
  for (const Fd& socket : options.sockets)
    if (!listening_of(socket.get()).unix_socket) options.token = http_token(context.registry.root());
  serve(std::move(options));
  if (!path.empty()) ::unlink(path.c_str());
  return 0;
}

}  // namespace agentctl
