#include "host/health_watch.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "base/unix_socket.hpp"
#include "host/command.hpp"

namespace agentctl {
namespace {

constexpr std::chrono::seconds retry_delay{1};
constexpr std::size_t longest_report = 4096;
constexpr const char* notify_socket = "notifications";

}  // namespace

HealthWatch::~HealthWatch() { end(); }

void HealthWatch::prepare(Launch& launch) {
  kind_ = launch.record.request.health->kind;
  remove_file(runtime_dir_ + "/" + health_note_file);  // of the attempt before
  if (kind_ != HealthKind::notify) return;
  const std::string path = runtime_dir_ + "/" + notify_socket;
  const UnixAddress address(path);
  remove_file(path);
  notifications_ = make_unix_socket(SOCK_DGRAM | SOCK_NONBLOCK);
  ::fchmod(notifications_.get(), 0600);
  if (::bind(notifications_.get(), address.get(), address.size) < 0)
    throw system_error("cannot listen on", path, errno);
  loop_.watch(notifications_.get(), POLLIN, [this](short) { read_notification(); });
  std::erase_if(launch.environment, [](const std::string& variable) { return variable.starts_with("NOTIFY_SOCKET="); });
  launch.environment.push_back("NOTIFY_SOCKET=" + path);
}

void HealthWatch::begin(const Launch& launch, Fd log) {
  if (kind_ == HealthKind::notify) return;
  log_ = std::move(log);
  const bool http = kind_ == HealthKind::http;
  probe_launch_.executable = libexec_dir_ + (http ? "/probe-http" : "/probe");
  probe_launch_.record.request.command = {probe_launch_.executable, runtime_dir_};
  // A command that is a check runs where the session runs, and sees what it sees. Nothing else of the session's may
  // steer the probe.
  if (kind_ == HealthKind::command) {
    probe_launch_.record.request.cwd = launch.record.request.cwd;
    probe_launch_.environment = launch.environment;
  }
  start_probe();
}

void HealthWatch::end() {
  is_done_ = true;
  retry_at_.reset();
  if (probe_ != 0) ::kill(probe_, SIGTERM);
  log_.reset();
  for (Fd* fd : {&reports_, &notifications_}) {
    if (!*fd) continue;
    loop_.forget(fd->get());
    fd->reset();
  }
}

void HealthWatch::act(Monotonic now) {
  if (!retry_at_ || now < *retry_at_) return;
  retry_at_.reset();
  start_probe();
}

void HealthWatch::reap() {
  int status = 0;
  if (probe_ == 0 || ::waitpid(probe_, &status, WNOHANG) != probe_) return;
  probe_ = 0;
  if (is_done_) return;
  read_probe();
  if (is_done_) return;
  probe_error_ = "its probe has ended with status " +
                 std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  retry_at_ = std::chrono::steady_clock::now() + retry_delay;
}

std::string HealthWatch::last_error() const {
  if (kind_ == HealthKind::notify) return "it has not said READY=1";
  if (!probe_error_.empty()) return probe_error_;
  if (kind_ == HealthKind::log) return "no line of its output matches";
  try {
    if (const auto text = read_file(runtime_dir_ + "/" + health_note_file, host_note_size_limit))
      return parse_health_note(*text).error;
  } catch (const Error&) {
    // The session may write there, too.
  }
  return {};
}

void HealthWatch::start_probe() {
  std::array<int, 2> ends{};
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const bool piped = ::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0;
  Fd reader(piped ? ends[0] : -1);
  const Fd writer(piped ? ends[1] : -1);
  const auto started =
      start_command(probe_launch_, {.in = log_ ? log_.get() : null.get(), .out = writer.get(), .err = null.get()});
  if (const auto* error = std::get_if<StartError>(&started)) {
    probe_error_ = error->text;
    retry_at_ = std::chrono::steady_clock::now() + retry_delay;
    return;
  }
  probe_ = std::get<pid_t>(started);
  probe_error_.clear();
  if (reports_) loop_.forget(reports_.get());
  reports_ = std::move(reader);
  unread_.clear();
  loop_.watch(reports_.get(), POLLIN, [this](short) { read_probe(); });
}

void HealthWatch::read_probe() {
  std::array<char, longest_report> chunk{};
  while (reports_) {
    const ssize_t n = ::read(reports_.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    if (n == 0) {
      loop_.forget(reports_.get());
      reports_.reset();
      return;
    }
    unread_.append(chunk.data(), static_cast<std::size_t>(n));
    while (!is_done_ && unread_.find('\n') != std::string::npos) {
      std::string_view rest = unread_;
      const std::string line(take_line(rest));
      unread_.erase(0, unread_.size() - rest.size());
      hear(line);
    }
    if (unread_.size() > longest_report) unread_.clear();
  }
}

// "healthy", "unhealthy REASON" or "forged REASON" (probe/health_loop.cpp).
void HealthWatch::hear(std::string_view line) {
  const auto space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  const std::string reason =
      to_printable(space == std::string_view::npos ? std::string_view() : line.substr(space + 1));
  if (word == "healthy") {
    if (kind_ == HealthKind::log) end();
    listener_.healthy();
  } else {
    listener_.unhealthy(reason, word == "forged");
  }
}

void HealthWatch::read_notification() {
  std::array<char, longest_report> message{};
  const ssize_t n = ::recv(notifications_.get(), message.data(), message.size(), MSG_DONTWAIT);
  if (n <= 0) return;
  std::string_view text(message.data(), static_cast<std::size_t>(n));
  bool ready = false;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line == "READY=1") ready = true;
    if (line.starts_with("STATUS=")) listener_.status(to_printable(line.substr(7)));
  }
  if (!ready || is_done_) return;
  is_done_ = true;
  const HealthNote note{.healthy = true, .since = now(), .error = {}};
  try {
    write_file(runtime_dir_ + "/" + health_note_file, to_json(note));
  } catch (const Error&) {
    // Its unit is active all the same.
  }
  listener_.healthy();
}

}  // namespace agentctl
