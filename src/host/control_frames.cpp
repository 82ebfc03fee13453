#include "host/control_frames.hpp"

#include <type_traits>
#include <utility>

namespace agentctl::control {
namespace {

enum class Type : std::uint8_t {
  hello = 1,
  extend = 2,
  set_stop_timeout = 3,
  follow = 4,
  welcome = 65,
  done = 66,
  failure = 67,
  following = 68,
  output = 69,
  end = 70,
  overrun = 71,
};

template <typename T>
void append_number(std::string& buffer, T number) {
  auto bits = static_cast<std::make_unsigned_t<T>>(number);
  for (std::size_t i = 0; i < sizeof(T); ++i) buffer += static_cast<char>(bits >> (8 * i) & 0xff);
}

void append_position(std::string& buffer, const LogPosition& position) {
  for (const StreamPosition& stream : {position.out, position.err}) {
    append_number(buffer, stream.bytes);
    append_number(buffer, stream.lines);
  }
}

/// Takes a frame's fields off its front; what is missing makes it broken.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <typename T>
  T number() {
    std::make_unsigned_t<T> bits = 0;
    if (bytes_.size() < sizeof(T)) {
      broken_ = true;
      bytes_ = {};
      return 0;
    }
    for (std::size_t i = 0; i < sizeof(T); ++i)
      bits |=
          static_cast<decltype(bits)>(static_cast<decltype(bits)>(static_cast<unsigned char>(bytes_[i])) << (8 * i));
    bytes_.remove_prefix(sizeof(T));
    return static_cast<T>(bits);
  }

  // Spans and times go the way of every number that somebody else made up: bounded, so that sums cannot overflow.
  microseconds span() {
    const auto value = number<std::uint64_t>();
    if (value >= (std::uint64_t{1} << 62)) broken_ = true;
    return microseconds(broken_ ? 0 : static_cast<std::int64_t>(value));
  }

  LogPosition position() {
    LogPosition position;
    for (StreamPosition* stream : {&position.out, &position.err}) {
      stream->bytes = number<std::uint64_t>();
      stream->lines = number<std::uint64_t>();
      if (stream->bytes >= (std::uint64_t{1} << 60) || stream->lines > stream->bytes) broken_ = true;
    }
    return position;
  }

  std::string rest() { return std::string(std::exchange(bytes_, {})); }
  void fail() noexcept { broken_ = true; }
  /// Whether the frame was just what its type says.
  bool is_done() const noexcept { return !broken_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool broken_ = false;
};

Frame read_output(Reader& reader) {
  Output frame;
  frame.output.position = reader.position();
  const auto stream = reader.number<std::uint8_t>();
  if (stream > 1) reader.fail();
  frame.output.stream = stream == 1 ? OutputStream::err : OutputStream::out;
  frame.output.time = TimePoint(reader.span());
  frame.output.bytes = reader.rest();
  return frame;
}

Frame read_following(Reader& reader) {
  Following frame;
  frame.position = reader.position();
  frame.pid = reader.number<std::int32_t>();
  frame.invocation = reader.rest();
  return frame;
}

Frame read_fields(std::uint8_t type, Reader& reader) {
  switch (static_cast<Type>(type)) {
    case Type::hello: return Hello{reader.number<std::uint32_t>()};
    case Type::extend: return Extend{reader.span()};
    case Type::set_stop_timeout: return SetStopTimeout{reader.span()};
    case Type::follow: return Follow{};
    case Type::welcome: return Welcome{reader.number<std::uint32_t>()};
    case Type::done: return Done{};
    case Type::failure: return Failure{reader.rest()};
    case Type::following: return read_following(reader);
    case Type::output: return read_output(reader);
    case Type::end: return End{};
    case Type::overrun: return Overrun{};
  }
  reader.rest();
  return Unknown{type};
}

/// Appends one frame's type and fields.
struct Writer {
  std::string& buffer;

  void type(Type type) const { append_number(buffer, static_cast<std::uint8_t>(type)); }
  void operator()(const Hello& frame) const {
    type(Type::hello);
    append_number(buffer, frame.version);
  }
  void operator()(const Extend& frame) const {
    type(Type::extend);
    append_number(buffer, frame.span.count());
  }
  void operator()(const SetStopTimeout& frame) const {
    type(Type::set_stop_timeout);
    append_number(buffer, frame.span.count());
  }
  void operator()(const Follow&) const { type(Type::follow); }
  void operator()(const Welcome& frame) const {
    type(Type::welcome);
    append_number(buffer, frame.version);
  }
  void operator()(const Done&) const { type(Type::done); }
  void operator()(const Failure& frame) const {
    type(Type::failure);
    buffer += frame.text;
  }
  void operator()(const Following& frame) const {
    type(Type::following);
    append_position(buffer, frame.position);
    append_number(buffer, static_cast<std::int32_t>(frame.pid));
    buffer += frame.invocation;
  }
  void operator()(const Output& frame) const {
    write_output(frame.output.position, frame.output.stream, frame.output.time, frame.output.bytes);
  }
  void operator()(const End&) const { type(Type::end); }
  void operator()(const Overrun&) const { type(Type::overrun); }
  void operator()(const Unknown& frame) const { append_number(buffer, frame.type); }

  void write_output(const LogPosition& position, OutputStream stream, TimePoint time, std::string_view bytes) const {
    type(Type::output);
    append_position(buffer, position);
    append_number(buffer, static_cast<std::uint8_t>(stream == OutputStream::err ? 1 : 0));
    append_number(buffer, time.time_since_epoch().count());
    buffer += bytes;
  }
};

// Calls `write`, and puts the length of what it appended before it.
template <typename Write>
void append_with_length(std::string& buffer, const Write& write) {
  const std::size_t start = buffer.size();
  append_number(buffer, std::uint32_t{0});
  write();
  std::string length;
  append_number(length, static_cast<std::uint32_t>(buffer.size() - start - sizeof(std::uint32_t)));
  buffer.replace(start, length.size(), length);
}

}  // namespace

void append_frame(std::string& buffer, const Frame& frame) {
  append_with_length(buffer, [&] { std::visit(Writer{buffer}, frame); });
}

void append_output(std::string& buffer, const LogPosition& position, OutputStream stream, TimePoint time,
                   std::string_view bytes) {
  append_with_length(buffer, [&] { Writer{buffer}.write_output(position, stream, time, bytes); });
}

std::optional<Frame> FrameReader::next() {
  if (broken_) return std::nullopt;
  const std::string_view unread = std::string_view(buffer_).substr(used_);
  const std::size_t length = unread.size() < 4 ? 0 : Reader(unread).number<std::uint32_t>();
  if (unread.size() >= 4 && (length == 0 || length > limit_)) broken_ = true;
  if (broken_ || unread.size() < 4 || unread.size() - 4 < length) {
    // Only now is what was read dropped, so that many small frames are not moved once each.
    buffer_.erase(0, std::exchange(used_, 0));
    return std::nullopt;
  }
  Reader reader(unread.substr(5, length - 1));
  Frame frame = read_fields(static_cast<std::uint8_t>(unread[4]), reader);
  used_ += 4 + length;
  if (reader.is_done()) return frame;
  broken_ = true;
  return std::nullopt;
}

}  // namespace agentctl::control
