#include "base/error.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

namespace agentctl {
namespace {

Error make(std::string context, std::string object, std::string reason) {
  return Error({.code = ErrorCode::failed,
                .context = std::move(context),
                .object = std::move(object),
                .reason = std::move(reason),
                .hint = "agentctl doctor"});
}

TEST(ErrorMessage, IsContextObjectAndReason) {
  EXPECT_STREQ(make("cannot start session", "web", "port 3000 is held").what(),
               "cannot start session 'web': port 3000 is held");
  EXPECT_STREQ(make("no such session", "web", "").what(), "no such session 'web'");
  EXPECT_STREQ(make("unknown verb", "", "").what(), "unknown verb");
  EXPECT_STREQ(make("", "web", "gone").what(), "'web': gone");
  EXPECT_STREQ(make("", "", "gone").what(), "gone");
}

TEST(ErrorMessage, DoesNotHoldTheHint) {
  EXPECT_EQ(std::string(make("a", "b", "c").what()).find("doctor"), std::string::npos);
}

TEST(ErrorCode, HasTheExitStatusThatScriptsRelyOn) {
  EXPECT_EQ(static_cast<int>(ErrorCode::failed), 1);
  EXPECT_EQ(static_cast<int>(ErrorCode::usage), 2);
  EXPECT_EQ(static_cast<int>(ErrorCode::not_found), 3);
  EXPECT_EQ(static_cast<int>(ErrorCode::conflict), 4);
  EXPECT_EQ(static_cast<int>(ErrorCode::not_permitted), 5);
  EXPECT_EQ(static_cast<int>(ErrorCode::unreachable), 6);
  EXPECT_EQ(static_cast<int>(ErrorCode::timed_out), 7);
  EXPECT_EQ(static_cast<int>(ErrorCode::command_not_executable), 126);
  EXPECT_EQ(static_cast<int>(ErrorCode::command_not_found), 127);
}

TEST(ErrorCode, HasAWordOfItsOwn) {
  std::set<std::string> words;
  for (const ErrorCode code :
       {ErrorCode::failed, ErrorCode::usage, ErrorCode::not_found, ErrorCode::conflict, ErrorCode::not_permitted,
        ErrorCode::unreachable, ErrorCode::timed_out, ErrorCode::command_not_executable, ErrorCode::command_not_found})
    words.insert(to_string(code));
  EXPECT_EQ(words.size(), 9U);
  EXPECT_STREQ(to_string(ErrorCode::not_found), "not-found");
}

TEST(SystemError, TellsPermissionFromOtherFailures) {
  EXPECT_EQ(system_error("cannot read", "/x", EACCES).code(), ErrorCode::not_permitted);
  EXPECT_EQ(system_error("cannot read", "/x", EPERM).code(), ErrorCode::not_permitted);
  const Error error = system_error("cannot read", "/x", ENOSPC);
  EXPECT_EQ(error.code(), ErrorCode::failed);
  EXPECT_STREQ(error.what(), "cannot read '/x': No space left on device");
}

}  // namespace
}  // namespace agentctl
