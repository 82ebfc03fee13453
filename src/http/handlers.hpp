#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "domain/session_view.hpp"
#include "http/routes.hpp"

// The functions behind the table in routes.cpp. Included by .cpp files of this folder only.

namespace agentctl {

Answer get_managed_list(const Backend& backend, const Request& request);
Answer get_managed(const Backend& backend, const Request& request);
Answer kill_managed(const Backend& backend, const Request& request);
Answer restart_managed(const Backend& backend, const Request& request);
Answer stream_managed_log(const Backend& backend, const Request& request);

Answer get_sessions(const Backend& backend, const Request& request);
Answer get_session(const Backend& backend, const Request& request);
Answer stop_one(const Backend& backend, const Request& request);
Answer restart_one(const Backend& backend, const Request& request);
Answer extend_one(const Backend& backend, const Request& request);
Answer kill_one(const Backend& backend, const Request& request);
Answer stream_session_log(const Backend& backend, const Request& request);
Answer stream_events(const Backend& backend, const Request& request);
Answer get_metrics(const Backend& backend, const Request& request);

// What several of them share; all throw Refused.

/// The body as an object with no other members than these; an empty body is an object without any.
boost::json::object body_of(const Request& request, std::initializer_list<std::string_view> members);
/// A member that is a line of text of at most so many bytes; empty when it is not there.
std::string text_member(const boost::json::object& body, std::string_view member, std::size_t limit = 256);
/// The project that the query names, if it is one's name at all; empty when it names none.
std::string project_of(const Request& request);
/// The arguments of a call of agentctl.
std::vector<std::string> call(const Backend& backend, std::initializer_list<std::string> words);
/// How much ?tail= asks for; to be read before anything is looked for.
std::int64_t tail_of(const Request& request);
/// The call that streams a session's output, first so many bytes of what there is.
ChildStream log_stream(const Backend& backend, const Session& session, std::int64_t tail);
/// A list of sessions; a 304 when the client has it. `tagged` is what its entity tag is made of.
Response list_response(const Request& request, const std::string& items, const std::string& tagged);
/// The session that such a call has printed.
boost::json::object session_of(const ChildResult& result);

}  // namespace agentctl
