#pragma once

#include <gmock/gmock.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bus/fake_systemd.hpp"
#include "domain/session.hpp"
#include "output/program.hpp"
#include "store/registry.hpp"
#include "store/runtime_folder.hpp"
#include "support/temporary_folder.hpp"

namespace agentctl {

using Words = std::vector<std::string>;

/// The real agentctl in a home, state and runtime folder of its own, without a terminal, without a bus.
class OutputTest : public testing::Test {
 protected:
  OutputTest();

  /// Runs agentctl in the user scope to its end.
  Outcome agentctl(const Words& words);
  /// With nothing before the words.
  Outcome agentctl_alone(const Words& words);
  ProgramStart start_of(const Words& words) const;

  std::string path(const std::string& name) const { return folder_ / name; }
  Registry registry() const { return Registry(path("state/agentctl")); }
  RuntimeFolders runtime() const { return RuntimeFolders(path("run/agentctl")); }

  /// A record as `agentctl run -n NAME -- sleep 60` writes it, made `age` ago.
  Record record_of(const std::string& name, std::chrono::seconds age = std::chrono::seconds(0)) const;
  /// Writes the record of a session that has ended.
  Record add_ended(Record record, State state, const std::string& reason, std::optional<int> code);

  std::map<std::string, std::string> environment;

 private:
  TemporaryFolder folder_;
};

/// The same with a user manager.
class OutputOnBusTest : public OutputTest {
 protected:
  /// Writes the record, what its session host would have written, and loads its unit.
  Record add_live(Record record, const FakeUnit& unit = {.name = {}});
  /// Ends a live session as its recorder would, and unloads its unit.
  void end(const Record& record, State state, const std::string& reason, std::optional<int> code,
           std::optional<int> signal = std::nullopt);

  PrivateBus bus{path("run")};
  FakeSystemd systemd{bus.address()};
};

/// The name of whoever runs the tests, as agentctl gives it.
std::string own_user();

/// The text with each {key} replaced by its value, so that what is expected can be read as it is shown.
std::string filled(std::string text, const std::map<std::string, std::string>& values);

/// "agentctl: " and the message, and the hint when there is one.
std::string error_text(const std::string& message, const std::string& hint = {});

/// Status and streams at once, so that a failure shows all of them.
testing::Matcher<Outcome> ended_with(int status, const testing::Matcher<std::string>& out,
                                     const testing::Matcher<std::string>& err);

void PrintTo(const Outcome& outcome, std::ostream* stream);

}  // namespace agentctl
