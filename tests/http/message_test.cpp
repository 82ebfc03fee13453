#include "http/message.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>

namespace agentctl {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(Response, HasTheSecurityHeadersWhateverItIs) {
  for (const std::string& wire : {to_wire({}, true, false), to_wire(internal_error(), false, false),
                                  to_wire({.status = 304}, true, false), event_stream_head()}) {
    for (const char* header :
         {"\r\nContent-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
          "img-src 'self' data:; base-uri 'none'; ",
          "frame-ancestors 'none'\r\n", "\r\nX-Content-Type-Options: nosniff\r\n",
          "\r\nReferrer-Policy: no-referrer\r\n", "\r\nCache-Control: no-store\r\n"})
      EXPECT_THAT(wire, HasSubstr(header));
  }
}

TEST(Response, HasItsLengthAndSaysWhetherTheConnectionGoesOn) {
  const Response response{.body = "{}\n"};
  EXPECT_THAT(to_wire(response, true, false), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(to_wire(response, true, false), HasSubstr("\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n{}\n"));
  EXPECT_THAT(to_wire(response, false, false), HasSubstr("\r\nConnection: close\r\n\r\n{}\n"));
}

TEST(Response, OfHeadAndOf304HasNoBody) {
  const std::string head = to_wire({.body = "{}\n"}, true, true);
  EXPECT_THAT(head, HasSubstr("\r\nContent-Length: 3\r\n"));
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  const std::string unchanged = to_wire({.status = 304, .headers = {{"ETag", "\"x\""}}}, true, false);
  EXPECT_THAT(unchanged, Not(HasSubstr("Content-Length")));
  EXPECT_THAT(unchanged, HasSubstr("\r\nETag: \"x\"\r\n"));
}

TEST(Problem, IsTheEnvelope) {
  const Response response = to_response(Problem{
      .code = "invalid-integer", .error = "no", .field = "tail", .expected = "1 to 5", .rejected_value = "\xff\"x"});
  EXPECT_EQ(response.status, 400);
  const json::value body = json::parse(response.body);
  EXPECT_EQ(body, json::parse(R"({"error":"no","code":"invalid-integer","field":"tail","expected":"1 to 5",)"
                              "\"rejectedValue\":\"\xef\xbf\xbd\\\"x\",\"details\":[]}"));
}

TEST(Problem, OfAnErrorHasItsWordsAndStatus) {
  const Error error(
      {.code = ErrorCode::not_found, .context = "no such session", .object = "a", .reason = {}, .hint = "b"});
  const Response response = to_response(error);
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(json::parse(response.body),
            json::parse(R"({"error":"no such session 'a'","code":"not-found","hint":"b","details":[]})"));
  EXPECT_EQ(status_of(ErrorCode::conflict), 409);
  EXPECT_EQ(status_of(ErrorCode::unreachable), 503);
  EXPECT_EQ(status_of(ErrorCode::timed_out), 504);
  EXPECT_EQ(status_of(ErrorCode::not_permitted), 403);
}

TEST(Problem, OfTheServerItselfSaysNoMore) {
  EXPECT_EQ(internal_error().status, 500);
  EXPECT_EQ(json::parse(internal_error().body),
            json::parse(R"({"error":"Internal server error","code":"internal-error","details":[]})"));
}

}  // namespace
}  // namespace agentctl
