#include "output/output_fixture.hpp"

#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <ostream>

#include "base/random.hpp"
#include "base/system.hpp"
#include "base/user.hpp"
#include "domain/naming.hpp"

namespace agentctl {

OutputTest::OutputTest() {
  ::setenv("TZ", "UTC", 1);  // for format_local() in what is expected
  ::tzset();
  for (const char* name : {"home", "state", "run", "work"}) make_directories(path(name));
  environment = {{"HOME", path("home")},
                 {"XDG_RUNTIME_DIR", path("run")},
                 {"XDG_STATE_HOME", path("state")},
                 {"PATH", "/usr/bin:/bin"},
                 {"LANG", "C.UTF-8"},
                 {"TZ", "UTC"},
                 {"SYSTEMD_BUS_TIMEOUT", "10s"}};
  // A program that ends at once may leak: looking for it would take most of the time of these tests.
  environment["ASAN_OPTIONS"] = "detect_leaks=0";
}

ProgramStart OutputTest::start_of(const Words& words) const {
  ProgramStart start{.argv = {AGENTCTL_PROGRAM}, .environment = environment, .cwd = path("work")};
  start.argv.insert(start.argv.end(), words.begin(), words.end());
  return start;
}

Outcome OutputTest::agentctl(const Words& words) {
  Words all{"--user"};
  all.insert(all.end(), words.begin(), words.end());
  return agentctl_alone(all);
}

Outcome OutputTest::agentctl_alone(const Words& words) { return Program(start_of(words)).finish(); }

Record OutputTest::record_of(const std::string& name, std::chrono::seconds age) const {
  Record record;
  record.id = random_id(id_length);
  record.unit = unit_name(name, SessionKind::service);
  record.request.name = name;
  record.request.command = {"sleep", "60"};
  record.request.cwd = path("work");
  record.created_by = {.uid = ::getuid(), .user = "ann", .pid = 77, .command = "bash"};
  record.created_at = now() - age;
  record.boot_id = boot_id();
  return record;
}

Record OutputTest::add_ended(Record record, State state, const std::string& reason, std::optional<int> code) {
  End end;
  end.state = state;
  end.reason = reason;
  end.exit.code = code;
  end.exit.result = code == 0 ? "success" : "exit-code";
  end.started_at = record.created_at;
  end.ended_at = record.created_at;
  end.pid = 4711;
  Registry registry = this->registry();
  registry.create(record);
  registry.finish(record, end);
  record.end = end;
  return record;
}

Record OutputOnBusTest::add_live(Record record, const FakeUnit& unit) {
  registry().create(record);
  HostNote note;
  note.invocation_id = unit.invocation_id;
  note.pid = 4711;
  note.started_at = record.created_at;
  make_directories(runtime().folder(record.id));
  write_file(runtime().folder(record.id) + "/" + host_note_file, to_json(note));
  FakeUnit loaded = unit;
  loaded.name = record.unit;
  loaded.description = unit_description(record);
  systemd.set_unit(loaded);
  return record;
}

void OutputOnBusTest::end(const Record& record, State state, const std::string& reason, std::optional<int> code,
                          std::optional<int> signal) {
  End end;
  end.state = state;
  end.reason = reason;
  end.exit.code = code;
  end.exit.signal = signal;
  end.ended_at = now();
  registry().finish(record, end);
  runtime().remove(record.id);
  systemd.remove_unit(record.unit);
}

std::string own_user() { return user_name(::getuid()); }

std::string filled(std::string text, const std::map<std::string, std::string>& values) {
  for (const auto& [key, value] : values) {
    const std::string placeholder = "{" + key + "}";
    for (auto at = text.find(placeholder); at != std::string::npos; at = text.find(placeholder, at + value.size()))
      text.replace(at, placeholder.size(), value);
  }
  return text;
}

std::string error_text(const std::string& message, const std::string& hint) {
  return "agentctl: " + message + "\n" + (hint.empty() ? "" : "hint: " + hint + "\n");
}

testing::Matcher<Outcome> ended_with(int status, const testing::Matcher<std::string>& out,
                                     const testing::Matcher<std::string>& err) {
  return testing::AllOf(testing::Field("status", &Outcome::status, status),
                        testing::Field("stdout", &Outcome::out, out), testing::Field("stderr", &Outcome::err, err));
}

void PrintTo(const Outcome& outcome, std::ostream* stream) {
  *stream << "status " << outcome.status << "\nstdout:\n" << outcome.out << "\nstderr:\n" << outcome.err;
}

}  // namespace agentctl
