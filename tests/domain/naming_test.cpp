#include "domain/naming.hpp"

#include <gtest/gtest.h>

#include <set>

#include "base/random.hpp"
#include "base/text.hpp"
#include "support/sample_records.hpp"

namespace agentctl {
namespace {

TEST(SessionName, IsUpToSixtyFourLettersDigitsAndInnerHyphens) {
  for (const std::string& name : {std::string("a"), std::string("0"), std::string("web"), std::string("a-b"),
                                  std::string("a--b"), std::string("3d"), std::string(64, 'x')})
    EXPECT_TRUE(is_valid_name(name)) << name;
  for (const std::string& name :
       {std::string(), std::string("-"), std::string("-a"), std::string("a-"), std::string("A"), std::string("a_b"),
        std::string("a.b"), std::string("a b"), std::string("a/b"), std::string("a@b"), std::string("é"),
        std::string("a\n"), std::string("a\0b", 3), std::string("%i"), std::string(65, 'x')})
    EXPECT_FALSE(is_valid_name(name)) << name;
}

TEST(Slug, IsAValidNameOfAnyText) {
  const std::vector<std::pair<std::string, std::string>> table{
      {"", "session"},
      {"   ", "session"},
      {"---", "session"},
      {"€", "session"},
      {"web", "web"},
      {"A  B!", "a-b"},
      {"Fix: the (big) bug", "fix-the-big-bug"},
      {"-a-", "a"},
      {"a--b", "a-b"},
      {"a_b.c", "a-b-c"},
      {"Ünïcode", "n-code"},
      {std::string(40, 'x'), std::string(40, 'x')},
      {std::string(41, 'x'), std::string(40, 'x')},
      {std::string(39, 'x') + " yy", std::string(39, 'x')},  // cut right behind the hyphen
      {std::string("a\0b", 3), "a-b"},
  };
  for (const auto& [text, name] : table) {
    EXPECT_EQ(slug(text), name) << text;
    EXPECT_TRUE(is_valid_name(slug(text))) << text;
  }
}

TEST(Slug, OfAnyBytesIsAValidName) {
  for (int a = 0; a < 256; ++a) {
    std::string text;
    for (int b = 0; b < 50; ++b) text += static_cast<char>(a * 7 + b * 31);
    EXPECT_TRUE(is_valid_name(slug(text)));
  }
}

TEST(DefaultName, IsTheProgramAndTheBeginningOfTheId) {
  EXPECT_EQ(default_name("/usr/bin/Python3.11", "abcdefghijkl"), "python3-11-abcdef");
  EXPECT_EQ(default_name("sleep", "abcdefghijkl"), "sleep-abcdef");
  EXPECT_EQ(default_name("/", "abcdefghijkl"), "session-abcdef");
  EXPECT_TRUE(is_valid_name(default_name(std::string(300, 'x'), "abcdefghijkl")));
}

TEST(UnitName, IsReadBackAsTheName) {
  for (const SessionKind kind : {SessionKind::service, SessionKind::scope})
    for (const char* name : {"web", "a-b-c", "0"}) EXPECT_EQ(name_from_unit(unit_name(name, kind)), name);
  EXPECT_EQ(unit_name("web", SessionKind::service), "agentctl-web.service");
  EXPECT_EQ(unit_name("web", SessionKind::scope), "agentctl-web.scope");
}

TEST(UnitName, OfAnotherProgramHasNoName) {
  for (const char* unit : {"", "agentctl-.service", "agentctl-web", "agentctl-web.slice", "agentctl-web.timer",
                           "agentctl-Web.service", "agentctl-a.b.service", "web.service", "agentctl.service",
                           "xagentctl-web.service", "agentctl-web.service.d", "agentctl-a@b.service"})
    EXPECT_EQ(name_from_unit(unit), std::nullopt) << unit;
}

TEST(ProjectSlice, EscapesWhatWouldMakeItTheChildOfAnother) {
  EXPECT_EQ(project_slice("shop"), "agentctl-shop.slice");
  EXPECT_EQ(project_slice("my-app"), "agentctl-my\\x2dapp.slice");
  EXPECT_EQ(project_slice("a.b_c"), "agentctl-a.b_c.slice");
  EXPECT_EQ(project_slice("a/b%c"), "agentctl-a\\x2fb\\x25c.slice");
  EXPECT_EQ(project_slice("a-"), "agentctl-a\\x2d.slice");
  EXPECT_EQ(project_slice("\xFF"), "agentctl-\\xff.slice");
}

SessionRequest request_of(const std::string& name, const std::string& project = {}, const std::string& group = {}) {
  SessionRequest request;
  request.name = name;
  request.project = project;
  request.group = group;
  return request;
}

TEST(ProjectSlice, IsTheSessionsSliceWhateverItsName) {
  EXPECT_EQ(slice_name(request_of("web", "shop")), project_slice("shop"));
  EXPECT_EQ(slice_name(request_of("api", "shop")), project_slice("shop"));
}

TEST(GroupSlice, IsInThatOfTheProjectAndNeverASpreadOne) {
  EXPECT_EQ(slice_name(request_of("web", "shop", "front")), "agentctl-shop-front.slice");
  EXPECT_EQ(slice_name(request_of("web", "my-app", "a-b")), "agentctl-my\\x2dapp-a\\x2db.slice");
  EXPECT_EQ(slice_name(request_of("web", "", "1")), "agentctl-_-1.slice");
  EXPECT_EQ(group_slice("shop", "front"), slice_name(request_of("web", "shop", "front")));
}

TEST(SpreadSlice, IsOneOfSixteenAndAlwaysTheSameForAName) {
  std::set<std::string> slices;
  for (int i = 0; i < 1000; ++i) slices.insert(slice_name(request_of("session-" + std::to_string(i))));
  EXPECT_EQ(slices.size(), 16U);
  // Fixed for ever: an agentctl of tomorrow must find the control group of a session of today.
  EXPECT_EQ(slice_name(request_of("web")), "agentctl-_1.slice");
  EXPECT_EQ(slice_name(request_of("api")), slice_name(request_of("api")));
}

TEST(CrowdedSlice, IsInThatOfTheProjectOrGroup) {
  EXPECT_EQ(crowded_slice(project_slice("my-app"), "web"), "agentctl-my\\x2dapp-_1.slice");
  EXPECT_EQ(crowded_slice(group_slice("", "g"), "web"), "agentctl-_-g-_1.slice");
}

TEST(SliceOfARecord, IsWhereItWasPut) {
  Record record = sample_record("web");
  EXPECT_EQ(slice_of(record), "agentctl-_1.slice");
  record.slice = crowded_slice(project_slice("shop"), "web");
  EXPECT_EQ(slice_of(record), "agentctl-shop-_1.slice");
  for (const char* good : {"agentctl-_1.slice", "agentctl-shop-_1.slice"}) EXPECT_TRUE(is_slice_name(good));
  for (const char* bad : {"", "a.slice", "agentctl-../../x.slice", "agentctl-shop.service"})
    EXPECT_FALSE(is_slice_name(bad)) << bad;
}

TEST(UnitDescription, CarriesTheIdToAndFro) {
  const Record record = sample_record("web", "abcdefghij23");
  EXPECT_EQ(unit_description(record), "agentctl session abcdefghij23: sleep");
  EXPECT_EQ(id_from_description(unit_description(record)), "abcdefghij23");
}

TEST(UnitDescription, ShowsTheProgramOnlyAndNothingThatSteersATerminal) {
  Record record = sample_record();
  record.request.command = {"/opt/a tool\x1b[31m" + std::string(100, 'x'), "--token=secret"};
  const std::string description = unit_description(record);
  EXPECT_EQ(description.find("secret"), std::string::npos);
  EXPECT_EQ(description.find('\x1b'), std::string::npos);
  EXPECT_EQ(description.substr(0, 48), "agentctl session aaaaaaaaaaab: a tool\\x1b[31mxxx");
  EXPECT_LE(count_characters(description), 31U + 40U);
  record.request.command.clear();
  EXPECT_EQ(id_from_description(unit_description(record)), record.id);
}

TEST(UnitDescription, OfAnotherProgramHasNoId) {
  for (const char* text : {"", "agentctl session ", "agentctl session abcdefghij2", "agentctl session ABCDEFGHIJ23: x",
                           "agentctl session abcdefghij01: x", "session abcdefghij23: x",
                           " agentctl session abcdefghij23", "agentctl session 2bcdefghij23: x"})
    EXPECT_EQ(id_from_description(text), std::nullopt) << text;
}

TEST(SessionId, IsWhatRandomIdGives) {
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(is_valid_id(random_id(id_length)));
  for (const char* text : {"", "abcdefghij2", "abcdefghij234", "abcdefghij28", "abcdefghij21", "3bcdefghij23",
                           "abcdefghiJ23", "abcdefghij-3", "123456789012"})
    EXPECT_FALSE(is_valid_id(text)) << text;
}

TEST(BaseName, IsTheLastPartOfAPath) {
  const std::vector<std::pair<std::string, std::string>> table{
      {"/usr/bin/env", "env"}, {"env", "env"}, {"./a", "a"}, {"a/b/", "b"}, {"a//", "a"}, {"/", ""}, {"", ""}};
  for (const auto& [path, name] : table) EXPECT_EQ(base_name(path), name) << path;
}

}  // namespace
}  // namespace agentctl
