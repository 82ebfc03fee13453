#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "app/context.hpp"
#include "http/message.hpp"

namespace agentctl {

/// What the routes work with.
struct Backend {
  /// Calls with a Context that is made for that one call: a bus that went away, or what an earlier request found
  /// broken, is not there any more in the next. Whoever asks for minutes has a process of its own (ChildWork).
  std::function<void(const std::function<void(Context&)>&)> with_context;
  /// The first words of a call of agentctl that does the same as this server would: the scope.
  std::vector<std::string> global_options{};
};

/// How a call of agentctl ended.
struct ChildResult {
  int status = 0;  ///< its exit status; 128 and more: a signal
  std::string out{};
  std::string err{};
};

/// What takes as long as a session takes to stop or start: a call of agentctl, with these arguments.
struct ChildWork {
  std::vector<std::string> arguments;
  std::function<Response(const ChildResult&)> answer;
  /// Asked now and then for an answer that need not wait for the end.
  std::function<std::optional<Response>()> early{};
};

/// A call of agentctl whose output is the stream.
struct ChildStream {
  std::vector<std::string> arguments;
};

/// Changes of state, of one project when it is not empty.
struct EventStream {
  std::string project{};
};

using Answer = std::variant<Response, ChildWork, ChildStream, EventStream>;

/// Answers a request that has been let in. Throws nothing.
Answer answer(const Backend& backend, const Request& request);

/// Whether it is a part of the page, which says nothing about anybody and can be had without the token.
bool is_public(const RequestTarget& target);

}  // namespace agentctl
