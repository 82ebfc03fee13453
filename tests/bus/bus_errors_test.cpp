#include "systemd/bus_errors.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/system.hpp"
#include "base/user.hpp"

namespace agentctl {
namespace {

struct Case {
  const char* name;
  ErrorCode code;
  const char* reason;  // of the message "words of the bus"
  const char* hint;
};

constexpr const char* words = "words of the bus";

const Case cases[] = {
    {"org.freedesktop.systemd1.UnitExists", ErrorCode::conflict, "a session of that name lives", "agentctl list"},
    {"org.freedesktop.systemd1.NoSuchUnit", ErrorCode::not_found, "systemd has no such unit", "agentctl list -a"},
    {"org.freedesktop.systemd1.NoSuchProcess", ErrorCode::not_found, words, "agentctl list -a"},
    {"org.freedesktop.systemd1.JobTypeNotApplicable", ErrorCode::failed, words, "agentctl doctor"},
    {"org.freedesktop.systemd1.TransactionIsDestructive", ErrorCode::conflict,
     "systemd is busy with the opposite job for it", "systemctl list-jobs"},
    {"org.freedesktop.DBus.Error.AccessDenied", ErrorCode::not_permitted, words, "agentctl --user, or as root"},
    {"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", ErrorCode::not_permitted, words,
     "agentctl --user, or as root"},
    {"org.freedesktop.DBus.Error.ServiceUnknown", ErrorCode::unreachable, words, "agentctl doctor"},
    {"org.freedesktop.DBus.Error.NoReply", ErrorCode::unreachable, words, "agentctl doctor"},
    {"org.freedesktop.DBus.Error.Timeout", ErrorCode::unreachable, "systemd does not answer", "agentctl doctor"},
    {"org.freedesktop.DBus.Error.Disconnected", ErrorCode::unreachable, "the bus closed the connection",
     "agentctl doctor"},
    {"org.freedesktop.DBus.Error.NoServer", ErrorCode::unreachable, words, "agentctl doctor"},
    {"org.freedesktop.DBus.Error.FileNotFound", ErrorCode::unreachable, words, "agentctl doctor"},
    {"org.freedesktop.DBus.Error.LimitsExceeded", ErrorCode::failed, words, "try again when less is under way"},
    {"System.Error.ENOTCONN", ErrorCode::unreachable, "the bus closed the connection", "agentctl doctor"},
    {"System.Error.ECONNRESET", ErrorCode::unreachable, "the bus closed the connection", "agentctl doctor"},
    {"org.freedesktop.DBus.Error.InvalidArgs", ErrorCode::failed, words, "agentctl doctor"},
    {"something.else", ErrorCode::failed, words, "agentctl doctor"},
};

TEST(BusErrors, EachErrorOfTheBusHasItsExitStatusReasonAndHint) {
  for (const Case& row : cases) {
    const Error error = translate_bus_error(row.name, words, "cannot start", "agentctl-web.service");
    EXPECT_EQ(error.code(), row.code) << row.name;
    EXPECT_EQ(error.reason(), row.reason) << row.name;
    EXPECT_EQ(error.hint(), row.hint) << row.name;
    EXPECT_EQ(error.what(), std::string("cannot start 'agentctl-web.service': ") + row.reason) << row.name;
  }
}

TEST(BusErrors, AnUnknownErrorWithoutWordsIsToldByItsName) {
  EXPECT_EQ(translate_bus_error("something.else", "", "cannot stop", "x").reason(), "something.else");
}

TEST(BusErrors, TheWordsOfTheBusLibraryAreLeftOut) {
  const auto reason_of = [](const char* message) { return translate_bus_error("x.y", message, "", "").reason(); };
  EXPECT_EQ(reason_of("Failed to open bus (No such file or directory)"), "No such file or directory");
  EXPECT_EQ(reason_of("Failed to set unit properties: Bad message"), "Failed to set unit properties: Bad message");
  EXPECT_EQ(reason_of("Unit web.service (a unit)"), "Unit web.service (a unit)");
}

TEST(BusErrors, AUserManagerThatCannotBeReachedIsToldWithTheWayToGetOne) {
  const Error error = unreachable_manager(ManagerScope::user, "/run/user/7", "unix:path=/run/user/7/bus",
                                          "Failed to open bus (No such file)");
  EXPECT_EQ(error.code(), ErrorCode::unreachable);
  EXPECT_STREQ(error.what(), "cannot reach your systemd user manager over 'unix:path=/run/user/7/bus': No such file");
  EXPECT_EQ(error.hint(), way_to_user_manager("/run/user/7", ::getuid(), user_name(::getuid())));
}

TEST(BusErrors, ASystemManagerThatCannotBeReachedIsToldWithTheDoctor) {
  const Error error = unreachable_manager(ManagerScope::system, "", "the system bus", "Connection refused");
  EXPECT_EQ(error.code(), ErrorCode::unreachable);
  EXPECT_STREQ(error.what(), "cannot reach the system's systemd over 'the system bus': Connection refused");
  EXPECT_EQ(error.hint(), "agentctl doctor");
}

}  // namespace
}  // namespace agentctl
