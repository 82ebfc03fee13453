#include "app/logs.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <utility>

#include "app/sessions.hpp"
#include "app/wait.hpp"
#include "base/error.hpp"
#include "host/control_client.hpp"

namespace agentctl {
namespace {

using Clock = std::chrono::steady_clock;

// How long journald may take to store what the host has sent it, before what is missing counts as lost.
constexpr auto journal_delay = std::chrono::seconds(10);

void require_log(const Session& session) {
  if (session.record.request.kind == SessionKind::service) return;
  throw Error({.code = ErrorCode::failed,
               .context = "there is no log of session",
               .object = session.record.request.name,
               .reason = "it was started with --scope, so its output went to its own terminal",
               .hint = "agentctl status " + session.record.request.name});
}

/// Holds the last lines back until it is known which are the last, and what is missing between them.
class LastLines {
 public:
  explicit LastLines(const LogOptions& options)
      : limit_(options.lines.value_or(SIZE_MAX)), bytes_limit_(options.bytes) {}

  void add(const LogItem& item) {
    const auto* line = std::get_if<LogLine>(&item);
    if (limit_ == 0 || (line == nullptr && kept_.empty())) return;
    kept_.push_back({item, line != nullptr ? std::string(line->text) : ""});
    if (line == nullptr) return;
    ++lines_;
    bytes_ += size_of(kept_.back());
    while (lines_ > limit_ || (bytes_limit_ && bytes_ - size_of(kept_.front()) >= *bytes_limit_)) drop_first();
  }

  void give(const LogSink& sink) {
    for (Kept& kept : kept_) {
      if (auto* line = std::get_if<LogLine>(&kept.item)) line->text = kept.text;
      sink(kept.item);
    }
    kept_.clear();
  }

 private:
  struct Kept {
    LogItem item;
    std::string text;
  };

  static std::size_t size_of(const Kept& kept) { return kept.text.size() + 1; }

  void drop_first() {
    bytes_ -= size_of(kept_.front());
    do kept_.pop_front();
    while (std::holds_alternative<LogGap>(kept_.front().item));
    --lines_;
  }

  std::size_t limit_;
  std::optional<std::size_t> bytes_limit_;
  std::size_t lines_ = 0;
  std::size_t bytes_ = 0;
  std::deque<Kept> kept_;
};

TimePoint time_of(const LogItem& item) {
  return std::visit([](const auto& kind) { return kind.time; }, item);
}

// A line is of the time at which it began.
LogSink only_wanted(const LogOptions& options, const LogSink& sink) {
  if (!options.stream && !options.since) return sink;
  return [stream = options.stream, since = options.since, sink](const LogItem& item) {
    const auto* line = std::get_if<LogLine>(&item);
    if (stream && line != nullptr && line->stream != *stream) return;
    if (!since || time_of(item) >= *since) sink(item);
  };
}

class LogFollower {
 public:
  LogFollower(Context& context, const Session& session, const LogOptions& options, const LogSink& sink)
      : context_(context),
        session_(session),
        sink_(only_wanted(options, sink)),
        reader_(options.lines || options.bytes || options.since ? LogLineReader::Start::anywhere
                                                                : LogLineReader::Start::beginning),
        source_(context.log.open(session.record.id, session.record.unit, context.scope)) {
    // One line more than is shown: an entry can begin in the middle of the first of them.
    if (options.since)
      source_->seek(*options.since);
    else if (options.lines)
      source_->seek_last(*options.lines + (*options.lines < SIZE_MAX ? 1 : 0), options.stream);
    else if (options.bytes)
      source_->seek_last_bytes(*options.bytes);
  }

  /// All that is stored now, or with `lines` the last of it.
  void replay(const LogOptions& options) {
    if (!options.lines && !options.bytes) {
      read_stored(sink_);
      return;
    }
    LastLines last(options);
    read_stored(only_wanted(options, [&](const LogItem& item) { last.add(item); }));
    last.give(sink_);
  }

  void finish() { reader_.finish(sink_); }

  /// Live output of one attempt; returns when its host is done, or there is none to talk to (any more): whatever it
  /// had to say is in the journal. False when there is one, and it does not answer now.
  bool follow_host(const LogOptions& options) {
    try {
      // Who was too slow reads on in the journal, and then follows again.
      while (follow_live(options) == ControlClient::Stop::overrun) {
      }
      return true;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unreachable && error.code() != ErrorCode::timed_out) throw;
    }
    replay_more(options);
    return false;
  }

  /// What the journal still has after the host is gone.
  void drain(const LogOptions& options) { replay_more(options); }

 private:
  ControlClient::Stop follow_live(const LogOptions& options) {
    auto client = ControlClient::connect(context_.runtime.folder(session_.record.id));
    if (!client) return ControlClient::Stop::end;
    const control::Following from = client->follow();
    catch_up(from, options);
    while (const auto event = client->next(forever)) {
      if (const auto* stop = std::get_if<ControlClient::Stop>(&*event)) return *stop;
      reader_.read(std::get<LogOutput>(*event), sink_);
    }
    return ControlClient::Stop::end;
  }

  void read_stored(const LogSink& sink) {
    while (const auto entry = source_->next()) reader_.read(*entry, sink);
  }

  // With the options the first time, then whatever has come since.
  void replay_more(const LogOptions& options) {
    const bool first = std::exchange(first_, false);
    replay(first ? options : LogOptions{});
    if (first && options.when_replayed) options.when_replayed();
  }

  // Up to where the live output begins. What the host has sent to journald may not be stored yet.
  void catch_up(const control::Following& from, const LogOptions& options) {
    replay_more(options);
    const auto deadline = Clock::now() + journal_delay;
    const bool nothing_before = from.position == LogPosition{};
    while (!nothing_before && !(reader_.invocation() == from.invocation && reader_.has(from.position))) {
      const auto left = std::chrono::duration_cast<microseconds>(deadline - Clock::now());
      if (left <= microseconds(0)) break;
      source_->wait(left);
      read_stored(sink_);
    }
    reader_.begin_attempt(from.invocation, from.pid, sink_);
  }

  Context& context_;
  const Session& session_;
  LogSink sink_;
  LogLineReader reader_;
  std::unique_ptr<LogSource> source_;
  bool first_ = true;
};

}  // namespace

void read_log(Context& context, const Session& session, const LogOptions& options, const LogSink& sink) {
  require_log(session);
  LogFollower follower(context, session, options, sink);
  follower.replay(options);
  follower.finish();
}

void follow_log(Context& context, const Session& session, const LogOptions& options, const LogSink& sink) {
  require_log(session);
  LogFollower follower(context, session, options, sink);
  const auto watch = context.engine.watch({session.record.unit});
  Session current = session;
  if (current.state == State::queued)
    current = wait_for_sessions(context, {session}, WaitFor::ready, std::nullopt).front();
  while (!is_terminal(current.state)) {
    // Its host is done, or not there yet: the unit's next change tells what follows. Nothing tells when one that was
    // paused answers again.
    const bool has_answered = follower.follow_host(options);
    watch->next_change(has_answered ? std::nullopt : std::optional<microseconds>(std::chrono::seconds(1)));
    current = find_by_record(context, session.record);
  }
  follower.drain(options);
  follower.finish();
}

}  // namespace agentctl
