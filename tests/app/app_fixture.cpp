#include "app_fixture.hpp"

#include "app/doctor.hpp"
#include "base/file.hpp"

namespace agentctl {

AppTest::AppTest() {
  make_directories(folder / "libexec");
  for (const char* helper : helpers) put_file(folder / "libexec/" + helper, "", 0755);
  make_directories(folder / "bin");
  put_file(folder / "bin/tool", "#!/bin/sh\n", 0755);
  put_file(folder / "bin/notes", "not a program\n", 0644);
  context.environment = {{"PATH", folder / "bin"}, {"HOME", "/home/ann"}, {"LANG", "C.UTF-8"}, {"SECRET", "s3cret"}};
}

Record AppTest::add_record(const std::string& name, char id) {
  Record record = sample_record(name, sample_id(id));
  // In the order of their ids, so that "the latest" is known.
  record.created_at = sample_time(id);
  EXPECT_FALSE(registry.create(record).rival) << name << " is taken";
  return record;
}

Record AppTest::add_session(const std::string& name, char id, Activity activity) {
  Record record = add_record(name, id);
  engine.add_unit(record, activity);
  return record;
}

Record AppTest::add_ended(const std::string& name, char id, State state, std::int64_t ended_at) {
  Record record = add_record(name, id);
  End end = sample_end(state);
  end.ended_at = sample_time(ended_at);
  EXPECT_TRUE(registry.finish(record, end));
  record.end = end;
  return record;
}

void AppTest::put_note(const Record& record, const HostNote& note) {
  make_directories(runtime.folder(record.id));
  put_file(runtime.folder(record.id) + "/" + host_note_file, to_json(note), 0600);
}

void AppTest::end_session(const Record& record, const End& end) {
  registry.finish(record, end);
  runtime.remove(record.id);
  engine.units.erase(record.unit);
}

LaunchOptions AppTest::options(std::vector<std::string> command, const std::string& name) const {
  LaunchOptions launch;
  launch.request.name = name;
  launch.request.command = std::move(command);
  return launch;
}

void AppTest::expect_nothing_exists() const {
  EXPECT_FALSE(exists(registry.root()));
  EXPECT_FALSE(exists(folder / "run"));
  EXPECT_EQ(engine.count("start "), 0U);
}

Record AppTest::stored(const Record& record) {
  for (Record& candidate : registry.by_name(record.request.name))
    if (candidate.id == record.id) return std::move(candidate);
  ADD_FAILURE() << "there is no record " << record.id;
  return {};
}

std::vector<std::string> AppTest::ids_of(const std::vector<Session>& sessions) const {
  std::vector<std::string> ids;
  for (const Session& session : sessions) ids.push_back(session.record.id);
  return ids;
}

}  // namespace agentctl
