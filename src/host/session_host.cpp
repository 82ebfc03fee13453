#include "host/session_host.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "domain/end_of_session.hpp"
#include "domain/naming.hpp"
#include "host/command.hpp"

namespace agentctl {
namespace {

using std::chrono::steady_clock;

constexpr int host_failed = 125;
constexpr std::chrono::seconds start_error_limit{1};
constexpr std::chrono::seconds lost_note_interval{1};
constexpr std::chrono::minutes expiry_margin{1};
constexpr std::chrono::minutes ready_margin{1};
// systemd sends SIGTERM and SIGCONT one after the other; this much may be between them on a host that hardly moves.
constexpr std::chrono::seconds stop_signals_limit{10};

struct Pipe {
  Fd reader;
  Fd writer;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw system_error("cannot make a pipe", {}, errno);
  return {Fd(ends[0]), Fd(ends[1])};
}

std::string describe_end(int status) {
  if (WIFEXITED(status)) return "exited with status " + std::to_string(WEXITSTATUS(status));
  return "was killed by " + signal_name(WTERMSIG(status)) + (WCOREDUMP(status) ? " and dumped core" : "");
}

std::optional<Monotonic> earlier(std::optional<Monotonic> a, std::optional<Monotonic> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

}  // namespace

SessionHost::SessionHost(HostConfig config)
    : config_(std::move(config)),
      notifier_(config_.notify_socket),
      journal_(loop_, config_.journal_socket, config_.journal),
      carrier_(loop_, journal_),
      control_(loop_, {.extend = [this](microseconds span) { return extend(span); },
                       .set_stop_timeout = [this](microseconds span) { set_stop_timeout(span); },
                       .follow = [this] { return describe_follow(); },
                       .unsent = [this] { return journal_.unsent(); }}),
      health_(loop_, config_.runtime_dir, config_.libexec_dir,
              {.healthy = [this] { become_ready(); },
               .unhealthy = [this](const std::string& reason, bool is_final) { become_unhealthy(reason, is_final); },
               .status = [this](const std::string& text) { notifier_.status(text); }}) {
  note_.invocation_id = config_.invocation_id;
}

int SessionHost::run() {
  try {
    if (const auto status = start()) return *status;
  } catch (const std::exception& error) {
    return fail_start(error.what(), host_failed);
  }
  // The launch may have been large; without this, what it took stays ours.
  ::malloc_trim(0);
  while (!is_ending_) step({});
  wait_for_journald();
  wait_for_followers();
  if (journal_.lost_lines() != note_.log_lost) save_note();
  return is_child_ ? 0 : end_like_command();
}

// The exit status, when there is nothing to run.
std::optional<int> SessionHost::start() {
  block_signals();
  const auto text = read_file(config_.runtime_dir + "/" + launch_file, launch_size_limit);
  if (!text) return fail_start("the launch was withdrawn", host_failed);
  Launch launch = parse_launch(*text);
  const SessionRequest& request = launch.record.request;
  if (request.command.empty()) return fail_start("there is no command", host_failed);
  unit_stop_timeout_ = request.stop_timeout;
  ::umask(static_cast<mode_t>(launch.umask));
  LogOrigin origin{.session = launch.record.id,
                   .name = request.name,
                   .project = request.project,
                   .invocation = config_.invocation_id,
                   .identifier = base_name(request.command[0]),
                   .pid = 0};
  journal_.set_origin(origin);
  if (!request.stdout_file.empty()) carrier_.add_file(OutputStream::out, request.stdout_file, request.log_max);
  if (!request.stderr_file.empty()) carrier_.add_file(OutputStream::err, request.stderr_file, request.log_max);
  if (!wait_for_turn()) return 0;
  // From now on the command may run, also when nobody lives to tell: it must not be taken for one that never began.
  if (can_be_queued(launch.record)) save_note();
  Fd log;
  if (request.health) {
    check_ = request.health;
    health_.prepare(launch);
    if (check_->kind == HealthKind::log) log = control_.add_follower();
  }
  if (const int status = start_command_of(launch); status != 0) return status;
  origin.pid = command_;
  journal_.set_origin(origin);
  // The note comes first, so that who waited for the start finds it, and the socket too, so that nobody need retry.
  note_.pid = command_;
  note_.started_at = now();
  save_note();
  listen_for_clients();
  status_ = to_printable(origin.identifier) + " (pid " + std::to_string(command_) + ")";
  if (request.health)
    begin_health_check(launch, std::move(log));
  else
    become_ready();
  return std::nullopt;
}

void SessionHost::begin_health_check(const Launch& launch, Fd log) {
  const SessionRequest& request = launch.record.request;
  const Monotonic began = steady_clock::now();
  // A service of a file without an interval has one of 1 s (agentctl-services(5)); what `run` is told is exact.
  const microseconds interval = check_->interval.value_or(std::chrono::seconds(request.spec_digest.empty() ? 0 : 1));
  ready_due_ = began + std::max(check_->timeout, interval);
  // systemd's own limits would count from the readiness on, and until it is there end the start.
  if (!expiry_ && request.ttl && *request.ttl < std::chrono::hours(24 * 365)) expiry_ = began + *request.ttl;
  notifier_.extend_timeout(std::chrono::ceil<microseconds>(*ready_due_ - began) + ready_margin);
  notifier_.status(status_ + " is not healthy yet");
  health_.begin(launch, std::move(log));
}

void SessionHost::become_ready() {
  if (!check_ || !note_.ready_at) {
    ready_due_.reset();
    if (check_) {
      note_.ready_at = now();
      save_note();
    }
    notifier_.ready(status_);
    // systemd counts the limit that the unit was made with from here on: ours comes first, also when it was extended.
    if (expiry_)
      notifier_.extend_timeout(std::chrono::ceil<microseconds>(*expiry_ - steady_clock::now()) + expiry_margin);
  } else {
    notifier_.status(status_);
  }
}

void SessionHost::become_unhealthy(const std::string& reason, bool is_final) {
  if (!note_.ready_at) {
    if (is_final) end_as_unhealthy(reason);
    return;
  }
  notifier_.status(status_ + " is unhealthy: " + reason);
  if (check_->when_unhealthy != WhenUnhealthy::report) end_as_unhealthy("unhealthy: " + reason);
}

void SessionHost::miss_readiness() {
  ready_due_.reset();
  const std::string error = health_.last_error();
  end_as_unhealthy(not_healthy_within(check_->timeout) + (error.empty() ? "" : ": " + error));
}

void SessionHost::end_as_unhealthy(const std::string& reason) {
  if (!is_running_ || !note_.unhealthy.empty() || note_.terminated_at) return;
  note_.unhealthy = reason;
  save_note();
  journal_.add_notice("agentctl: " + reason, now());
  notifier_.extend_timeout(std::min<microseconds>(unit_stop_timeout_, std::chrono::hours(24)) + ready_margin);
  end_command();
}

// An attempt that follows a failed one starts later. False when it was to be stopped meanwhile.
bool SessionHost::wait_for_turn() {
  const auto text = read_file(config_.runtime_dir + "/" + attempt_plan_file, host_note_size_limit);
  if (!text) return true;
  const AttemptPlan plan = parse_attempt_plan(*text);
  const auto from_now = [](TimePoint time) {
    return std::clamp<microseconds>(time - now(), microseconds(0), std::chrono::hours(24 * 365));
  };
  if (plan.expires_at) expiry_ = steady_clock::now() + from_now(*plan.expires_at);
  const microseconds delay = from_now(plan.not_before);
  if (delay.count() == 0) return true;
  constexpr std::chrono::seconds start_margin{60};
  notifier_.extend_timeout(delay + start_margin);
  notifier_.status("waits for its next attempt");
  const Monotonic turn = steady_clock::now() + delay;
  while (steady_clock::now() < turn && !note_.terminated_at) loop_.run_once(turn);
  return !note_.terminated_at;
}

int SessionHost::start_command_of(const Launch& launch) {
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null) throw system_error("cannot open", "/dev/null", errno);
  const auto started = start_command(launch, {.in = null.get(), .out = out.writer.get(), .err = err.writer.get()});
  if (const auto* error = std::get_if<StartError>(&started)) return fail_start(error->text, error->status);
  command_ = std::get<pid_t>(started);
  is_running_ = true;
  carrier_.set_listener([this](const LogPosition& position, OutputStream stream, TimePoint time,
                               std::string_view bytes) { control_.publish(position, stream, time, bytes); });
  carrier_.watch(OutputStream::out, std::move(out.reader));
  carrier_.watch(OutputStream::err, std::move(err.reader));
  return 0;
}

int SessionHost::fail_start(const std::string& text, int status) {
  note_.start_error = text;
  note_.start_status = status;
  save_note();
  if (!journal_.has_origin()) return status;
  journal_.add_notice("agentctl: " + text, now());
  journal_.finish({}, now(), steady_clock::now());
  const Monotonic limit = steady_clock::now() + start_error_limit;
  while (!journal_.is_finished() && steady_clock::now() < limit) step(limit);
  return status;
}

// All of them, so that none can end us; but for these three they mean nothing to us. What we do about them happens in
// the loop.
void SessionHost::block_signals() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  sigset_t handled;
  ::sigemptyset(&handled);
  ::sigaddset(&handled, SIGCHLD);
  ::sigaddset(&handled, SIGTERM);
  ::sigaddset(&handled, SIGCONT);
  signals_.reset(::signalfd(-1, &handled, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signals_) throw system_error("cannot watch signals", {}, errno);
  loop_.watch(signals_.get(), POLLIN, [this](short) { handle_signals(); });
}

void SessionHost::listen_for_clients() {
  try {
    control_.listen(config_.runtime_dir + "/" + control_socket);
  } catch (const Error& error) {
    // The session is worth more than live following and `extend`.
    journal_.add_notice(std::string("agentctl: there is no control socket: ") + error.what(), now());
  }
}

void SessionHost::step(std::optional<Monotonic> until) {
  try {
    loop_.run_once(earlier(until, next_deadline()));
    const Monotonic now = steady_clock::now();
    if (expiry_ && now >= *expiry_) expire();
    if (ready_due_ && now >= *ready_due_) miss_readiness();
    if (command_kill_due_ && now >= *command_kill_due_) {
      command_kill_due_.reset();
      if (is_running_) ::kill(command_, SIGKILL);
    }
    health_.act(now);
    if (kill_due_ && now >= *kill_due_) {
      journal_.hurry(config_.last_interval);
      kill_due_.reset();
    }
    journal_.pump(now);
    // Output that outran the probe that waits for a line of it could not be searched. It has until the deadline.
    carrier_.regulate(ready_due_ && control_.is_own_follower_behind());
    note_lost_lines(now);
    if (command_ != 0 && !is_running_ && !is_ending_ && carrier_.is_at_end()) begin_end();
  } catch (const std::exception&) {
    // Out of memory or descriptors: that may pass, and the command must not die of it. No faster than this, though.
    ::poll(nullptr, 0, 100);
  }
}

std::optional<Monotonic> SessionHost::next_deadline() const {
  const auto note_due = lost_noted_at_ && journal_.lost_lines() != note_.log_lost
                            ? std::optional(*lost_noted_at_ + lost_note_interval)
                            : std::nullopt;
  const auto ending = earlier(expiry_, earlier(kill_due_, command_kill_due_));
  const auto health = earlier(ready_due_, health_.due());
  return earlier(earlier(ending, health), earlier(journal_.due(), note_due));
}

void SessionHost::handle_signals() {
  bool child_ended = false;
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      child_ended = true;
    } else if (static_cast<pid_t>(info.ssi_pid) == ::getppid()) {
      // Anybody may send those; only our parent, the manager, means that the unit is to stop.
      hear_manager(static_cast<int>(info.ssi_signo));
    }
  }
  if (!child_ended) return;
  reap_command();
  health_.reap();
}

