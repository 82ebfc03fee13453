#include "bus/bus_message.hpp"

#include <cinttypes>
#include <cstring>
#include <stdexcept>

namespace agentctl {
namespace {

std::string basic_as_text(sd_bus_message* message, char type) {
  union {
    std::uint8_t y;
    int b;
    std::int16_t n;
    std::uint16_t q;
    std::int32_t i;
    std::uint32_t u;
    std::int64_t x;
    std::uint64_t t;
    double d;
    const char* s;
  } value{};
  check_bus(::sd_bus_message_read_basic(message, type, &value), "read");
  switch (type) {
    case 'y': return std::to_string(value.y);
    case 'b': return value.b != 0 ? "true" : "false";
    case 'n': return std::to_string(value.n);
    case 'q': return std::to_string(value.q);
    case 'i': return std::to_string(value.i);
    case 'u': return std::to_string(value.u);
    case 'x': return std::to_string(value.x);
    case 't': return std::to_string(value.t);
    case 'd': return std::to_string(value.d);
    default: return std::string("\"") + value.s + "\"";
  }
}

std::string rest_as_text(sd_bus_message* message);

std::string container_as_text(sd_bus_message* message, char type, const char* contents) {
  check_bus(::sd_bus_message_enter_container(message, type, contents), "enter");
  const std::string inside = rest_as_text(message);
  check_bus(::sd_bus_message_exit_container(message), "leave");
  if (type == 'a') return "[" + inside + "]";
  if (type == 'v') return "<" + std::string(contents) + " " + inside + ">";
  return (type == 'e' ? "{" : "(") + inside + (type == 'e' ? "}" : ")");
}

std::string rest_as_text(sd_bus_message* message) {
  std::string text;
  while (check_bus(::sd_bus_message_at_end(message, 0), "read") == 0) {
    char type = 0;
    const char* contents = nullptr;
    check_bus(::sd_bus_message_peek_type(message, &type, &contents), "peek");
    if (!text.empty()) text += ' ';
    text += std::strchr("aver", type) != nullptr ? container_as_text(message, type, contents)
                                                 : basic_as_text(message, type);
  }
  return text;
}

}  // namespace

int check_bus(int result, const char* what) {
  if (result < 0) throw std::runtime_error(std::string("fake systemd: cannot ") + what + ": " + std::strerror(-result));
  return result;
}

std::string arguments_as_text(sd_bus_message* message) {
  std::string text = rest_as_text(message);
  check_bus(::sd_bus_message_rewind(message, 1), "rewind");
  return text;
}

std::map<std::string, TypedText> read_properties(sd_bus_message* message) {
  std::map<std::string, TypedText> properties;
  check_bus(::sd_bus_message_enter_container(message, 'a', "(sv)"), "enter");
  while (check_bus(::sd_bus_message_enter_container(message, 'r', "sv"), "enter") > 0) {
    const char* name = nullptr;
    const char* contents = nullptr;
    check_bus(::sd_bus_message_read_basic(message, 's', &name), "read");
    check_bus(::sd_bus_message_peek_type(message, nullptr, &contents), "peek");
    TypedText& property = properties[name];
    property.signature = contents;
    check_bus(::sd_bus_message_enter_container(message, 'v', contents), "enter");
    property.text = rest_as_text(message);
    check_bus(::sd_bus_message_exit_container(message), "leave");
    check_bus(::sd_bus_message_exit_container(message), "leave");
  }
  check_bus(::sd_bus_message_exit_container(message), "leave");
  return properties;
}

void append_property(sd_bus_message* message, const char* name, char type, const void* value) {
  const std::string signature(1, type);
  check_bus(::sd_bus_message_open_container(message, 'e', "sv"), "open");
  check_bus(::sd_bus_message_append_basic(message, 's', name), "append");
  check_bus(::sd_bus_message_open_container(message, 'v', signature.c_str()), "open");
  check_bus(::sd_bus_message_append_basic(message, type, value), "append");
  check_bus(::sd_bus_message_close_container(message), "close");
  check_bus(::sd_bus_message_close_container(message), "close");
}

}  // namespace agentctl
