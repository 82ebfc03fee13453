#include "store/registry_watch.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/error.hpp"
#include "store/registry.hpp"
#include "support/sample_records.hpp"
#include "support/temporary_folder.hpp"
#include "support/thrown_error.hpp"

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

TEST(RegistryWatch, OfAFolderThatIsGoneIsNone) {
  const TemporaryFolder folder;
  EXPECT_TRUE(RegistryWatch::of_folder(folder.path()).has_value());
  EXPECT_FALSE(RegistryWatch::of_folder(folder / "gone").has_value());
}

TEST(RegistryWatch, NamesTheLimitThatTooManyWaitersMeet) {
  const TemporaryFolder folder;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  // inotify_init1(2) says the same of both limits.
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const Error error = thrown_by([&] { RegistryWatch watch(folder / "state"); });
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_STREQ(error.what(),
               "cannot watch the registry: the processes of this user watch as much as they may "
               "(fs.inotify.max_user_instances)");
}

}  // namespace
}  // namespace agentctl
