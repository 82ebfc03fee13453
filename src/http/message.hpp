#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "http/target.hpp"

namespace agentctl {

/// What the routes need of a request that has been let in.
struct Request {
  std::string method{};
  RequestTarget target{};
  std::string if_none_match{};
  std::string body{};
};

struct Response {
  int status = 200;
  std::string type = "application/json";
  std::string body{};
  std::vector<std::pair<std::string, std::string>> headers{};
};

/// The bytes of a response. With `head` the body is left out, and its length is told all the same.
std::string to_wire(const Response& response, bool keep_alive, bool head);

/// The bytes before an event stream, which ends with the connection.
std::string event_stream_head();

/// What is wrong with one field of a request; what is empty is left out of the answer.
struct Problem {
  int status = 400;
  std::string_view code;
  std::string error;
  std::string field{};
  std::string expected{};
  std::string rejected_value{};
  std::string hint{};
  std::optional<std::pair<std::int64_t, std::int64_t>> range{};  ///< the least and the largest that would do
  std::vector<std::string> details{};
};

/// {"error": …, "code": …, …, "details": […]}
Response to_response(const Problem& problem);

/// The error's own words; internal_error() where none of them fits.
Response to_response(const Error& error);
/// Of what is this server's own trouble; it says no more.
Response internal_error();

/// The HTTP status that says the same as an exit status.
int status_of(ErrorCode code);

/// Thrown by who reads a request, caught where it was given to its route.
struct Refused {
  Problem problem;
};

}  // namespace agentctl
