#include "cli/waiting.hpp"

#include <unistd.h>

#include <csignal>

namespace agentctl {
namespace {

// A signal handler can reach nothing but statics.
std::string notice;

void on_interrupt(int) {
  if (::write(STDERR_FILENO, notice.data(), notice.size()) < 0) ::_exit(130);
  ::_exit(130);
}

}  // namespace

InterruptNotice::InterruptNotice(std::string text) {
  notice = "\n" + std::move(text);
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  ::sigaction(SIGINT, &action, nullptr);
}

InterruptNotice::~InterruptNotice() { ::signal(SIGINT, SIG_DFL); }

}  // namespace agentctl