// The manager also sends us what somebody asks it to send to the unit ("systemctl kill", "agentctl kill"), and then
// the session may live on. To stop a unit it always sends SIGCONT right after SIGTERM (systemd.kill(5), KillSignal=),
// and both to us before any to the command.
void SessionHost::hear_manager(int signal) {
  const Monotonic now = steady_clock::now();
  if (signal == SIGTERM) sigterm_at_ = now;
  if (signal == SIGCONT && sigterm_at_ && now - *sigterm_at_ < stop_signals_limit) note_stop_request();
}

// The command gets its own SIGTERM: systemd kills the whole control group.
void SessionHost::note_stop_request() {
  if (note_.terminated_at || is_child_) return;
  note_.terminated_at = now();
  ready_due_.reset();
  health_.end();
  save_note();
  expect_kill(unit_stop_timeout_);
  if (unit_stop_timeout_ < least_unit_stop_timeout) command_kill_due_ = steady_clock::now() + unit_stop_timeout_;
  if (stop_timeout_.count() > 0) set_stop_timeout(stop_timeout_);
}

bool SessionHost::extend(microseconds span) {
  if (is_child_) return false;
  if (expiry_) expiry_ = std::max(*expiry_, steady_clock::now() + span);
  return notifier_.extend_timeout(span);
}

