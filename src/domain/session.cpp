#include "domain/session.hpp"

#include <array>

namespace agentctl {
namespace {

struct StateName {
  State state;
  const char* name;
  bool terminal;
};

constexpr std::array<StateName, 12> state_names{{
    {State::queued, "queued", false},
    {State::starting, "starting", false},
    {State::running, "running", false},
    {State::stopping, "stopping", false},
    {State::restarting, "restarting", false},
    {State::exited, "exited", true},
    {State::failed, "failed", true},
    {State::stopped, "stopped", true},
    {State::expired, "expired", true},
    {State::cancelled, "cancelled", true},
    {State::parked, "parked", true},
    {State::lost, "lost", true},
}};

constexpr std::array<const char*, 3> policy_names{"no", "on-failure", "always"};

const StateName& row(State state) noexcept { return state_names[static_cast<std::size_t>(state)]; }

}  // namespace

bool is_terminal(State state) noexcept { return row(state).terminal; }

const char* to_string(State state) noexcept { return row(state).name; }

const char* to_string(ManagerScope scope) noexcept { return scope == ManagerScope::user ? "user" : "system"; }

const char* to_string(SessionKind kind) noexcept { return kind == SessionKind::service ? "service" : "scope"; }

const char* to_string(RestartPolicy policy) noexcept { return policy_names[static_cast<std::size_t>(policy)]; }

std::optional<RestartPolicy> parse_restart_policy(std::string_view text) {
  for (std::size_t i = 0; i < policy_names.size(); ++i)
    if (policy_names[i] == text) return static_cast<RestartPolicy>(i);
  return std::nullopt;
}

bool can_be_queued(const Record& record) noexcept {
  return !record.request.pool.name.empty() || record.flow || record.request.persist;
}

bool must_survive(const Record& record) noexcept {
  return record.queued == Queued::by_anyone || record.flow || record.request.persist;
}

std::optional<State> parse_state(std::string_view text) {
  for (const StateName& entry : state_names)
    if (entry.name == text) return entry.state;
  return std::nullopt;
}

}  // namespace agentctl
