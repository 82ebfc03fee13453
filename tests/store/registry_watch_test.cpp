#include "store/registry_watch.hpp"

#include <gtest/gtest.h>

#include "store/registry.hpp"
#include "support/sample_records.hpp"
#include "support/temporary_folder.hpp"

namespace agentctl {
namespace {

TEST(RegistryWatch, TellsEachChangeAndNothingElse) {
  const TemporaryFolder folder;
  Registry registry(folder / "state");
  RegistryWatch watch(registry.root());
  EXPECT_FALSE(watch.next_change(microseconds(1000)));
  registry.create(sample_record());
  EXPECT_TRUE(watch.next_change(std::chrono::seconds(10)));
  EXPECT_FALSE(watch.next_change(microseconds(0)));
  EXPECT_EQ(registry.live().size(), 1U);
  EXPECT_FALSE(watch.next_change(microseconds(0))) << "a look changes nothing";
  registry.finish(sample_record(), sample_end());
  EXPECT_TRUE(watch.next_change(std::chrono::seconds(10)));
}

}  // namespace
}  // namespace agentctl
