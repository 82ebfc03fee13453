#pragma once

#include <systemd/sd-bus.h>

#include <map>
#include <memory>
#include <string>

namespace agentctl {

/// Throws for a negative result of sd-bus: the fake itself is wrong then, or its bus was killed.
int check_bus(int result, const char* what);

using BusMessage = std::unique_ptr<sd_bus_message, sd_bus_message* (*)(sd_bus_message*)>;

/// All arguments of a message as text; the message can be read again afterwards.
std::string arguments_as_text(sd_bus_message* message);

struct TypedText {
  std::string signature;
  std::string text;
};

/// Reads an a(sv).
std::map<std::string, TypedText> read_properties(sd_bus_message* message);

/// Appends one {sv} entry with a basic value to an open array.
void append_property(sd_bus_message* message, const char* name, char type, const void* value);

}  // namespace agentctl
