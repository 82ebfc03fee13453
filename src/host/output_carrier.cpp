#include "host/output_carrier.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace agentctl {
namespace {

// What a pipe holds at most, unless somebody made it larger.
constexpr std::size_t chunk_size = 64u << 10;

}  // namespace

OutputCarrier::~OutputCarrier() { forget(); }

void OutputCarrier::add_file(OutputStream stream, const std::string& path, std::uint64_t limit) {
  auto file = std::make_shared<OutputFile>(path, limit);
  for (const Source& other : sources_)
    if (other.file && other.file->is_same_file(*file)) file = other.file;
  source(stream).file = std::move(file);
}

void OutputCarrier::watch(OutputStream stream, Fd reader) {
  ::fcntl(reader.get(), F_SETFL, O_NONBLOCK);
  source(stream).reader = std::move(reader);
  loop_.watch(source(stream).reader.get(), POLLIN, [this, stream](short) { read_some(stream, chunk_size); });
}

void OutputCarrier::regulate(bool hold) {
  const bool pause = hold || !journal_.has_room();
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
  if (from.file) from.file->append(bytes, [&](std::string notice) { journal_.add_notice(std::move(notice), time); });
  // Who follows gets it before the journal's work begins.
  if (listener_) listener_(read_position_, stream, time, bytes);
  read_position_.advance(stream, bytes);
  journal_.add(stream, bytes, time, std::chrono::steady_clock::now());
}

void OutputCarrier::drain() {
  for (const OutputStream stream : output_streams) {
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
