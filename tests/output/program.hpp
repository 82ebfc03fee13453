#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "base/fd.hpp"

namespace agentctl {

/// How a program is started.
struct ProgramStart {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
  std::string cwd;
};

/// How it ended: `status` is its code, or 128+N for signal N.
struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
};

/// A program on pipes. Killed, and a failure of the test, when it does not end within the test's patience.
class Program {
 public:
  enum class Stdout { read, closed };
  explicit Program(const ProgramStart& start, Stdout out = Stdout::read);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const noexcept { return pid_; }
  /// Everything it printed, when it has ended.
  Outcome finish();

 private:
  Fd out_;
  Fd err_;
  pid_t pid_ = -1;
};

/// A program on a terminal of its own, 80 columns wide, which passes bytes on as they are.
class TerminalProgram {
 public:
  explicit TerminalProgram(const ProgramStart& start, unsigned short columns = 80);
  ~TerminalProgram();
  TerminalProgram(const TerminalProgram&) = delete;
  TerminalProgram& operator=(const TerminalProgram&) = delete;

  /// Reads until the text is there; false when it does not come within the test's patience.
  bool wait_for(const std::string& text);
  /// Types, as somebody at the terminal would: "\003" is Ctrl-C.
  void type(const std::string& keys);
  /// Both streams are in `out`.
  Outcome finish();

 private:
  bool read_some();
  Fd terminal_;
  pid_t pid_ = -1;
  std::string shown_;
};

}  // namespace agentctl
