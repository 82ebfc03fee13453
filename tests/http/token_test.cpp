#include "http/token.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "base/file.hpp"
#include "support/temporary_folder.hpp"
#include "support/thrown_error.hpp"

namespace agentctl {
namespace {

TEST(Token, IsMadeOnceForItsOwnerAlone) {
  TemporaryFolder folder;
  const std::string token = http_token(folder / "state");
  EXPECT_EQ(token.size(), 64U);
  EXPECT_EQ(token.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(http_token(folder / "state"), token);
  struct stat status {};
  ASSERT_EQ(::stat((folder / "state/http-token").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_NE(http_token(folder / "other"), token);
}

TEST(Token, ThatIsNoneIsRefused) {
  TemporaryFolder folder;
  for (const char* content : {"", "short\n", "zz"}) {
    write_file(folder / "http-token", content);
    EXPECT_THAT(thrown_by([&] { http_token(folder.path()); }).what(), testing::HasSubstr("not 64 hexadecimal digits"));
  }
}

}  // namespace
}  // namespace agentctl
