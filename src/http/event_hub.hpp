#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "http/child_run.hpp"

namespace agentctl {

/// One `agentctl events -f` for all who follow the changes of state; it runs while there is one.
class EventHub {
 public:
  using Listener = std::function<void(const std::string& event)>;

  explicit EventHub(Loop& loop) : loop_(loop), pause_(loop.io) {}

  /// Returns the number to leave with. Throws Error when the events cannot be had.
  std::size_t join(std::string project, Listener listener);
  void leave(std::size_t number);

 private:
  struct Member {
    std::string project;
    Listener listener;
  };

  void start();
  void read();
  void take(std::string_view bytes);
  void tell(const std::string& line);
  void start_again();

  Loop& loop_;
  asio::steady_timer pause_;
  std::shared_ptr<ChildRun> run_;
  std::string rest_;  ///< of a line
  std::map<std::size_t, Member> members_;
  std::size_t next_number_ = 0;
};

}  // namespace agentctl
