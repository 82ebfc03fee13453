#include <boost/json.hpp>

#include "app/ports.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/session_text.hpp"
#include "cli/verb.hpp"

namespace agentctl {
namespace {

std::string describe(const PortListener& listener) {
  const std::string where = " on " + listener.address;
  if (!listener.pid) return "a process of " + listener.user + where;
  return to_printable(listener.command) + " (pid " + std::to_string(*listener.pid) + ", " + listener.user + ")" + where;
}

std::string unit_of(const PortListener& listener) {
  if (listener.session) return listener.unit + ", session '" + listener.session->record.request.name + "'";
  return listener.unit;
}

std::string format_use(const PortUse& use) {
  std::string text = "port " + std::to_string(use.port);
  if (use.is_free()) return text + " is free\n";
  if (use.holder) {
    const Record& record = use.holder->record;
    text += " is held by session " + paint(record.request.name, Color::bold) + " (" + record.id + "), " +
            paint(to_string(use.holder->state), color_of(use.holder->state)) + "\n" +
            field("project", record.request.project) + field("unit", record.unit);
  } else {
    text += " is held by no session, and in use\n";
  }
  if (use.listeners.empty()) text += field("listens", "nobody yet");
  for (const PortListener& listener : use.listeners) {
    text += field("listens", describe(listener));
    const bool is_holder = use.holder && listener.session && listener.session->record.id == use.holder->record.id;
    if (!is_holder) text += field("in unit", unit_of(listener));
  }
  return text;
}

boost::json::value name_or_null(const std::string& text) {
  if (text.empty()) return nullptr;
  return boost::json::string(to_valid_utf8(text));
}

boost::json::value session_json(const std::optional<Session>& session) {
  if (!session) return nullptr;
  return boost::json::parse(to_json(*session));
}

std::string use_json(const PortUse& use) {
  boost::json::object object{{"port", use.port}, {"session", session_json(use.holder)}};
  boost::json::array& listeners = object["listeners"].emplace_array();
  for (const PortListener& listener : use.listeners) {
    boost::json::value& added = listeners.emplace_back(boost::json::object{{"address", listener.address},
                                                                           {"pid", nullptr},
                                                                           {"user", listener.user},
                                                                           {"command", name_or_null(listener.command)},
                                                                           {"unit", name_or_null(listener.unit)},
                                                                           {"session", nullptr}});
    if (listener.pid) added.get_object()["pid"] = *listener.pid;
    if (listener.session) added.get_object()["session"] = listener.session->record.request.name;
  }
  return boost::json::serialize(object) + "\n";
}

}  // namespace

int cmd_port(Invocation& invocation) {
  CommandLine line(invocation, "port", "N", "Tells who holds a TCP port and who listens on it. Nobody: exit status 3.",
                   {"agentctl port 3000", "agentctl port --json 3000"});
  std::string number;
  line.add_argument("N", number);
  line.parse();
  const auto port = static_cast<std::uint16_t>(parse_number("port", "N", number, 65535));
  if (port == automatic_port) throw usage_error("port", "N takes a number from 1 on");
  const PortUse use = find_port_use(invocation.context(), port);
  print(invocation.globals().json ? use_json(use) : format_use(use));
  return use.is_free() ? static_cast<int>(ErrorCode::not_found) : 0;
}

}  // namespace agentctl
