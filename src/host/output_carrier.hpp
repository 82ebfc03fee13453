#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "base/fd.hpp"
#include "base/poll_loop.hpp"
#include "host/journal_writer.hpp"
#include "host/output_file.hpp"

namespace agentctl {

/// Carries what the command writes from its pipes to the journal, to the files that were asked for, and to whoever
/// follows live. It does not know the command.
class OutputCarrier {
 public:
  /// Called with each piece as soon as it has been read; the position is that of what came before.
  using Listener = std::function<void(const LogPosition&, OutputStream, TimePoint, std::string_view)>;

  OutputCarrier(PollLoop& loop, JournalWriter& journal) : loop_(loop), journal_(journal) {}
  ~OutputCarrier();
  OutputCarrier(const OutputCarrier&) = delete;
  OutputCarrier& operator=(const OutputCarrier&) = delete;

  /// The stream's bytes are also appended to this file from now on; throws Error when it cannot be opened. Both streams
  /// may have the same. `limit`: see OutputFile.
  void add_file(OutputStream stream, const std::string& path, std::uint64_t limit);
  void set_listener(Listener listener) { listener_ = std::move(listener); }

  /// Takes over the reading end of a pipe, or later of a terminal.
  void watch(OutputStream stream, Fd reader);
  /// Stops reading while the journal has no room, or `hold` says so, which makes the command wait in its write(2). To
  /// be called after every pump of the journal.
  void regulate(bool hold);

  /// Reads what the pipes hold now, whether the journal has room or not.
  void drain();
  /// Whether every writer has closed its end.
  bool is_at_end() const noexcept { return !sources_[0].reader && !sources_[1].reader; }
  /// Lets go of the pipes.
  void forget();

 private:
  struct Source {
    Fd reader;
    std::shared_ptr<OutputFile> file;
    bool paused = false;
  };

  Source& source(OutputStream stream) noexcept { return sources_[static_cast<std::size_t>(stream)]; }
  bool read_some(OutputStream stream, std::size_t limit);
  void carry(OutputStream stream, std::string_view bytes);
  void close(Source& source);

  PollLoop& loop_;
  JournalWriter& journal_;
  Listener listener_;
  std::array<Source, 2> sources_;
  LogPosition read_position_;
};

}  // namespace agentctl
