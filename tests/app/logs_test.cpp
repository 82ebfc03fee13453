#include "app/logs.hpp"

#include <gmock/gmock.h>

#include "app/sessions.hpp"
#include "app_fixture.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto out = OutputStream::out;
constexpr auto err = OutputStream::err;

class ReadLog : public AppTest {
 protected:
  /// "o:text" for a line, "e:text~" without its newline, "[2 lost]" for a gap.
  LogSink sink() {
    return [this](const LogItem& item) {
      if (const auto* gap = std::get_if<LogGap>(&item)) {
        given.push_back("[" + std::to_string(gap->lines) + " lost]");
        return;
      }
      const auto& line = std::get<LogLine>(item);
      given.push_back((line.stream == out ? "o:" : "e:") + std::string(line.text) +
                      (line.ends_with_newline ? "" : "~"));
    };
  }
  std::vector<std::string> read(const LogOptions& options = {}) {
    given.clear();
    read_log(context, find_session(context, "web"), options, sink());
    return given;
  }
  static LogOptions last(std::size_t lines, std::optional<OutputStream> stream = std::nullopt) {
    return {.lines = lines, .since = {}, .stream = stream};
  }

  const std::string id = sample_id('b');
  std::vector<std::string> given;
};

TEST_F(ReadLog, GivesEveryLineOfTheSessionAndOfNoOther) {
  add_ended("web");
  log.add(id, out, "one\ntwo\n");
  log.add(sample_id('c'), out, "another's\n");
  log.add(id, err, "three\n");
  EXPECT_THAT(read(), ElementsAre("o:one", "o:two", "e:three"));
  EXPECT_THAT(log.opened, ElementsAre(id + " agentctl-web.service user"));
}

TEST_F(ReadLog, GivesWhatALiveSessionHasPrintedSoFar) {
  add_session("web");
  log.add(id, out, "one\nhalf a li");
  EXPECT_THAT(read(), ElementsAre("o:one", "o:half a li~"));
}

TEST_F(ReadLog, GivesNothingWhereNothingWasPrinted) {
  add_ended("web");
  EXPECT_THAT(read(), IsEmpty());
  EXPECT_THAT(read(last(10)), IsEmpty());
}

TEST_F(ReadLog, SaysWhereLinesAreMissing) {
  add_ended("web");
  log.add(id, out, "one\n");
  log.lose(id, out, "two\nthree\n");
  log.add(id, out, "four\n");
  EXPECT_THAT(read(), ElementsAre("o:one", "[2 lost]", "o:four"));
}

TEST_F(ReadLog, SaysThatTheBeginningIsMissing) {
  add_ended("web");
  log.lose(id, out, "one\n");
  log.add(id, out, "two\n");
  EXPECT_THAT(read(), ElementsAre("[1 lost]", "o:two"));
}

TEST_F(ReadLog, GivesTheLastLinesHoweverTheyWereBatched) {
  add_ended("web");
  log.add(id, out, "1\n2\n3\n");
  log.add(id, out, "4\n5\n");
  EXPECT_THAT(read(last(1)), ElementsAre("o:5"));
  EXPECT_THAT(read(last(3)), ElementsAre("o:3", "o:4", "o:5"));
  EXPECT_THAT(read(last(5)), ElementsAre("o:1", "o:2", "o:3", "o:4", "o:5"));
  EXPECT_THAT(read(last(100)), ElementsAre("o:1", "o:2", "o:3", "o:4", "o:5"));
  EXPECT_THAT(read(last(0)), IsEmpty());
}

TEST_F(ReadLog, CountsProgramLinesThatWereLoggedInParts) {
  add_ended("web");
  log.add(id, out, "1\n2 begins");
  log.add(id, out, " and ends\n3\n");
  EXPECT_THAT(read(last(2)), ElementsAre("o:2 begins and ends", "o:3"));
}

TEST_F(ReadLog, GivesOneStreamOnly) {
  add_ended("web");
  log.add(id, out, "1\n");
  log.add(id, err, "2\n");
  log.add(id, out, "3\n");
  EXPECT_THAT(read({.lines = {}, .since = {}, .stream = err}), ElementsAre("e:2"));
  EXPECT_THAT(read({.lines = {}, .since = {}, .stream = out}), ElementsAre("o:1", "o:3"));
}

TEST_F(ReadLog, CountsTheLastLinesOfTheStreamThatWasAskedFor) {
  add_ended("web");
  log.add(id, err, "e1\ne2\n");
  for (int i = 0; i < 5; ++i) log.add(id, out, "loud\n");
  log.add(id, err, "e3\n");
  log.add(id, out, "loud\n");
  EXPECT_THAT(read(last(2, err)), ElementsAre("e:e2", "e:e3"));
  EXPECT_THAT(read(last(1, err)), ElementsAre("e:e3"));
}

