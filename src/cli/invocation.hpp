#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/context.hpp"
#include "base/error.hpp"

namespace agentctl {

/// The options that every verb takes.
struct GlobalOptions {
  std::optional<ManagerScope> scope;
  bool json = false;
  bool no_color = false;
};

/// One call of one verb: its arguments, and the engine and stores it works with, which are made when first asked for,
/// so that --help and usage errors need none.
class Invocation {
 public:
  Invocation(std::vector<std::string> arguments, GlobalOptions globals);
  ~Invocation();

  const std::vector<std::string>& arguments() const { return arguments_; }
  /// For a verb that has verbs of its own.
  void drop_first_argument() { arguments_.erase(arguments_.begin()); }
  GlobalOptions& globals() { return globals_; }
  const GlobalOptions& globals() const { return globals_; }

  ManagerScope scope() const;
  Context& context();

  /// What of the registry could not be used, a sentence each; each is given once.
  std::vector<std::string> take_warnings();

 private:
  struct Parts;

  std::vector<std::string> arguments_;
  GlobalOptions globals_;
  std::unique_ptr<Parts> parts_;
  std::size_t taken_warnings_ = 0;
};

/// For what ends with a session's own status: agentctl's failures are 125 there, but for usage errors and what `others`
/// names.
int with_status_of_session(Invocation& invocation, std::initializer_list<ErrorCode> others,
                           const std::function<int()>& action);

/// Where the session host and the recorder are: fixed when agentctl was built.
std::string libexec_dir();

}  // namespace agentctl
