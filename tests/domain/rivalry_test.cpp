#include "domain/rivalry.hpp"

#include <gtest/gtest.h>

#include "domain/ports.hpp"
#include "support/sample_records.hpp"

namespace agentctl {
namespace {

SessionRequest request(const std::string& name, const std::string& key = {}, const std::string& source = {},
                       const std::string& project = {}) {
  SessionRequest made = sample_record(name).request;
  made.exclusive = key;
  made.source = source;
  made.project = project;
  return made;
}

TEST(Rivalry, IsAboutTheNameTheKeyOrTheSourceOfAProject) {
  EXPECT_EQ(rivalry_of(request("a"), request("a")), Rivalry::name);
  EXPECT_EQ(rivalry_of(request("a", "k"), request("b", "k")), Rivalry::key);
  EXPECT_EQ(rivalry_of(request("a", "", "s", "shop"), request("b", "", "s", "shop")), Rivalry::source);
  EXPECT_EQ(rivalry_of(request("a", "", "s"), request("b", "", "s")), Rivalry::source);
}

TEST(Rivalry, IsNoneOfWhatDiffersOrIsMissing) {
  EXPECT_EQ(rivalry_of(request("a"), request("b")), Rivalry::none);
  EXPECT_EQ(rivalry_of(request("a", "k"), request("b", "l")), Rivalry::none);
  EXPECT_EQ(rivalry_of(request("a", "k"), request("b")), Rivalry::none);
  EXPECT_EQ(rivalry_of(request("a", "", "s", "shop"), request("b", "", "s", "other")), Rivalry::none);
  EXPECT_EQ(rivalry_of(request("a", "x"), request("b", "", "x")), Rivalry::none) << "a key is no source";
}

TEST(Rivalry, IsAboutAPortThatBothAskForByNumber) {
  SessionRequest web = request("web");
  SessionRequest api = request("api");
  web.ports = {3000, 3001};
  EXPECT_TRUE(has_rivals_of_other_names(web));
  EXPECT_EQ(rivalry_of(web, api), Rivalry::none);
  api.ports = {3001};
  EXPECT_EQ(rivalry_of(web, api), Rivalry::port);
  EXPECT_EQ(describe(Rivalry::port, web, api), "port 3001");
  web.ports = api.ports = {automatic_port};
  EXPECT_EQ(rivalry_of(web, api), Rivalry::none);
}

TEST(Rivalry, IsDescribedForPeople) {
  const SessionRequest wanted = request("a", "k\x1b", "s", "shop");
  EXPECT_EQ(describe(Rivalry::name, wanted, wanted), "name 'a'");
  EXPECT_EQ(describe(Rivalry::key, wanted, wanted), "exclusive key 'k\\x1b'");
  EXPECT_EQ(describe(Rivalry::source, wanted, wanted), "source 's' of project 'shop'");
  EXPECT_EQ(describe(Rivalry::source, request("a", "", "s"), wanted), "source 's'");
}

}  // namespace
}  // namespace agentctl
