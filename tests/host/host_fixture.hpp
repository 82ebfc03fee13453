#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "domain/launch.hpp"
#include "domain/log_entry.hpp"
#include "host/session_host.hpp"

namespace agentctl {

/// Stands for systemd-journald: takes datagrams and memfds from a socket of its own, and parses them by the rules of
/// systemd.io/JOURNAL_NATIVE_PROTOCOL, strictly.
class FakeJournald {
 public:
  using Fields = std::multimap<std::string, std::string>;

  explicit FakeJournald(std::string path);
  ~FakeJournald() { stop(); }
  void start();
  void stop();
  /// Fills the queue with comments, so that nobody can send until receive().
  void fill_queue() const;
  /// Takes what is there; returns whether it was anything.
  bool receive();

  std::vector<Fields> entries;
  std::size_t memfds = 0;
  std::size_t comments = 0;  ///< messages without an entry

  /// Of the entries so far.
  std::vector<LogEntry> log() const;
  /// The program's lines as a reader gives them: "o:text", "e:text~" without newline, "[2 lost]".
  std::vector<std::string> lines() const;

 private:
  void parse(std::string_view message);

  std::string path_;
  Fd socket_;
};

/// Stands for the service manager: the socket that it puts into NOTIFY_SOCKET.
class FakeManager {
 public:
  explicit FakeManager(std::string path);
  void receive();
  const std::string& path() const noexcept { return path_; }
  std::vector<std::string> messages;

 private:
  std::string path_;
  Fd socket_;
};

/// Runs a session host as a process of its own, the test being its manager.
class HostTest : public testing::Test {
 protected:
  HostTest();
  ~HostTest() override;

  /// A launch of `sh -c script`, in the host's folder, where `read x < fifo` waits for let_go().
  void set_script(const std::string& script);
  /// Lets one `read x < fifo` of the script return, once it has begun.
  void let_go(const char* fifo = "fifo") const;
  void write_launch() const;
  /// Forks the host; returns at once.
  void start_host();
  /// Until READY=1.
  void start_until_ready();
  /// Sends what the host gets when the manager stops its unit. The command's own SIGTERM is the test's to send.
  void begin_stop() const;
  /// Takes what journald and the manager get until the condition holds; a failure when it does not within a minute.
  void eventually(const std::function<bool()>& condition, const char* what);
  /// Until the host has ended; returns its status as waitpid(2) gives it.
  int wait_for_end();
  int run_to_end(const std::string& script);
  void pump();

  HostNote note() const;
  std::optional<std::string> file(const std::string& name) const;
  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  bool is_ready() const;
  std::vector<std::string> lines() { return journald.lines(); }

 private:
  std::string directory_;

 protected:
  FakeJournald journald;
  FakeManager manager;
  Launch launch;
  HostConfig config;
  pid_t host = 0;
};

}  // namespace agentctl