// First SIGTERM, then, when the stop timeout is over, SIGKILL. What is left in the control group is systemd's to end,
// when we have ended after the command.
void SessionHost::expire() {
  expiry_.reset();
  if (!is_running_ || !note_.unhealthy.empty()) return;
  note_.expired = true;
  save_note();
  end_command();
}

void SessionHost::end_command() {
  ready_due_.reset();
  health_.end();
  ::kill(command_, SIGTERM);
  expect_kill(unit_stop_timeout_);
  command_kill_due_ = steady_clock::now() + std::min<microseconds>(unit_stop_timeout_, std::chrono::hours(24));
}

void SessionHost::set_stop_timeout(microseconds span) {
  stop_timeout_ = span;
  if (!note_.terminated_at || is_child_ || span.count() == 0) return;
  notifier_.extend_timeout(span);
  if (command_kill_due_) command_kill_due_ = steady_clock::now() + std::min<microseconds>(span, std::chrono::hours(24));
  expect_kill(std::max(span, unit_stop_timeout_));
}

// What waits here for its turn when SIGKILL comes is lost.
void SessionHost::expect_kill(microseconds timeout) {
  journal_.hurry(config_.hurried_interval);
  // An hour is as good as never, and keeps "infinity" from overflowing.
  kill_due_ = steady_clock::now() + std::min<microseconds>(timeout, std::chrono::hours(1)) - config_.hurried_interval;
}

