#pragma once

#include <array>
#include <functional>
#include <memory>

#include "http/asio.hpp"
#include "http/child.hpp"

namespace agentctl {

/// A call of agentctl that is read on the loop. It is waited for in any case, so that it leaves no zombie.
class ChildRun : public std::enable_shared_from_this<ChildRun> {
 public:
  /// Throws Error when it cannot be started.
  static std::shared_ptr<ChildRun> start(Loop& loop, const std::vector<std::string>& arguments);

  /// Calls once with all it has printed, up to a limit, when it has ended.
  void collect(std::function<void(const ChildResult&)> done);

  /// Calls once with the next piece of what it prints; empty: that was all. One at a time.
  void next(std::function<void(std::string_view)> piece);

  /// SIGTERM, if it lives. Whoever reads is not called any more.
  void end();

 private:
  ChildRun(Loop& loop, Child child);
  void read(Descriptor& from, std::string& into, std::size_t limit, std::array<char, 65536>& chunk);
  void await_exit();
  void finish_part();

  Loop& loop_;
  pid_t pid_;
  Descriptor process_;
  Descriptor out_;
  Descriptor err_;
  ChildResult result_;
  std::function<void(const ChildResult&)> done_;
  std::array<char, 65536> out_chunk_{};
  std::array<char, 65536> err_chunk_{};
  int parts_left_ = 3;  ///< two pipes and the process itself
  bool exited_ = false;
};

}  // namespace agentctl
