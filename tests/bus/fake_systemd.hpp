#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "base/fd.hpp"
#include "bus/private_bus.hpp"

struct sd_bus;
struct sd_bus_message;

namespace agentctl {

/// A unit that the fake has loaded.
struct FakeUnit {
  std::string name;
  std::string description{};
  std::string active_state = "active";
  std::string sub_state = "running";
  std::string invocation_id = "0123456789abcdef0123456789abcdef";
  std::string control_group{};
  std::uint64_t active_since_usec = 0;
  // Of the monotonic clock.
  std::uint64_t entered_usec = 0;
  std::uint64_t left_usec = 0;
  std::uint64_t inactive_usec = 0;
  std::string result = "success";
  std::uint32_t job = 0;
};

/// A method call as it came. Arguments are written with their types as far as D-Bus has them on the wire: "text", 7,
/// ["a" "b"], ("name" <t 7>); the signature is beside them.
struct RecordedCall {
  std::string method;
  std::string path;
  std::string signature;
  std::string arguments;
};

/// Stands for systemd on a private bus: takes org.freedesktop.systemd1, records what it is called with, and answers as
/// systemd does, or as a script says. StartTransientUnit() refuses properties that systemd does not have, or has with
/// another type (org.freedesktop.systemd1(5)). Written with sd-bus alone, so that it is the same under every version of
/// the library that it tests. It runs in a thread of its own.
class FakeSystemd {
 public:
  /// One call, while it is being answered: what is sent is sent in the order of these.
  class Exchange {
   public:
    void reply();
    /// The object path of a new job: each call has its own.
    void reply_job();
    void fail(const std::string& name, const std::string& message);
    /// The end of the job of this call, or of another one.
    void job_removed(const std::string& result, const std::string& other_job = {});
    /// The first argument of the methods that have one.
    const std::string& unit() const { return unit_; }
    FakeSystemd& systemd() { return systemd_; }
    /// What systemd does when no script is set.
    void proceed();

   private:
    friend class FakeSystemd;
    Exchange(FakeSystemd& systemd, sd_bus_message* message);
    FakeSystemd& systemd_;
    sd_bus_message* message_;
    std::string unit_;
    std::string job_;
  };
  using Script = std::function<void(Exchange&)>;

  /// Returns when the name is taken.
  explicit FakeSystemd(const std::string& bus_address);
  ~FakeSystemd() { leave(); }
  FakeSystemd(const FakeSystemd&) = delete;
  FakeSystemd& operator=(const FakeSystemd&) = delete;

  /// Answers `method` by this from now on; called in the fake's thread.
  void on(const std::string& method, Script script);

  /// Loads a unit, or changes it, and says so as systemd does.
  void set_unit(const FakeUnit& unit);
  /// Unloads a unit, and says so.
  void remove_unit(const std::string& name);
  /// What daemon-reload sends: every unit is removed and new, though all live on.
  void reload();
  /// PropertiesChanged of a unit, with one text property.
  void change_property(const std::string& unit, const std::string& name, const std::string& value);
  /// A property of the manager.
  void set_property(const std::string& name, const std::string& value);

  /// Goes from the bus, whatever is under way.
  void leave();

  /// The calls of this method so far.
  std::vector<RecordedCall> calls(const std::string& method) const;
  /// Waits for the next call of this method, or the nth; false when it does not come within the test's patience.
  bool wait_for_call(const std::string& method, std::size_t count = 1) const;

 private:
  void serve();
  bool take(sd_bus_message* message);
  void handle(sd_bus_message* message);
  void answer(Exchange& exchange, const std::string& method);
  void start_unit(Exchange& exchange);
  void stop_unit(Exchange& exchange);
  void restart_unit(Exchange& exchange);
  void list_units(Exchange& exchange);
  void get_all(Exchange& exchange);
  void get(Exchange& exchange);
  void send_unit_signal(const char* signal, const std::string& unit);
  /// Runs it in the fake's thread and waits for it; at once when this is that thread.
  void run(const std::function<void()>& task);

  sd_bus* bus_ = nullptr;
  Fd wake_;
  std::thread thread_;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<std::function<void()>> tasks_;
  std::vector<RecordedCall> calls_;
  bool stopping_ = false;
  bool ended_ = false;

  // Of the fake's thread alone.
  std::map<std::string, Script> scripts_;
  std::map<std::string, FakeUnit> units_;
  std::map<std::string, std::variant<std::string, std::uint64_t>> properties_;
  std::uint32_t jobs_ = 0;
};

/// Scripts that are used often.
FakeSystemd::Script refuse_with(const std::string& error_name, const std::string& message);
FakeSystemd::Script end_job_with(const std::string& result);

}  // namespace agentctl
