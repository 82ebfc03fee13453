#include "probe/http_check.hpp"

#include <curl/curl.h>

#include <array>
#include <chrono>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "probe/port_owner.hpp"

namespace agentctl {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t body_limit = 64u << 10;
constexpr std::chrono::milliseconds body_time{100};

/// One answer, as far as it has come.
struct Answer {
  bool has_headers = false;
  std::size_t body = 0;
  steady_clock::time_point headers_at{};
  long status = 0;
};

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* to) {
  auto& answer = *static_cast<Answer*>(to);
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) {
    const auto space = line.find(' ');
    answer.status =
        space == std::string_view::npos ? 0 : std::strtol(std::string(line.substr(space + 1)).c_str(), nullptr, 10);
  }
  // Several answers can come one after another: 100 to 199 announce the real one.
  if ((line == "\r\n" || line == "\n") && answer.status >= 200) {
    answer.has_headers = true;
    answer.headers_at = steady_clock::now();
  }
  return line.size();
}

std::size_t take_body(char*, std::size_t size, std::size_t count, void* to) {
  auto& answer = *static_cast<Answer*>(to);
  answer.body += size * count;
  return answer.body > body_limit ? 0 : size * count;
}

// Called at least once a second, and while something comes.
int may_go_on(void* to, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& answer = *static_cast<const Answer*>(to);
  return answer.has_headers && steady_clock::now() - answer.headers_at > body_time ? 1 : 0;
}

template <class Value>
void set(CURL* handle, CURLoption option, Value value) {
  ::curl_easy_setopt(handle, option, value);
}

std::string expected_status(const HealthCheck& check) {
  return check.expect_status == 0 ? "2xx" : std::to_string(check.expect_status);
}

bool is_expected(const HealthCheck& check, long status) {
  return check.expect_status == 0 ? status >= 200 && status < 300 : status == check.expect_status;
}

}  // namespace

HttpCheck::HttpCheck(const HealthCheck& check) : check_(check) {
  ::curl_global_init(CURL_GLOBAL_DEFAULT);
  handle_ = std::shared_ptr<void>(::curl_easy_init(), ::curl_easy_cleanup);
  if (!handle_)
    throw Error({.code = ErrorCode::failed, .context = "cannot use libcurl", .object = {}, .reason = {}, .hint = {}});
}

CheckResult HttpCheck::operator()() {
  CURL* handle = handle_.get();
  Answer answer;
  std::array<char, CURL_ERROR_SIZE> text{};
  const microseconds limit = check_limit(check_);
  ::curl_easy_reset(handle);
  set(handle, CURLOPT_URL, check_.target.c_str());
  set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  set(handle, CURLOPT_PROXY, "");
  set(handle, CURLOPT_NOSIGNAL, 1L);
  set(handle, CURLOPT_FORBID_REUSE, 1L);
  set(handle, CURLOPT_USERAGENT, "agentctl");
  set(handle, CURLOPT_ERRORBUFFER, text.data());
  set(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(limit.count() / 1000));
  set(handle, CURLOPT_HEADERFUNCTION, take_header);
  set(handle, CURLOPT_HEADERDATA, &answer);
  set(handle, CURLOPT_WRITEFUNCTION, take_body);
  set(handle, CURLOPT_WRITEDATA, &answer);
  set(handle, CURLOPT_XFERINFOFUNCTION, may_go_on);
  set(handle, CURLOPT_XFERINFODATA, &answer);
  set(handle, CURLOPT_NOPROGRESS, 0L);
  const CURLcode code = ::curl_easy_perform(handle);
  if (!answer.has_headers) {
    if (code == CURLE_OPERATION_TIMEDOUT)
      return {.error = "http request timeout after " + std::to_string(limit.count() / 1000) + "ms"};
    return {.error =
                std::string("http request error: ") + (text[0] != '\0' ? text.data() : ::curl_easy_strerror(code))};
  }
  if (!is_expected(check_, answer.status))
    return {.error = "http status " + std::to_string(answer.status) + " (expected " + expected_status(check_) + ")"};
  char* address = nullptr;
  long port = 0;
  ::curl_easy_getinfo(handle, CURLINFO_PRIMARY_IP, &address);
  ::curl_easy_getinfo(handle, CURLINFO_PRIMARY_PORT, &port);
  return {.error = address == nullptr ? "" : port_stranger(address, static_cast<std::uint16_t>(port)).value_or("")};
}

}  // namespace agentctl
