#pragma once

#include <functional>
#include <optional>

#include "app/context.hpp"
#include "domain/log_entry.hpp"
#include "domain/session_view.hpp"

namespace agentctl {

struct LogOptions {
  std::optional<std::size_t> lines{};  ///< only the last so many
  std::optional<std::size_t> bytes{};  ///< only the last lines that have so many together, the first perhaps not whole
  std::optional<TimePoint> since{};
  std::optional<OutputStream> stream{};
  std::function<void()> when_replayed{};  ///< follow_log(): called when what was stored has been given
};

/// Gives what a session has printed so far, line by line.
void read_log(Context& context, const Session& session, const LogOptions& options, const LogSink& sink);

/// The same, and then what it prints, until it has ended and all of it has been given. The journal first, then the
/// session host itself, because the journal's readers are woken 150 to 400 ms late; nothing polls.
void follow_log(Context& context, const Session& session, const LogOptions& options, const LogSink& sink);

}  // namespace agentctl
