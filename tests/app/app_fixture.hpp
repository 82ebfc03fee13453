#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/context.hpp"
#include "app/launch.hpp"
#include "domain/session_view.hpp"
#include "support/fake_engine.hpp"
#include "support/fake_log.hpp"
#include "support/sample_records.hpp"
#include "support/temporary_folder.hpp"
#include "support/thrown_error.hpp"

namespace agentctl {

/// The use cases with a real store in a folder of its own, a fake systemd and a fake journal. PATH holds one folder
/// with `tool`, which can be executed, and `notes`, which cannot.
class AppTest : public testing::Test {
 protected:
  AppTest();

  /// A record of this boot in the registry, without a unit.
  Record add_record(const std::string& name, char id = 'b');
  /// The same with its live unit.
  Record add_session(const std::string& name, char id = 'b', Activity activity = Activity::active);
  /// One that has ended.
  Record add_ended(const std::string& name, char id = 'b', State state = State::exited, std::int64_t ended_at = 60);
  /// What the session's host has noted.
  void put_note(const Record& record, const HostNote& note);
  /// As the recorder would: the end is in the registry, the runtime folder and the unit are gone.
  void end_session(const Record& record, const End& end);

  LaunchOptions options(std::vector<std::string> command = {"tool", "arg"}, const std::string& name = "web") const;
  /// Nothing has been made anywhere, and systemd was asked for nothing.
  void expect_nothing_exists() const;
  /// The stored record of this id; the test fails when there is none.
  Record stored(const Record& record);
  std::vector<std::string> ids_of(const std::vector<Session>& sessions) const;

  TemporaryFolder folder;
  FakeEngine engine;
  FakeLog log;
  Registry registry{folder / "state"};
  RuntimeFolders runtime{folder / "run/agentctl"};
  Context context{.scope = ManagerScope::user,
                  .engine = engine,
                  .log = log,
                  .registry = registry,
                  .runtime = runtime,
                  .asker = {.uid = 1000, .user = "ann", .pid = 77, .command = "zsh"},
                  .environment = {},
                  .cwd = folder.path(),
                  .umask = 022,
                  .boot_id = sample_record().boot_id,
                  .configuration_files = {folder / "config.json"},
                  .libexec_dir = folder / "libexec"};
};

}  // namespace agentctl
