#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "app/launch.hpp"
#include "app/name_claim.hpp"
#include "app/queue.hpp"
#include "app/sessions.hpp"
#include "base/error.hpp"
#include "domain/end_of_session.hpp"

namespace agentctl {
namespace {

std::vector<char*> to_pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// The signals that the waiting agentctl handles itself while the child runs.
class HandledSignals {
 public:
  HandledSignals() {
    sigemptyset(&set_);
    for (const int signal : {SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT}) sigaddset(&set_, signal);
    ::sigprocmask(SIG_BLOCK, &set_, &before_);
  }
  ~HandledSignals() {
    // The Ctrl-C that ended the command has come here, too: it was the command's.
    constexpr timespec no_time{};
    while (::sigtimedwait(&set_, nullptr, &no_time) >= 0) {
    }
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  HandledSignals(const HandledSignals&) = delete;
  HandledSignals& operator=(const HandledSignals&) = delete;

  const sigset_t& before() const { return before_; }

  siginfo_t next() const {
    siginfo_t info{};
    while (::sigwaitinfo(&set_, &info) < 0) {
    }
    return info;
  }

 private:
  sigset_t set_{};
  sigset_t before_{};
};

struct Pipe {
  Fd reader;
  Fd writer;
  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw system_error("cannot make", "a pipe", errno);
    reader.reset(ends[0]);
    writer.reset(ends[1]);
  }
};

/// A child that stands still until the scope around it exists, and then becomes the command.
class ScopeChild {
 public:
  ScopeChild(const Launch& launch, const HandledSignals& signals) {
    const std::vector<char*> argv = to_pointers(launch.record.request.command);
    const std::vector<char*> environment = to_pointers(launch.environment);
    pid_ = ::fork();
    if (pid_ < 0) throw system_error("cannot start", launch.executable, errno);
    if (pid_ > 0) return;
    go_.writer.reset();
    char ready = 0;
    if (::read(go_.reader.get(), &ready, 1) != 1) ::_exit(125);
    ::signal(SIGPIPE, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &signals.before(), nullptr);
    int failed = ::chdir(launch.record.request.cwd.c_str()) < 0 ? errno : 0;
    if (failed == 0) {
      ::execve(launch.executable.c_str(), argv.data(), environment.data());
      failed = errno;
    }
    if (::write(failure_.writer.get(), &failed, sizeof failed) < 0) ::_exit(125);
    ::_exit(126);
  }

