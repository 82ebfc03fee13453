#include "host/host_fixture.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/file.hpp"
#include "base/unix_socket.hpp"

namespace agentctl {
namespace {

Fd bind_datagram_socket(const std::string& path) {
  const UnixAddress address(path);
  Fd fd = make_unix_socket(SOCK_DGRAM | SOCK_NONBLOCK);
  if (::bind(fd.get(), address.get(), address.size) < 0) throw std::runtime_error("bind " + path);
  return fd;
}

std::string read_sealed_memfd(int fd) {
  constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  EXPECT_EQ(::fcntl(fd, F_GET_SEALS) & seals, seals) << "journald maps sealed memfds only";
  struct stat status {};
  ::fstat(fd, &status);
  std::string content(static_cast<std::size_t>(status.st_size), '\0');
  EXPECT_EQ(::pread(fd, content.data(), content.size(), 0), status.st_size);
  return content;
}

std::string make_directory() {
  std::string path = "/tmp/agentctl-host-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("mkdtemp");
  return path;
}

}  // namespace

FakeJournald::FakeJournald(std::string path) : path_(std::move(path)) { start(); }

void FakeJournald::start() { socket_ = bind_datagram_socket(path_); }

void FakeJournald::stop() {
  socket_.reset();
  ::unlink(path_.c_str());
}

void FakeJournald::fill_queue() const {
  const UnixAddress address(path_);
  // Each sender's own buffer ends before the queue does, where net.unix.max_dgram_qlen is large.
  for (bool any = true; any;) {
    const Fd sender = make_unix_socket(SOCK_DGRAM | SOCK_NONBLOCK);
    any = false;
    while (::sendto(sender.get(), "#\n", 2, 0, address.get(), address.size) == 2) any = true;
  }
}

bool FakeJournald::receive() {
  bool any = false;
  for (;;) {
    static std::array<char, 256 * 1024> buffer;
    iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t n = socket_ ? ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC) : -1;
    if (n < 0) return any;
    any = true;
    EXPECT_EQ(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC), 0);
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message)) {
      EXPECT_EQ(n, 0) << "journald ignores a descriptor that comes with bytes";
      int received = -1;
      std::memcpy(&received, CMSG_DATA(header), sizeof received);
      const Fd fd(received);
      ++memfds;
      parse(read_sealed_memfd(fd.get()));
    } else {
      parse({buffer.data(), static_cast<std::size_t>(n)});
    }
  }
}

void FakeJournald::parse(std::string_view message) {
  Fields fields;
  while (!message.empty()) {
    const std::size_t newline = message.find('\n');
    ASSERT_NE(newline, std::string_view::npos) << "trailing noise";
    const std::string_view line = message.substr(0, newline);
    message.remove_prefix(newline + 1);
    if (line.starts_with('#')) continue;
    ASSERT_FALSE(line.empty()) << "more than one entry in a message";
    if (const std::size_t equals = line.find('='); equals != std::string_view::npos) {
      fields.emplace(line.substr(0, equals), line.substr(equals + 1));
      continue;
    }
    std::uint64_t length = 0;
    ASSERT_GE(message.size(), sizeof length);
    std::memcpy(&length, message.data(), sizeof length);
    message.remove_prefix(sizeof length);
    ASSERT_LT(length, message.size());
    ASSERT_EQ(message[length], '\n');
    fields.emplace(line, message.substr(0, length));
    message.remove_prefix(length + 1);
  }
  if (fields.empty())
    ++comments;
  else
    entries.push_back(std::move(fields));
}

std::vector<LogEntry> FakeJournald::log() const {
  std::vector<LogEntry> log;
  LogEntryDecoder decoder;
  for (const Fields& fields : entries) {
    for (const auto& [name, value] : fields) decoder.field(name + "=" + value);
    auto entry = decoder.take();
    EXPECT_TRUE(entry);
    if (entry) log.push_back(std::move(*entry));
  }
  return log;
}

