#include "domain/ports.hpp"

#include <algorithm>
#include <string>

#include "base/text.hpp"

namespace agentctl {
namespace {

constexpr std::int64_t last_port = 65535;

struct PortRange {
  std::int64_t first = 0;
  std::int64_t last = -1;
};

std::optional<PortRange> parse_range(std::string_view text, char between) {
  const auto split = text.find(between);
  const auto first = parse_decimal(text.substr(0, split));
  const auto last = split == std::string_view::npos ? first : parse_decimal(text.substr(split + 1));
  if (!first || !last) return std::nullopt;
  return PortRange{*first, *last};
}

// "32768	60999" and "8080,9148-9150".
std::vector<PortRange> used_by_others(std::string_view local_range, std::string_view reserved) {
  std::vector<PortRange> ranges;
  const auto add = [&](std::string_view text, char between) {
    if (const auto range = parse_range(text, between)) ranges.push_back(*range);
  };
  add(take_line(local_range), '\t');
  for (std::string_view left = take_line(reserved); !left.empty();) add(take_until(left, ','), '-');
  return ranges;
}

std::vector<std::uint16_t> outside(const std::vector<PortRange>& ranges, std::int64_t from, std::int64_t to) {
  std::vector<std::uint16_t> ports;
  for (std::int64_t port = from; port <= to; ++port) {
    const auto has_port = [&](const PortRange& range) { return range.first <= port && port <= range.last; };
    if (std::none_of(ranges.begin(), ranges.end(), has_port)) ports.push_back(static_cast<std::uint16_t>(port));
  }
  return ports;
}

bool is_set(const std::vector<std::string>& environment, std::string_view assignment) {
  return std::any_of(environment.begin(), environment.end(),
                     [&](const std::string& variable) { return variable.starts_with(assignment); });
}

}  // namespace

std::vector<std::uint16_t> automatic_ports(std::string_view local_range, std::string_view reserved, std::size_t seed) {
  constexpr std::int64_t first = 20'000;
  constexpr std::int64_t first_unprivileged = 1024;
  const std::vector<PortRange> ranges = used_by_others(local_range, reserved);
  std::vector<std::uint16_t> ports = outside(ranges, first, last_port);
  if (ports.empty()) ports = outside(ranges, first_unprivileged, first - 1);
  if (!ports.empty())
    std::rotate(ports.begin(), ports.begin() + static_cast<std::ptrdiff_t>(seed % ports.size()), ports.end());
  return ports;
}

std::optional<std::uint16_t> common_port(const SessionRequest& a, const SessionRequest& b) {
  for (const std::uint16_t port : a.ports)
    if (port != automatic_port && std::find(b.ports.begin(), b.ports.end(), port) != b.ports.end()) return port;
  return std::nullopt;
}

bool has_automatic_port(const SessionRequest& request) {
  return std::find(request.ports.begin(), request.ports.end(), automatic_port) != request.ports.end();
}

bool choose_ports(SessionRequest& request, std::set<std::uint16_t> taken, const HostPorts& host) {
  taken.insert(request.ports.begin(), request.ports.end());
  auto candidate = host.automatic.begin();
  for (std::uint16_t& port : request.ports) {
    if (port != automatic_port) continue;
    candidate = std::find_if(candidate, host.automatic.end(),
                             [&](std::uint16_t free) { return !taken.contains(free) && host.can_be_bound(free); });
    if (candidate == host.automatic.end()) return false;
    port = *candidate++;
  }
  return true;
}

void tell_ports(Launch& launch) {
  const SessionRequest& request = launch.record.request;
  if (request.ports.empty() || has_automatic_port(request)) return;
  if (!is_set(launch.environment, "PORT="))
    launch.environment.push_back("PORT=" + std::to_string(request.ports.front()));
  if (request.ports.size() == 1) return;
  std::string all = "AGENTCTL_PORTS=";
  for (const std::uint16_t port : request.ports) all += (all.ends_with('=') ? "" : " ") + std::to_string(port);
  std::erase_if(launch.environment,
                [](const std::string& variable) { return variable.starts_with("AGENTCTL_PORTS="); });
  launch.environment.push_back(std::move(all));
}

}  // namespace agentctl