  ~ScopeChild() {
    if (pid_ <= 0 || reaped_) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ScopeChild(const ScopeChild&) = delete;
  ScopeChild& operator=(const ScopeChild&) = delete;

  pid_t pid() const { return pid_; }

  /// Lets it become the command; returns 0, or the errno of why it could not.
  int release() {
    failure_.writer.reset();
    const char ready = 1;
    if (::write(go_.writer.get(), &ready, 1) < 0) return errno;
    int failed = 0;
    ssize_t n = 0;
    do n = ::read(failure_.reader.get(), &failed, sizeof failed);
    while (n < 0 && errno == EINTR);
    return n == sizeof failed ? failed : 0;
  }

  // A terminal that is closed tells the session's leader alone; the other signals go to the whole foreground job.
  static bool hung_up(const siginfo_t& info) { return info.si_signo == SIGHUP && ::getsid(0) == ::getpid(); }

  /// Waits for its end as the terminal's foreground job: what the terminal sends reaches the child by itself, what
  /// was sent to agentctl alone is passed on. Returns the status of waitpid(2).
  int wait(const HandledSignals& signals) {
    int status = 0;
    for (;;) {
      // Look first: the SIGCHLD may have come before the signals were blocked, or been merged with another.
      if (::waitpid(pid_, &status, WNOHANG) == pid_) break;
      const siginfo_t info = signals.next();
      if (info.si_signo != SIGCHLD && (info.si_code <= 0 || hung_up(info))) ::kill(pid_, info.si_signo);
    }
    reaped_ = true;
    return status;
  }

 private:
  Pipe go_;
  Pipe failure_;
  pid_t pid_ = -1;
  bool reaped_ = false;
};

// How the command has ended is known also when the bus went away meanwhile.
void if_reachable(const std::function<void()>& ask) {
  try {
    ask();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unreachable) throw;
  }
}

EndEvidence evidence_of(int status, HostNote note) {
  EndEvidence evidence;
  evidence.at = *note.exited_at;
  if (WIFSIGNALED(status)) {
    note.exit_signal = WTERMSIG(status);
    note.core_dumped = WCOREDUMP(status);
    evidence.service_result = "signal";
  } else {
    note.exit_code = WEXITSTATUS(status);
    evidence.service_result = note.exit_code == 0 ? "success" : "exit-code";
  }
  evidence.note = std::move(note);
  return evidence;
}

// What a service's recorder gets of systemd. No recorder runs after a scope, but this agentctl keeps it loaded.
EndEvidence with_word_of_systemd(Context& context, const Record& record, EndEvidence evidence) {
  std::optional<UnitDetails> unit;
  if_reachable([&] { unit = context.engine.inspect(record.unit); });
  // A bus that was away has let go of the unit. Who asks for a stop by agentctl writes that down first.
  const bool was_terminated = unit ? unit->ended_after.has_value() : record.stop.has_value();
  if (was_terminated) evidence.note->terminated_at = evidence.at;
  if (!was_terminated || !unit) return evidence;
  // A stop that takes too long has this result as well.
  const bool is_expired = unit->result == "timeout" && record.request.ttl && *unit->ended_after >= *record.request.ttl;
  if (is_expired || unit->result == "oom-kill") {
    evidence.service_result = unit->result;
  } else if (needs_manager_job(record, evidence)) {
    evidence.job = ManagerJob::stop;
    if_reachable([&] {
      if (context.engine.is_shutting_down()) evidence.job = ManagerJob::shutdown;
    });
  }
  return evidence;
}

// Whatever the command left behind in the scope goes with it.
void end_unit(Context& context, const Record& record) {
  if (!inspect_unit(context, record)) return;
  const auto watch = context.engine.watch({record.unit});
  context.engine.stop({record.unit});
  while (inspect_unit(context, record)) watch->next_change(std::nullopt);
}

Record as_recorded(Context& context, const Record& record) {
  return context.registry.find(record.request.name, record.id).value_or(record);
}

Session finish(Context& context, const Record& record, End end) {
  const bool is_ours = context.registry.finish(record, end);
  context.runtime.remove(record.id);
  // Whoever waits for the session looks once more when its unit is unloaded.
  context.engine.release(record.unit);
  Record ended = as_recorded(context, record);
  if (!ended.end) ended.end = std::move(end);
  if (is_ours) follow_end(context, ended);
  return make_session(std::move(ended), {}, std::nullopt);
}

End not_executed(const Launch& launch, int error_number) {
  End end;
  end.state = State::failed;
  end.reason = "cannot run '" + launch.executable + "': " + std::generic_category().message(error_number);
  end.exit.code = error_number == ENOENT && ::access(launch.executable.c_str(), F_OK) < 0 ? 127 : 126;
  end.exit.result = "exit-code";
  end.ended_at = now();
  return end;
}

}  // namespace

Session run_scope_session(Context& context, const PreparedLaunch& prepared, const Tick& tick) {
  // Nobody else could start it: it is never queued for anyone, so this is no session.
  const ClaimedLaunch claimed = std::get<ClaimedLaunch>(claim_launch(context, prepared, tick));
  const Launch& launch = claimed.launch;
  const Record& record = launch.record;
  const HandledSignals signals;
  ScopeChild child(launch, signals);
  UnitSpec spec = prepared.spec;
  spec.processes = {child.pid()};
  const StartResult result = start_claimed(context, record, spec);
  if (!result.started) {
    End end = decide_lost(as_recorded(context, record), std::nullopt, context.boot_id, now());
    if (end.state == State::lost) {
      end.state = State::failed;
      end.reason = "systemd job result '" + result.job_result + "'";
    }
    const std::string reason = end.reason;
    finish(context, record, std::move(end));
    throw Error({.code = ErrorCode::failed,
                 .context = "cannot start session",
                 .object = record.request.name,
                 .reason = reason,
                 .hint = "agentctl status " + record.request.name});
  }
  if (const int failed = child.release(); failed != 0) {
    child.wait(signals);
    end_unit(context, record);
    End end = not_executed(launch, failed);
    const Error error({.code = static_cast<ErrorCode>(*end.exit.code),
                       .context = "cannot start session",
                       .object = record.request.name,
                       .reason = end.reason,
                       .hint = "agentctl status " + record.request.name});
    finish(context, record, std::move(end));
    throw error;
  }
  HostNote note;
  note.pid = child.pid();
  note.started_at = now();
  write_file(claimed.held.folder + "/" + host_note_file, to_json(note));

  const int status = child.wait(signals);
  note.exited_at = now();
  Usage usage;
  if_reachable([&] { usage = context.engine.usage(context.engine.control_group(spec.slice, spec.unit)); });
  const Record asked = as_recorded(context, record);
  End end = decide_end(asked, with_word_of_systemd(context, asked, evidence_of(status, note)));
  if_reachable([&] { end_unit(context, record); });
  end.usage.cpu_ns = usage.cpu_ns;
  end.usage.memory_peak_bytes = usage.memory_peak_bytes;
  return finish(context, record, std::move(end));
}

}  // namespace agentctl
