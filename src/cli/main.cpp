#include <cstdio>
#include <cstdlib>

#include "cli/program.hpp"

// Nothing is left to be undone, and taking the libraries apart would be a fiftieth of the whole of a short command.
int main(int argc, char** argv) {
  const int status = agentctl::run_program({argv + 1, argv + argc});
  std::fflush(nullptr);
  std::_Exit(status);
}