std::vector<std::string> FakeJournald::lines() const {
  std::vector<std::string> lines;
  LogLineReader reader(LogLineReader::Start::beginning);
  const LogSink sink = [&](const LogItem& item) {
    if (const auto* gap = std::get_if<LogGap>(&item)) {
      lines.push_back("[" + std::to_string(gap->lines) + " lost]");
    } else {
      const auto& line = std::get<LogLine>(item);
      lines.push_back((line.stream == OutputStream::out ? "o:" : "e:") + std::string(line.text) +
                      (line.ends_with_newline ? "" : "~"));
    }
  };
  for (const LogEntry& entry : log()) reader.read(entry, sink);
  reader.finish(sink);
  return lines;
}

FakeManager::FakeManager(std::string path) : path_(std::move(path)), socket_(bind_datagram_socket(path_)) {}

void FakeManager::receive() {
  std::array<char, 4096> buffer;
  ssize_t n = 0;
  while ((n = ::recv(socket_.get(), buffer.data(), buffer.size(), 0)) >= 0)
    messages.emplace_back(buffer.data(), static_cast<std::size_t>(n));
}

HostTest::HostTest() : directory_(make_directory()), journald(path("journal")), manager(path("notify")) {
  Record& record = launch.record;
  record.id = "abcdefghijkl";
  record.unit = "agentctl-web.service";
  record.created_by.user = "tester";
  record.request.name = "web";
  record.request.cwd = directory_;
  record.boot_id = "b";
  launch.environment = {"PATH=/usr/bin:/bin", "GREETING=hello"};
  launch.registry = "/nowhere";
  set_script("true");
  config.runtime_dir = directory_;
  config.invocation_id = "0123456789abcdef0123456789abcdef";
  config.notify_socket = manager.path();
  config.journal_socket = path("journal");
  for (const char* fifo : {"fifo", "fifo2"}) ::mkfifo(path(fifo).c_str(), 0600);
}

HostTest::~HostTest() {
  if (host > 0) {
    ::kill(host, SIGKILL);
    ::waitpid(host, nullptr, 0);
  }
  std::filesystem::remove_all(directory_);
}

void HostTest::set_script(const std::string& script) {
  launch.executable = "/bin/sh";
  launch.record.request.command = {"sh", "-c", script};
}

void HostTest::let_go(const char* fifo) const { Fd(::open(path(fifo).c_str(), O_WRONLY | O_CLOEXEC)); }

void HostTest::write_launch() const { write_file(path(launch_file), to_json(launch)); }

void HostTest::start_host() {
  host = ::fork();
  ASSERT_GE(host, 0);
  // As systemd starts it: with SIGPIPE ignored. The variables are what must not reach the command.
  if (host != 0) return;
  ::signal(SIGPIPE, SIG_IGN);
  ::setenv("NOTIFY_SOCKET", manager.path().c_str(), 1);
  ::setenv("INVOCATION_ID", "leaked", 1);
  int status = 99;
  try {
    status = SessionHost(config).run();
  } catch (...) {
  }
  ::_exit(status);
}

void HostTest::start_until_ready() {
  write_launch();
  start_host();
  eventually([&] { return is_ready() || note().start_status; }, "READY=1");
  ASSERT_TRUE(is_ready()) << note().start_error;
}

void HostTest::begin_stop() const {
  ::kill(host, SIGTERM);
  ::kill(host, SIGCONT);
}

void HostTest::pump() {
  journald.receive();
  manager.receive();
}

void HostTest::eventually(const std::function<bool()>& condition, const char* what) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  for (;;) {
    pump();
    if (condition()) return;
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "never: " << what;
    ::poll(nullptr, 0, 1);
  }
}

int HostTest::wait_for_end() {
  int status = -1;
  eventually([&] { return ::waitpid(host, &status, WNOHANG) == host; }, "the host's end");
  host = 0;
  pump();
  return status;
}

int HostTest::run_to_end(const std::string& script) {
  set_script(script);
  write_launch();
  start_host();
  return wait_for_end();
}

bool HostTest::is_ready() const {
  return std::any_of(manager.messages.begin(), manager.messages.end(),
                     [](const std::string& message) { return message.starts_with("READY=1\n"); });
}

HostNote HostTest::note() const {
  const auto text = file(host_note_file);
  return text ? parse_host_note(*text) : HostNote{};
}

std::optional<std::string> HostTest::file(const std::string& name) const { return read_file(path(name), 1u << 30); }

}  // namespace agentctl