TEST_F(ReadLog, SaysWhatIsMissingAmongTheLastLines) {
  add_ended("web");
  log.add(id, out, "1\n2\n");
  log.lose(id, out, "3\n4\n");
  log.add(id, out, "5\n");
  EXPECT_THAT(read(last(2)), ElementsAre("o:2", "[2 lost]", "o:5"));
  EXPECT_THAT(read(last(1)), ElementsAre("o:5"));
}

TEST_F(ReadLog, BeginsAtATime) {
  add_ended("web");
  log.add(id, out, "early\n", sample_time(1));
  log.add(id, out, "late\n", sample_time(10));
  EXPECT_THAT(read({.lines = {}, .since = sample_time(5), .stream = {}}), ElementsAre("o:late"));
  EXPECT_THAT(read({.lines = {}, .since = sample_time(10), .stream = {}}), ElementsAre("o:late"));
  EXPECT_THAT(read({.lines = {}, .since = sample_time(11), .stream = {}}), IsEmpty());
}

TEST_F(ReadLog, DoesNotBeginInTheMiddleOfALine) {
  add_ended("web");
  log.add(id, out, "long", sample_time(1));
  log.add(id, err, "early\n", sample_time(2));
  log.add(id, out, " line\nlate\n", sample_time(10));
  EXPECT_THAT(read({.lines = {}, .since = sample_time(5), .stream = {}}), ElementsAre("o:late"));
  EXPECT_THAT(read({.lines = 2, .since = sample_time(5), .stream = {}}), ElementsAre("o:late"));
}

TEST_F(ReadLog, GivesTheLastLinesOfWhatCameSinceATime) {
  add_ended("web");
  log.add(id, out, "early\n", sample_time(1));
  log.add(id, out, "1\n2\n", sample_time(10));
  EXPECT_THAT(read({.lines = 5, .since = sample_time(5), .stream = {}}), ElementsAre("o:1", "o:2"));
  EXPECT_THAT(read({.lines = 1, .since = sample_time(5), .stream = {}}), ElementsAre("o:2"));
}

TEST_F(ReadLog, GivesTheLastLinesThatHaveSoManyBytes) {
  add_ended("web");
  log.add(id, out, "one\ntwo\n");
  log.add(id, err, "three\nfo");
  log.add(id, err, "ur\n");
  EXPECT_THAT(read({.bytes = 1}), ElementsAre("e:ur"));  // the journal was not read further back
  EXPECT_THAT(read({.bytes = 5}), ElementsAre("e:four"));
  EXPECT_THAT(read({.bytes = 6}), ElementsAre("e:three", "e:four"));
  EXPECT_THAT(read({.bytes = 12}), ElementsAre("o:two", "e:three", "e:four"));
  EXPECT_THAT(read({.bytes = 1000}), ElementsAre("o:one", "o:two", "e:three", "e:four"));
}

TEST_F(ReadLog, IsRefusedForAScopeWhoseOutputWasTheTerminals) {
  Record record = sample_record("web");
  record.request.kind = SessionKind::scope;
  record.unit = "agentctl-web.scope";
  registry.create(record);
  registry.finish(record, sample_end());
  EXPECT_STREQ(thrown_by([&] { read(); }).what(),
               "there is no log of session 'web': it was started with --scope, so its output went to its own terminal");
}

class FollowLog : public ReadLog {
 protected:
  std::vector<std::string> follow(const LogOptions& options = {}) {
    given.clear();
    follow_log(context, find_session(context, "web"), options, sink());
    return given;
  }
};

TEST_F(FollowLog, OfAnEndedSessionIsItsLog) {
  add_ended("web");
  log.add(id, out, "1\n2\n");
  EXPECT_THAT(follow(), ElementsAre("o:1", "o:2"));
  EXPECT_THAT(follow(last(1)), ElementsAre("o:2"));
}

TEST_F(FollowLog, SaysOnceWhenWhatWasStoredHasBeenGiven) {
  const Record record = add_session("web");
  log.add(id, out, "before\n");
  engine.meanwhile(record.unit, [&] {
    log.add(id, out, "after\n");
    end_session(record, sample_end());
  });
  std::vector<std::string> then;
  LogOptions options;
  options.when_replayed = [&] { then.push_back(testing::PrintToString(given)); };
  follow(options);
  EXPECT_THAT(then, testing::SizeIs(1));
}

TEST_F(FollowLog, GivesWhatIsStoredWhileTheHostWasNotThereToTalkTo) {
  const Record record = add_session("web");
  log.add(id, out, "before\n");
  engine.meanwhile(record.unit, [&] {
    log.add(id, out, "after\n");
    end_session(record, sample_end());
  });
  EXPECT_THAT(follow(), ElementsAre("o:before", "o:after"));
}

}  // namespace
}  // namespace agentctl
