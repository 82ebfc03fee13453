#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "domain/log_entry.hpp"

namespace agentctl {

/// What goes over a session's control socket: frames of a length (32 bits, of what follows it), a type (8 bits) and the
/// type's fields. All numbers are little-endian; a text or byte string is the rest of its frame. A type that the other
/// side does not know is answered by a failure, not by closing, so that either side can be the newer one; the version
/// changes only when an old frame gets another meaning.
namespace control {

inline constexpr std::uint32_t version = 1;

// The client's. The first one must be a Hello.
struct Hello {
  std::uint32_t version = control::version;
};
/// Move the session's end to at least so long from now.
struct Extend {
  microseconds span{};
};
/// When the session is stopped, give it at least so long before SIGKILL; 0: as its unit says.
struct SetStopTimeout {
  microseconds span{};
};
/// Send what the command writes from now on. Answered by Following, then Outputs, then End or Overrun.
struct Follow {};

// The host's.
struct Welcome {
  std::uint32_t version = control::version;
};
struct Done {};
struct Failure {
  std::string text;
};
/// What comes before `position` is in the journal, or on its way there; what comes after follows here.
struct Following {
  LogPosition position;
  pid_t pid = 0;
  std::string invocation;
};
struct Output {
  LogOutput output;
};
/// The command has ended and all of its output has been sent.
struct End {};
/// This client was too slow; the rest is in the journal.
struct Overrun {};

/// A frame of a type that this version does not know.
struct Unknown {
  std::uint8_t type = 0;
};

using Frame = std::variant<Hello, Extend, SetStopTimeout, Follow, Welcome, Done, Failure, Following, Output, End,
                           Overrun, Unknown>;

/// What one frame may hold at most behind its length; an Output with more bytes must be cut by the sender.
inline constexpr std::size_t output_limit = 64u << 10;
inline constexpr std::size_t frame_limit = output_limit + 64;
/// The same for what a client sends.
inline constexpr std::size_t request_limit = 4096;

void append_frame(std::string& buffer, const Frame& frame);
/// An Output without a copy of its bytes before.
void append_output(std::string& buffer, const LogPosition& position, OutputStream stream, TimePoint time,
                   std::string_view bytes);

/// Cuts a stream of bytes into frames.
class FrameReader {
 public:
  explicit FrameReader(std::size_t limit) : limit_(limit) {}

  void feed(std::string_view bytes) { buffer_ += bytes; }
  /// The next whole frame. Nothing when there is none, and for ever when the other side does not keep to the rules.
  std::optional<Frame> next();
  bool is_broken() const noexcept { return broken_; }
  /// Bytes of a frame that is not whole yet.
  std::size_t pending() const noexcept { return buffer_.size() - used_; }

 private:
  std::size_t limit_;
  std::string buffer_;
  std::size_t used_ = 0;
  bool broken_ = false;
};

}  // namespace control
}  // namespace agentctl
