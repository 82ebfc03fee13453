#include "bus/private_bus.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <csignal>
#include <stdexcept>

#include "base/fd.hpp"
#include "base/file.hpp"

namespace agentctl {
namespace {

// Everybody may do everything: whoever reaches the socket is the test.
std::string configuration(const std::string& address) {
  return R"(<busconfig>
  <type>session</type>
  <listen>)" +
         address + R"(</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
)";
}

// A value in an address has all but a few characters escaped (D-Bus specification, Server Addresses).
std::string socket_address(const std::string& path) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string address = "unix:path=";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (::isalnum(byte) != 0 || std::string_view("-_/.").find(c) != std::string_view::npos) {
      address += c;
    } else {
      address += {'%', hex[byte >> 4], hex[byte & 15]};
    }
  }
  return address;
}

// The daemon prints its address when it listens.
std::string read_line(int fd) {
  std::string line;
  char c = 0;
  pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
  while (::poll(&waiting, 1, static_cast<int>(std::chrono::milliseconds(patience).count())) == 1) {
    if (::read(fd, &c, 1) != 1 || c == '\n') return line;
    line += c;
  }
  return {};
}

}  // namespace

PrivateBus::PrivateBus(const std::string& folder) : address_(socket_address(folder + "/bus")) {
  make_directories(folder);
  const std::string file = folder + "/bus.conf";
  write_file(file, configuration(address_));
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) < 0) throw std::runtime_error("cannot make a pipe");
  const Fd reader(pipe[0]);
  Fd writer(pipe[1]);
  const std::string config_option = "--config-file=" + file;
  const std::string log_file = folder + "/bus.log";
  const Fd log(::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  const pid_t test = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != test) ::_exit(1);
    ::dup2(writer.get(), STDOUT_FILENO);
    ::dup2(log.get(), STDERR_FILENO);
    ::execlp("dbus-daemon", "dbus-daemon", "--nofork", "--nopidfile", "--nosyslog", "--print-address=1",
             config_option.c_str(), nullptr);
    ::_exit(127);
  }
  writer.reset();
  if (read_line(reader.get()).empty())
    throw std::runtime_error("dbus-daemon does not start: " +
                             read_file(log_file, 1 << 16).value_or("is it installed?"));
}

void PrivateBus::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 1);
  }
  return true;
}

}  // namespace agentctl
