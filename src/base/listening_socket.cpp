#include "base/listening_socket.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstring>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

namespace agentctl {
namespace {

constexpr std::array<unsigned char, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

IpAddress without_mapping(IpAddress address) {
  if (!address.is_v6 || !std::equal(mapped_prefix.begin(), mapped_prefix.end(), address.bytes.begin())) return address;
  IpAddress v4;
  std::copy(address.bytes.begin() + mapped_prefix.size(), address.bytes.end(), v4.bytes.begin());
  return v4;
}

template <class Number>
std::optional<Number> parse(std::string_view text, int base) {
  Number number{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "0100007F:0BB8": the address as the machine's own 32-bit words, each in hexadecimal digits.
std::optional<IpAddress> parse_words(std::string_view text) {
  constexpr std::size_t digits = 8;
  IpAddress address;
  address.is_v6 = text.size() == 4 * digits;
  if (text.size() != digits && !address.is_v6) return std::nullopt;
  for (std::size_t i = 0; i * digits < text.size(); ++i) {
    const auto word = parse<std::uint32_t>(text.substr(i * digits, digits), 16);
    if (!word) return std::nullopt;
    std::memcpy(address.bytes.data() + i * sizeof *word, &*word, sizeof *word);
  }
  // Not without_mapping(): a socket of IPv6 that is bound to ::ffff:127.0.0.1 is told from one of IPv4.
  return address;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::size_t at = line.find_first_not_of(' '); at != std::string_view::npos;
       at = line.find_first_not_of(' ', at)) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

constexpr std::size_t address_word = 1;
constexpr std::size_t state_word = 3;
constexpr std::size_t uid_word = 7;
constexpr std::size_t inode_word = 9;
constexpr std::string_view listen_state = "0A";

std::optional<ListeningSocket> parse_socket(const std::vector<std::string_view>& words) {
  const std::string_view place = words[address_word];
  const auto colon = place.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto address = parse_words(place.substr(0, colon));
  const auto port = parse<std::uint16_t>(place.substr(colon + 1), 16);
  const auto uid = parse<uid_t>(words[uid_word], 10);
  const auto inode = parse<std::uint64_t>(words[inode_word], 10);
  if (!address || !port || !uid || !inode) return std::nullopt;
  return ListeningSocket{.address = *address, .port = *port, .inode = *inode, .uid = *uid};
}

void read_table(const char* path, std::uint16_t port, std::vector<ListeningSocket>& sockets) {
  const Fd fd(::open(path, O_RDONLY | O_CLOEXEC));
  std::string left;
  std::array<char, 16384> chunk{};
  for (bool is_done = false; fd && !is_done;) {
    const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    left.append(chunk.data(), static_cast<std::size_t>(n));
    const std::size_t end = left.rfind('\n') + 1;
    for (const ListeningSocket& socket : parse_listeners(std::string_view(left).substr(0, end), is_done))
      if (socket.port == port) sockets.push_back(socket);
    left.erase(0, end);
  }
}

// How closely a socket's address is the one that is connected to; 0: not at all. As the kernel's lookup scores them.
int closeness(const ListeningSocket& socket, const IpAddress& to) {
  const IpAddress& own = socket.address;
  if (own == to) return 4;
  if (own.is_v6 && !to.is_v6 && without_mapping(own) == to) return 3;
  if (own.is_any() && own.is_v6 == to.is_v6) return 2;
  return own.is_any() && own.is_v6 ? 1 : 0;
}

bool links_to(const std::string& path, const std::string& target) {
  std::array<char, PATH_MAX> link{};
  const ssize_t n = ::readlink(path.c_str(), link.data(), link.size());
  return n > 0 && std::string_view(link.data(), static_cast<std::size_t>(n)) == target;
}

template <class Address>
int bind_error(int family, const Address& address) {
  const Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno;
  const int both = 0;
  if (family == AF_INET6 && ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &both, sizeof both) < 0) return errno;
  return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ? errno : 0;
}

}  // namespace

bool IpAddress::is_any() const noexcept {
  return std::all_of(bytes.begin(), bytes.end(), [](unsigned char byte) { return byte == 0; });
}

std::optional<IpAddress> parse_ip_address(const std::string& text) {
  IpAddress address;
  if (::inet_pton(AF_INET, text.c_str(), address.bytes.data()) == 1) return address;
  address.is_v6 = true;
  if (::inet_pton(AF_INET6, text.c_str(), address.bytes.data()) == 1) return without_mapping(address);
  return std::nullopt;
}

std::string to_string(const IpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(address.is_v6 ? AF_INET6 : AF_INET, address.bytes.data(), text.data(), text.size());
  return text.data();
}

std::vector<ListeningSocket> parse_listeners(std::string_view table, bool& is_done) {
  std::vector<ListeningSocket> sockets;
  while (!table.empty() && !is_done) {
    const std::vector<std::string_view> words = words_of(take_line(table));
    if (words.size() <= inode_word) continue;
    // The title's words are others.
    const bool is_socket = words[state_word].size() == listen_state.size() && words[state_word] != "st";
    if (is_socket && words[state_word] != listen_state) is_done = true;
    if (words[state_word] != listen_state) continue;
    if (const auto socket = parse_socket(words)) sockets.push_back(*socket);
  }
  return sockets;
}

std::vector<ListeningSocket> listeners(std::uint16_t port) {
  std::vector<ListeningSocket> sockets;
  read_table("/proc/net/tcp", port, sockets);
  read_table("/proc/net/tcp6", port, sockets);
  return sockets;
}

std::vector<ListeningSocket> reached_by(const std::vector<ListeningSocket>& sockets, const IpAddress& to) {
  const IpAddress target = without_mapping(to);
  int best = 1;
  for (const ListeningSocket& socket : sockets) best = std::max(best, closeness(socket, target));
  std::vector<ListeningSocket> reached;
  for (const ListeningSocket& socket : sockets)
    if (closeness(socket, target) == best) reached.push_back(socket);
  return reached;
}

std::vector<ListeningSocket> listeners_at(const IpAddress& to, std::uint16_t port) {
  return reached_by(listeners(port), to);
}

bool has_socket(pid_t pid, std::uint64_t inode) {
  const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
  const std::string target = "socket:[" + std::to_string(inode) + "]";
  try {
    for (const std::string& fd : list_directory(folder))
      if (links_to(folder + "/" + fd, target)) return true;
  } catch (const Error&) {
    // Another user's process, or one that is just ending.
  }
  return false;
}

std::vector<pid_t> socket_holders(std::uint64_t inode) {
  std::vector<pid_t> holders;
  for (const std::string& name : list_directory("/proc"))
    if (const auto pid = parse<pid_t>(name, 10); pid && has_socket(*pid, inode)) holders.push_back(*pid);
  return holders;
}

bool can_be_bound(std::uint16_t port) {
  sockaddr_in6 all{};
  all.sin6_family = AF_INET6;
  all.sin6_port = htons(port);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  const int failed = bind_error(AF_INET6, all);
  // Without IPv6.
  if (failed == EAFNOSUPPORT || failed == EADDRNOTAVAIL) return bind_error(AF_INET, v4) == 0;
  return failed == 0;
}

}  // namespace agentctl
