#include "host/output_carrier.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include "base/error.hpp"

namespace agentctl {
namespace {

// What a pipe holds at most, unless somebody made it larger.
constexpr std::size_t chunk_size = 64u << 10;

constexpr std::array streams{OutputStream::out, OutputStream::err};

}  // namespace

OutputCarrier::~OutputCarrier() { forget(); }

void OutputCarrier::add_file(OutputStream stream, const std::string& path) {
  // O_NONBLOCK: a FIFO that nobody reads must not hang the session, now or later.
  Fd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0666));
  if (!fd) throw system_error("cannot open the output file", path, errno);
  source(stream).file = std::move(fd);
  source(stream).path = path;
}

void OutputCarrier::watch(OutputStream stream, Fd reader) {
  ::fcntl(reader.get(), F_SETFL, O_NONBLOCK);
  source(stream).reader = std::move(reader);
  loop_.watch(source(stream).reader.get(), POLLIN, [this, stream](short) { read_some(stream, chunk_size); });
}

void OutputCarrier::regulate() {
  const bool pause = !journal_.has_room();
  for (Source& source : sources_) {
    if (!source.reader || source.paused == pause) continue;
    source.paused = pause;
    loop_.set_events(source.reader.get(), pause ? 0 : POLLIN);
  }
}

// False at the end, and when there is nothing to read now.
bool OutputCarrier::read_some(OutputStream stream, std::size_t limit) {
  // Fresh memory each time, of which only the pages that are filled become real, and which goes back after.
  const auto buffer = std::make_unique_for_overwrite<char[]>(chunk_size);
  ssize_t n = -1;
  do n = ::read(source(stream).reader.get(), buffer.get(), std::min(limit, chunk_size));
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    carry(stream, {buffer.get(), static_cast<std::size_t>(n)});
    return true;
  }
  if (n == 0 || errno != EAGAIN) close(source(stream));
  return false;
}

void OutputCarrier::carry(OutputStream stream, std::string_view bytes) {
  const TimePoint time = now();
  Source& from = source(stream);
  if (from.file) append_to_file(from, bytes, time);
  // Who follows gets it before the journal's work begins.
  if (listener_) listener_(read_position_, stream, time, bytes);
  read_position_.advance(stream, bytes);
  journal_.add(stream, bytes, time, std::chrono::steady_clock::now());
}

void OutputCarrier::append_to_file(Source& source, std::string_view bytes, TimePoint time) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(source.file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    // A full disk may have room again later, so every piece is tried; it is said once.
    if (!source.file_failed)
      journal_.add_notice("agentctl: output is missing in '" + source.path +
                              "': " + std::generic_category().message(n < 0 ? errno : ENOSPC),
                          time);
    source.file_failed = true;
    return;
  }
}

void OutputCarrier::drain() {
  for (const OutputStream stream : streams) {
    // Only what is there now: leftover processes may write for ever.
    int held = 0;
    if (!source(stream).reader || ::ioctl(source(stream).reader.get(), FIONREAD, &held) < 0) continue;
    for (auto left = static_cast<std::size_t>(held); left > 0 && source(stream).reader;) {
      const std::size_t before = read_position_.of(stream).bytes;
      if (!read_some(stream, left)) break;
      left -= std::min<std::size_t>(left, read_position_.of(stream).bytes - before);
    }
    // Without writers the end is near: read on to it.
    pollfd state{.fd = source(stream).reader.get(), .events = POLLIN, .revents = 0};
    if (!source(stream).reader || ::poll(&state, 1, 0) < 0 || (state.revents & POLLHUP) == 0) continue;
    while (read_some(stream, chunk_size)) {
    }
  }
}

void OutputCarrier::close(Source& source) {
  loop_.forget(source.reader.get());
  source.reader.reset();
}

void OutputCarrier::forget() {
  for (Source& source : sources_)
    if (source.reader) close(source);
}

}  // namespace agentctl
