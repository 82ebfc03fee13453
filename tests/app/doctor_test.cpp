#include "app/doctor.hpp"

#include <gmock/gmock.h>

#include "app_fixture.hpp"
#include "base/file.hpp"

namespace agentctl {
namespace {

using testing::HasSubstr;

class Doctor : public AppTest {
 protected:
  Doctor() {
    context.scope = ManagerScope::system;
    make_directories(folder / "run");
  }
  /// The first finding of a topic.
  Finding finding(const std::string& topic) {
    for (Finding& found : examine(context, facts))
      if (found.topic == topic) return std::move(found);
    ADD_FAILURE() << "nothing was found of " << topic;
    return {};
  }
  HostFacts facts{.systemd_version = "252 (252.38-1)",
                  .manager_state = "running",
                  .manager_error = "",
                  .booted_with_systemd = true,
                  .journal_persistent = true,
                  .journal_readable = true,
                  .volatile_journal_readable = true};
};

TEST_F(Doctor, FindsAHealthyHostHealthy) {
  for (const Finding& found : examine(context, facts)) {
    EXPECT_EQ(found.verdict, Verdict::ok) << found.topic << ": " << found.text;
    EXPECT_EQ(found.remedy, "") << found.topic;
  }
}

struct Ailment {
  std::string what;
  std::string topic;
  std::function<void(HostFacts&, const TemporaryFolder&)> strike;
  Verdict verdict;
  std::string text;
};

class AilingHost : public Doctor, public testing::WithParamInterface<Ailment> {};

TEST_P(AilingHost, IsToldWhatMendsIt) {
  const Ailment& ailment = GetParam();
  ailment.strike(facts, folder);
  const Finding found = finding(ailment.topic);
  EXPECT_EQ(found.verdict, ailment.verdict) << found.text;
  EXPECT_THAT(found.text, HasSubstr(ailment.text));
  EXPECT_NE(found.remedy, "");
}

const std::vector<Ailment>& ailments() {
  static const std::vector<Ailment> table{
      {"NoSystemd", "system manager", [](auto& facts, auto&) { facts.booted_with_systemd = false; }, Verdict::failure,
       "not booted with systemd"},
      {"NoBus", "system manager", [](auto& facts, auto&) { facts.manager_error = "no such file"; }, Verdict::failure,
       "no such file"},
      {"FailedUnits", "system manager", [](auto& facts, auto&) { facts.manager_state = "degraded"; }, Verdict::warning,
       "degraded"},
      {"OldSystemd", "systemd", [](auto& facts, auto&) { facts.systemd_version = "247.3"; }, Verdict::failure,
       "older than 252"},
      {"StrangeSystemd", "systemd", [](auto& facts, auto&) { facts.systemd_version = "unknown"; }, Verdict::failure,
       "unknown"},
      {"JournalInMemory", "journal", [](auto& facts, auto&) { facts.journal_persistent = false; }, Verdict::warning,
       "in memory only"},
      {"JournalUnreadable", "journal", [](auto& facts, auto&) { facts.journal_readable = false; }, Verdict::failure,
       "nothing in it"},
      {"NoRecorder", "helpers", [](auto&, auto& folder) { remove_file(folder / "libexec/recorder"); }, Verdict::failure,
       "recorder"},
      {"NoProbe", "helpers", [](auto&, auto& folder) { remove_file(folder / "libexec/probe"); }, Verdict::failure,
       "/probe'"},
      {"NoProbeForHttp", "helpers", [](auto&, auto& folder) { remove_file(folder / "libexec/probe-http"); },
       Verdict::failure, "/probe-http'"},
      {"BadConfiguration", "configuration", [](auto&, auto& folder) { put_file(folder / "config.json", "{"); },
       Verdict::failure, "config.json"},
      {"NoRuntimeFolder", "runtime folder", [](auto&, auto& folder) { remove_directory(folder / "run"); },
       Verdict::failure, "cannot be written to"},
      {"NoPlaceForTheRegistry", "registry", [](auto&, auto& folder) { put_file(folder / "state", "in the way"); },
       Verdict::failure, "cannot "},
      {"StrangeFileInTheRegistry", "registry",
       [](auto&, auto& folder) {
         make_directories(folder / "state/live");
         put_file(folder / "state/live/notes.txt", "mine");
       },
       Verdict::warning, "not a record of agentctl"},
  };
  return table;
}

INSTANTIATE_TEST_SUITE_P(With, AilingHost, testing::ValuesIn(ailments()),
                         [](const auto& ailment) { return ailment.param.what; });

TEST_F(Doctor, WarnsOfARegistryThatSystemdDoesNotSee) {
  registry = Registry(RegistryPlace{folder / "state", folder / "home/agentctl"});
  registry.create(sample_record());
  EXPECT_EQ(finding("registry").verdict, Verdict::ok);
  remove_file(folder / "home/agentctl");
  make_directories(folder / "home/agentctl");
  const Finding found = finding("registry");
  EXPECT_EQ(found.verdict, Verdict::warning);
  EXPECT_THAT(found.text, HasSubstr(folder / "home/agentctl"));
}

TEST_F(Doctor, ReadsWhereTheJournalIsKept) {
  struct Row {
    const char* config;
    bool persistent;
    bool volatile_readable;
    Verdict verdict;
    const char* text;
  };
  for (const Row& row : {
           Row{"#Storage=volatile\n[Journal]\n", true, true, Verdict::ok, "kept on disk and readable"},
           Row{"Storage=auto\n", true, false, Verdict::ok, "kept on disk and readable"},
           Row{"Storage=auto\n", false, false, Verdict::warning, "it is kept in memory only"},
           Row{"Storage=persistent\n", true, false, Verdict::ok, "kept on disk and readable"},
           Row{"Storage=volatile\n", true, true, Verdict::warning, "Storage=volatile: a reboot forgets"},
           Row{"Storage=volatile\n", true, false, Verdict::failure,
               "Storage=volatile: there is nothing in it that you"},
           Row{"Storage=none\n", true, true, Verdict::failure, "Storage=none: what sessions print is not kept"},
           Row{"Storage=auto\n# /etc/systemd/journald.conf.d/memory.conf\n Storage = volatile \n", true, true,
               Verdict::warning, "Storage=volatile: a reboot forgets"},
           Row{"Storage=volatile\nStorage=persistent\n", true, true, Verdict::ok, "kept on disk and readable"},
           Row{"Storage=none\nStorage=nowhere\n", true, true, Verdict::failure, "Storage=none"},
       }) {
    facts.journal_config = row.config;
    facts.journal_persistent = row.persistent;
    facts.volatile_journal_readable = row.volatile_readable;
    const Finding found = finding("journal");
    EXPECT_EQ(found.verdict, row.verdict) << row.config;
    EXPECT_THAT(found.text, testing::StartsWith(row.text)) << row.config;
    EXPECT_EQ(found.remedy.empty(), row.verdict == Verdict::ok) << row.config;
  }
}

TEST_F(Doctor, WarnsOfARateLimitThatIsStricterThanUsual) {
  context.scope = ManagerScope::user;
  struct Row {
    const char* config;
    Verdict verdict;
    const char* text;
  };
  for (const Row& row :
       {Row{"", Verdict::ok, "10000 messages in 30s for all of your sessions together"},
        Row{"#RateLimitBurst=1\n[Journal]\n", Verdict::ok, "10000 messages in 30s for all of your sessions together"},
        Row{"RateLimitBurst=100\n", Verdict::warning,
            "100 messages in 30s for all of your sessions together: what talks more is lost"},
        Row{"RateLimitIntervalSec=5min\n", Verdict::warning,
            "10000 messages in 5min for all of your sessions together: what talks more is lost"},
        Row{"RateLimitBurst=100\n# a drop-in\nRateLimitBurst=20000\n", Verdict::ok,
            "20000 messages in 30s for all of your sessions together"},
        Row{"RateLimitBurst=0\n", Verdict::ok, "none"}, Row{"RateLimitIntervalSec=0", Verdict::ok, "none"},
        Row{"RateLimitBurst=many\n", Verdict::ok, "10000 messages in 30s for all of your sessions together"}}) {
    facts.journal_config = row.config;
    EXPECT_EQ(finding("journal limit").verdict, row.verdict) << row.config;
    EXPECT_EQ(finding("journal limit").text, row.text) << row.config;
    EXPECT_EQ(finding("journal limit").remedy.empty(), row.verdict == Verdict::ok) << row.config;
  }
}

TEST_F(Doctor, AsksAUserWithoutLingeringToEnableIt) {
  context.scope = ManagerScope::user;
  context.asker.user = "no-such-user";
  EXPECT_EQ(finding("lingering").verdict, Verdict::warning);
  EXPECT_EQ(finding("lingering").remedy, "sudo loginctl enable-linger no-such-user");
}

TEST_F(Doctor, TellsAUserTheWayToAManagerThatAnswers) {
  context.scope = ManagerScope::user;
  context.asker.user = "no-such-user";
  context.asker.uid = 3'999'999'999;
  facts.manager_error = "no such file";
  EXPECT_EQ(finding("user manager").remedy,
            "sudo loginctl enable-linger no-such-user   (then it runs without a login)");
  make_directories(folder / "run/systemd");
  put_file(folder / "run/systemd/private", "");
  EXPECT_EQ(finding("user manager").remedy,
            "sudo apt install dbus-user-session, then systemctl --user start dbus.socket");
}

}  // namespace
}  // namespace agentctl
