#include <gmock/gmock.h>

#include "store/registry.hpp"
#include "support/sample_records.hpp"
#include "support/temporary_folder.hpp"
#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

using testing::ElementsAre;

class RegistryPorts : public testing::Test {
 protected:
  TemporaryFolder folder;
  Registry registry{folder / "state"};
  std::set<std::uint16_t> listened;
  HostPorts host{.is_listened_on = [this](std::uint16_t port) { return listened.contains(port); },
                 .can_be_bound = [this](std::uint16_t port) { return !listened.contains(port); },
                 .automatic = {20000, 20001, 20002}};

  static Record record_of(const std::string& name, char id, std::vector<std::uint16_t> ports) {
    Record record = sample_record(name, sample_id(id));
    record.request.ports = std::move(ports);
    return record;
  }
  Creation create(const Record& record) { return registry.create(record, {}, &host); }
};

TEST_F(RegistryPorts, AreHeldUntilTheEnd) {
  const Record api = record_of("api", 'b', {3000, 3001});
  EXPECT_THAT(create(api).ports, ElementsAre(3000, 3001));
  const Creation refused = create(record_of("web", 'c', {3001}));
  ASSERT_TRUE(refused.rival);
  EXPECT_EQ(refused.rival->request.name, "api");
  EXPECT_EQ(registry.live().size(), 1U);
  EXPECT_FALSE(create(record_of("web", 'c', {3002})).rival);
  registry.finish(api, sample_end());
  EXPECT_FALSE(create(record_of("late", 'd', {3001})).rival);
}

TEST_F(RegistryPorts, OfAQueuedOneAreHeldToo) {
  Record waits = record_of("waits", 'b', {3000, automatic_port});
  waits.queued = Queued::by_anyone;
  waits.request.pool = {.name = "p", .max = 1, .priority = 0};
  Record runs = record_of("runs", 'c', {});
  runs.request.pool = waits.request.pool;
  EXPECT_FALSE(create(runs).queued);
  const Creation creation = create(waits);
  EXPECT_TRUE(creation.queued);
  EXPECT_THAT(creation.ports, ElementsAre(3000, 20000));
  EXPECT_THAT(registry.find_live("waits", waits.id)->request.ports, ElementsAre(3000, 20000));
  EXPECT_TRUE(create(record_of("web", 'd', {3000})).rival);
}

TEST_F(RegistryPorts, OnWhichSomebodyListensAreNotGiven) {
  listened = {3000};
  const Creation creation = create(record_of("web", 'b', {3001, 3000}));
  EXPECT_EQ(creation.occupied, 3000);
  EXPECT_TRUE(registry.live().empty());
  EXPECT_FALSE(registry.create(record_of("web", 'b', {3000})).occupied) << "it lives, and is who listens";
}

TEST_F(RegistryPorts, AreChosenFromWhatIsFree) {
  listened = {20001};
  EXPECT_THAT(create(record_of("a", 'b', {automatic_port})).ports, ElementsAre(20000));
  EXPECT_THAT(create(record_of("b", 'c', {automatic_port})).ports, ElementsAre(20002));
  EXPECT_THAT(registry.find_live("b", sample_id('c'))->request.ports, ElementsAre(20002));
  const Error error = thrown_by([&] { create(record_of("c", 'd', {automatic_port})); });
  EXPECT_STREQ(error.what(), "cannot find a free port: all that are no part of net.ipv4.ip_local_port_range are taken");
  EXPECT_EQ(registry.live().size(), 2U);
}

TEST_F(RegistryPorts, AreRefusedBeforeTheNameIs) {
  create(record_of("api", 'b', {3000}));
  create(record_of("web", 'c', {}));
  EXPECT_EQ(create(record_of("web", 'd', {3000})).rival->request.name, "api")
      << "who replaces 'web' must not end it for nothing";
}

}  // namespace
}  // namespace agentctl
