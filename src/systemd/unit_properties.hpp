#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "domain/engine.hpp"

namespace agentctl {

/// One command line of a unit, as ExecStart= and ExecStopPost= take it (org.freedesktop.systemd1(5)). Not as
/// ExecStartEx= does: 252 writes that name into the transient unit file, where it is no key, so that a daemon-reload
/// loses the command.
struct ExecLine {
  std::vector<std::string> argv;
  bool operator==(const ExecLine&) const = default;
};

/// Exit codes for RestartPreventExitStatus=.
struct ExitCodes {
  std::vector<std::int32_t> codes;
  bool operator==(const ExitCodes&) const = default;
};

/// A property of StartTransientUnit() before it is put on the wire.
struct UnitProperty {
  using Value = std::variant<bool, std::int32_t, std::uint32_t, std::uint64_t, std::string, std::vector<std::uint32_t>,
                             std::vector<std::string>, ExecLine, ExitCodes>;
  std::string name;
  Value value;
  bool operator==(const UnitProperty&) const = default;
};

/// The properties of a session's unit. Pure, so that --dry-run shows exactly what is sent.
std::vector<UnitProperty> unit_properties(const UnitSpec& spec, ManagerScope scope);

/// Those of a helper's.
std::vector<UnitProperty> helper_properties(const HelperSpec& spec);

/// For people: "Name=value" as systemctl show prints it, or near.
std::string to_text(const UnitProperty& property);

}  // namespace agentctl
