#include <cstdio>
#include <cstdlib>

#include "cli/program.hpp"

// Nothing is left to be undone. To unsubscribe from signals, to close files and to take the libraries apart would be a
// twentieth of the whole of a short command; the kernel does it at once.
int main(int argc, char** argv) {
  std::optional<agentctl::Invocation> kept;
  const int status = agentctl::run_program({argv + 1, argv + argc}, kept);
  std::fflush(nullptr);
  std::_Exit(status);
}