void SessionHost::reap_command() {
  if (!is_running_ || ::waitpid(command_, &command_status_, WNOHANG) != command_) return;
  is_running_ = false;
  ready_due_.reset();
  health_.end();
  note_exit(command_status_);
  carrier_.drain();
  if (!carrier_.is_at_end()) leave_leftovers_to_child();
}

void SessionHost::note_exit(int status) {
  note_.exited_at = now();
  if (WIFEXITED(status)) note_.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) note_.exit_signal = WTERMSIG(status);
  note_.core_dumped = WIFSIGNALED(status) && WCOREDUMP(status);
  save_note();
}

// Processes that the command left behind still hold the pipes. The unit ends with the command, so we do too, and
// they are terminated; what they say until then is carried by a child, which is killed last of all together with them.
void SessionHost::leave_leftovers_to_child() {
  const pid_t child = ::fork();
  if (child == 0) {
    is_child_ = true;
    journal_.continue_in_child();
    if (!note_.terminated_at) expect_kill(unit_stop_timeout_);
    return;
  }
  carrier_.forget();
  // Without a child (TasksMax=) the last words are lost, but not what was read before.
  if (child < 0) return;
  control_.close();
  journal_.leave_rest_to_child(steady_clock::now());
  is_ending_ = true;
}

void SessionHost::begin_end() {
  is_ending_ = true;
  journal_.finish(describe_end(command_status_), now(), steady_clock::now());
  control_.publish_end();
}

void SessionHost::wait_for_journald() {
  const Monotonic limit = steady_clock::now() + config_.end_limit;
  while (!journal_.is_finished() && steady_clock::now() < limit) step(limit);
  if (!journal_.is_finished()) journal_.give_up(steady_clock::now());
}

void SessionHost::wait_for_followers() {
  const Monotonic limit = steady_clock::now() + config_.follower_limit;
  while (!control_.is_flushed() && steady_clock::now() < limit) step(limit);
}

int SessionHost::end_like_command() {
  // SIGTERM would count as a success.
  if (!note_.unhealthy.empty()) return host_failed;
  if (WIFEXITED(command_status_)) return WEXITSTATUS(command_status_);
  const int signal = WTERMSIG(command_status_);
  // The command may have left a core; ours would tell nothing. A core_pattern that is a pipe ignores the limit.
  const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::prctl(PR_SET_DUMPABLE, 0);
  ::signal(signal, SIG_DFL);
  sigset_t only;
  ::sigemptyset(&only);
  ::sigaddset(&only, signal);
  ::kill(::getpid(), signal);
  ::sigprocmask(SIG_UNBLOCK, &only, nullptr);
  return 128 + signal;
}

control::Following SessionHost::describe_follow() const {
  return {.position = journal_.sent_position(), .pid = command_, .invocation = config_.invocation_id};
}

void SessionHost::note_lost_lines(Monotonic now) {
  if (journal_.lost_lines() == note_.log_lost) return;
  if (lost_noted_at_ && now - *lost_noted_at_ < lost_note_interval) return;
  lost_noted_at_ = now;
  save_note();
}

void SessionHost::save_note() noexcept {
  try {
    note_.log_lost = journal_.lost_lines();
    write_file(config_.runtime_dir + "/" + host_note_file, to_json(note_));
  } catch (const std::exception&) {
    // A note that cannot be written (the folder is gone, the tmpfs is full) must not cost the session.
  }
}

}  // namespace agentctl
