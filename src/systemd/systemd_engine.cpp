#include "systemd/systemd_engine.hpp"

#include <unistd.h>

#include <array>
#include <csignal>
#include <map>
#include <string_view>
#include <utility>

#include "base/file.hpp"
#include "systemd/manager_bus.hpp"
#include "systemd/unit_properties.hpp"
#include "systemd/unit_watch.hpp"

namespace agentctl {
namespace {

using Property = sdbus::Struct<std::string, sdbus::Variant>;
using AuxiliaryUnit = sdbus::Struct<std::string, std::vector<Property>>;
using ExitStatusSet = sdbus::Struct<std::vector<std::int32_t>, std::vector<std::int32_t>>;
using ExecCommand = sdbus::Struct<std::string, std::vector<std::string>, bool>;

// `job` is 0 when the unit has none. RestartUnit stops a unit and then starts it: in between it is inactive like one
// that has ended, and only its job tells.
Activity activity_of(std::string_view active, std::string_view sub, std::uint32_t job) {
  // 257 has auto-restart-queued too, and passes through failed-before-auto-restart.
  if (sub.find("auto-restart") != std::string_view::npos) return Activity::restarting;
  if (active == "activating") return Activity::activating;
  if (active == "active" || active == "reloading" || active == "refreshing") return Activity::active;
  if (active == "deactivating") return Activity::deactivating;
  if (job != 0) return Activity::activating;
  return active == "failed" ? Activity::failed : Activity::inactive;
}

using Properties = std::map<std::string, sdbus::Variant>;

// A scope whose processes have ended goes from active to inactive at one point in time; one that its manager ends is
// deactivating in between. Times of the monotonic clock, as its time limit.
std::optional<microseconds> ended_after(const Properties& unit, Activity activity) {
  const auto time = [&](const char* name) { return unit.at(name).get<std::uint64_t>(); };
  const std::uint64_t left = time("ActiveExitTimestampMonotonic");
  const std::uint64_t entered = time("ActiveEnterTimestampMonotonic");
  const bool was_asked =
      activity == Activity::deactivating || (!is_alive(activity) && left != time("InactiveEnterTimestampMonotonic"));
  if (!was_asked || left < entered) return std::nullopt;
  return microseconds(left - entered);
}

// Of the ten fields of each row four are wanted. With thousands of rows it shows when the others become strings, too.
std::vector<UnitState> read_rows(sdbus::Message& reply) {
  std::vector<UnitState> units;
  reply.enterContainer("(ssssssouso)");
  while (reply.enterStruct("ssssssouso")) {
    std::array<char*, 6> text{};
    sdbus::ObjectPath path;
    sdbus::ObjectPath job_path;
    std::uint32_t job = 0;
    char* job_type = nullptr;
    for (char*& field : text) reply >> field;
    reply >> path >> job >> job_type >> job_path;
    reply.exitStruct();
    const auto& [unit, description, load, active, sub, following] = text;
    units.push_back({.unit = unit, .description = description, .activity = activity_of(active, sub, job)});
  }
  return units;
}

// sd-bus gives an asynchronous call that it has given up the name of one whose answer the bus has lost.
bool is_timeout(const sdbus::Error& error) {
  return sdbus_compat::error_name(error) == "org.freedesktop.DBus.Error.NoReply" &&
         error.getMessage() == "Method call timed out";
}

// Writes a property's value into the call itself: an sdbus::Variant is a message of its own, copied into the call's.
struct WriteValue {
  sdbus::MethodCall& call;

  void operator()(bool value) const { write("b", value); }
  void operator()(std::int32_t value) const { write("i", value); }
  void operator()(std::uint32_t value) const { write("u", value); }
  void operator()(std::uint64_t value) const { write("t", value); }
  void operator()(const std::string& value) const { write("s", value); }
  void operator()(const std::vector<std::uint32_t>& value) const { write("au", value); }
  void operator()(const std::vector<std::string>& value) const { write("as", value); }
  void operator()(const ExitCodes& exit) const { write("(aiai)", ExitStatusSet{exit.codes, {}}); }
  void operator()(const ExecLine& line) const {
    write("a(sasb)", std::vector<ExecCommand>{ExecCommand{line.argv.at(0), line.argv, false}});
  }

 private:
  template <class Value>
  void write(const char* signature, const Value& value) const {
    call.openVariant(signature);
    call << value;
    call.closeVariant();
  }
};

sdbus::ObjectPath start_transient_unit(sdbus::IProxy& manager, const std::string& unit,
                                       const std::vector<UnitProperty>& properties) {
  sdbus::MethodCall call = sdbus_compat::method_call(manager, manager_interface, "StartTransientUnit");
  call << unit << std::string("fail");
  call.openContainer("(sv)");
  for (const UnitProperty& property : properties) {
    call.openStruct("sv");
    call << property.name;
    std::visit(WriteValue{call}, property.value);
    call.closeStruct();
  }
  call.closeContainer();
  call << std::vector<AuxiliaryUnit>{};
  sdbus::MethodReply reply = manager.callMethod(call);
  sdbus::ObjectPath job;
  reply >> job;
  return job;
}

std::string time_limit_folder(ManagerScope scope, const std::string& runtime_dir, const std::string& unit) {
  return (scope == ManagerScope::system ? "/run" : runtime_dir) + "/systemd/transient/" + unit + ".d";
}

}  // namespace

/// The bus and what has been heard on it.
class SystemdEngine::Connection {
 public:
  Connection(ManagerScope scope, const std::string& runtime_dir) : bus_(scope, runtime_dir) {}

  ManagerBus& bus() { return bus_; }

  /// Makes a call that returns a job, and waits for that job's end. JobRemoved is subscribed to before the call; when
  /// it comes before the reply, it has been queued and is seen in wait_until().
  template <class Call>
  StartResult run_job(
      const std::string& context, const std::string& object, Call call,
      const std::function<void()>& meanwhile = [] {}) {
    hear_jobs();
    const sdbus::ObjectPath job = on_bus(context, object, call);
    meanwhile();
    const auto found = [&] { return finished_jobs_.contains(job); };
    bus_.wait_until(found, std::nullopt);
    const std::string result = finished_jobs_.at(job);
    return {.started = result == "done", .job_result = result};
  }

  /// For who then waits for something else: for days, nobody would read what the bus keeps.
  void hear_no_more() { jobs_.reset(); }

 private:
  // A proxy of its own: when the bus refuses, nothing of it stays and the next call tries again.
  void hear_jobs() {
    if (jobs_) return;
    on_bus("cannot subscribe to", "JobRemoved", [&] {
      auto jobs = bus_.proxy(manager_path);
      jobs->uponSignal("JobRemoved")
          .onInterface(manager_interface)
          .call([this](const std::uint32_t&, const sdbus::ObjectPath& job, const std::string&,
                       const std::string& result) { finished_jobs_[job] = result; });
      sdbus_compat::finish_registration(*jobs);
      jobs_ = std::move(jobs);
    });
  }

  ManagerBus bus_;
  std::unique_ptr<sdbus::IProxy> jobs_;
  std::map<std::string, std::string> finished_jobs_;
};

SystemdEngine::SystemdEngine(ManagerScope scope, std::string runtime_dir)
    : scope_(scope), runtime_dir_(std::move(runtime_dir)) {}

SystemdEngine::~SystemdEngine() = default;

SystemdEngine::Connection& SystemdEngine::connection() {
  if (!connection_) connection_ = std::make_unique<Connection>(scope_, runtime_dir_);
  return *connection_;
}

// A limit that a killed recorder left behind must not become that of the next unit of this name.
void SystemdEngine::forget_old_time_limit(const std::string& unit) {
  if (::access(time_limit_folder(scope_, runtime_dir_, unit).c_str(), F_OK) == 0 && !inspect(unit))
    forget_time_limit(unit);
}

void SystemdEngine::request(const std::string& unit, const std::vector<UnitProperty>& properties) {
  on_bus("cannot start", unit, [&] { return start_transient_unit(connection().bus().manager(), unit, properties); });
}

void SystemdEngine::request_start(const UnitSpec& spec) {
  forget_old_time_limit(spec.unit);
  request(spec.unit, unit_properties(spec, scope_));
}

void SystemdEngine::request_helper(const HelperSpec& spec) { request(spec.unit, helper_properties(spec)); }

StartResult SystemdEngine::start_while(const UnitSpec& spec, const std::function<void()>& meanwhile) {
  forget_old_time_limit(spec.unit);
  const auto call = [&] {
    return start_transient_unit(connection().bus().manager(), spec.unit, unit_properties(spec, scope_));
  };
  StartResult result = connection().run_job("cannot start", spec.unit, call, meanwhile);
  if (spec.kind == SessionKind::scope) connection().hear_no_more();
  return result;
}

StartResult SystemdEngine::restart(const std::string& unit) {
  return connection().run_job("cannot restart", unit, [&] {
    // What is asked for does not count towards the start limit (systemctl(1), reset-failed).
    connection().bus().manager().callMethod("ResetFailedUnit").onInterface(manager_interface).withArguments(unit);
    sdbus::ObjectPath job;
    connection()
        .bus()
        .manager()
        .callMethod("RestartUnit")
        .onInterface(manager_interface)
        .withArguments(unit, std::string("replace"))
        .storeResultsTo(job);
    return job;
  });
}

std::vector<UnitState> SystemdEngine::list_while(const std::function<void()>& meanwhile) {
  /// Outlives this call when it ends before the answer comes.
  struct Answer {
    std::optional<std::vector<UnitState>> units;
    std::optional<sdbus::Error> error;
  };
  bool done = false;
  return ask_on_bus("cannot list", "agentctl-*", [&] {
    ManagerBus& bus = connection().bus();
    sdbus::MethodCall call = sdbus_compat::method_call(bus.manager(), manager_interface, "ListUnitsByPatterns");
    call << std::vector<std::string>{} << std::vector<std::string>{"agentctl-*.service", "agentctl-*.scope"};
    const auto answer = std::make_shared<Answer>();
    sdbus_compat::call_async(bus.manager(), call, [answer](sdbus::MethodReply& reply, const sdbus::Error* error) {
      if (error != nullptr) {
        answer->error = *error;
      } else {
        answer->units = read_rows(reply);
      }
    });
    if (!std::exchange(done, true)) meanwhile();
    bus.wait_until([&] { return answer->units || answer->error; }, std::nullopt);
    if (answer->error && is_timeout(*answer->error))
      throw translate_bus_error("org.freedesktop.DBus.Error.Timeout", {}, "cannot list", "agentctl-*");
    if (answer->error) throw *answer->error;
    return std::move(*answer->units);
  });
}

std::optional<UnitDetails> SystemdEngine::inspect(const std::string& unit) {
  const auto proxy = connection().bus().proxy(ManagerBus::unit_path(unit));
  const auto all = [&](const char* interface) {
    Properties properties;
    ask_on_bus("cannot read the properties of", unit, [&] {
      proxy->callMethod("GetAll")
          .onInterface("org.freedesktop.DBus.Properties")
          .withArguments(std::string(interface))
          .storeResultsTo(properties);
    });
    return properties;
  };
  // GetAll on the path of a unit that is not loaded makes systemd load a stub, which says so.
  Properties properties = all("org.freedesktop.systemd1.Unit");
  const auto text = [&](const char* name) { return properties.at(name).get<std::string>(); };
  if (text("LoadState") == "not-found") return std::nullopt;

  const auto job = properties.at("Job").get<sdbus::Struct<std::uint32_t, sdbus::ObjectPath>>();
  UnitDetails details;
  details.state = {.unit = unit,
                   .description = text("Description"),
                   .activity = activity_of(text("ActiveState"), text("SubState"), job.get<0>())};
  for (const std::uint8_t byte : properties.at("InvocationID").get<std::vector<std::uint8_t>>()) {
    constexpr std::string_view digits = "0123456789abcdef";
    details.invocation_id += digits[byte >> 4];
    details.invocation_id += digits[byte & 15];
  }
  if (const auto usec = properties.at("ActiveEnterTimestamp").get<std::uint64_t>(); usec > 0)
    details.active_since = TimePoint(microseconds(usec));

  const bool is_scope = unit.ends_with(".scope");
  if (is_scope) details.ended_after = ended_after(properties, details.state.activity);
  properties = all(is_scope ? "org.freedesktop.systemd1.Scope" : "org.freedesktop.systemd1.Service");
  details.control_group = text("ControlGroup");
  if (is_scope) details.result = text("Result");
  return details;
}

void SystemdEngine::release(const std::string& unit) {
  try {
    on_bus("cannot let go of", unit, [&] {
      connection()
          .bus()
          .proxy(ManagerBus::unit_path(unit))
          ->callMethod("Unref")
          .onInterface("org.freedesktop.systemd1.Unit");
    });
  } catch (const Error&) {
    // A manager that does not hold it for us has nothing to let go of.
  }
}

void SystemdEngine::stop(const std::vector<std::string>& units) {
  for (const std::string& unit : units) {
    try {
      on_bus("cannot stop", unit, [&] {
        sdbus::ObjectPath job;
        connection()
            .bus()
            .manager()
            .callMethod("StopUnit")
            .onInterface(manager_interface)
            .withArguments(unit, std::string("replace"))
            .storeResultsTo(job);
      });
    } catch (const Error& error) {
      if (error.code() != ErrorCode::not_found) throw;
    }
  }
}

void SystemdEngine::kill(const std::string& unit, int signal) { kill_unit(unit, "all", signal); }

void SystemdEngine::kill_host(const std::string& unit) {
  try {
    kill_unit(unit, "main", SIGKILL);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
  }
}

void SystemdEngine::kill_unit(const std::string& unit, const std::string& who, int signal) {
  on_bus("cannot signal", unit, [&] {
    connection()
        .bus()
        .manager()
        .callMethod("KillUnit")
        .onInterface(manager_interface)
        .withArguments(unit, who, static_cast<std::int32_t>(signal));
  });
}

void SystemdEngine::persist_time_limit(const std::string& unit, microseconds since_start) {
  const std::string folder = time_limit_folder(scope_, runtime_dir_, unit);
  make_directories(folder, 0755);
  write_file(folder + "/50-agentctl-extend.conf",
             "# Written by: agentctl extend\n[Service]\nRuntimeMaxSec=" + format_time_span(since_start) + "\n", 0644);
}

void SystemdEngine::forget_time_limit(const std::string& unit) {
  remove_directory(time_limit_folder(scope_, runtime_dir_, unit));
}

std::unique_ptr<UnitWatch> SystemdEngine::watch(const std::vector<std::string>& units) {
  if (connection_) connection_->hear_no_more();
  return make_unit_watch(scope_, runtime_dir_, units);
}

void SystemdEngine::attach(const std::string& unit, const std::vector<pid_t>& processes) {
  on_bus("cannot move processes into", unit, [&] {
    connection()
        .bus()
        .manager()
        .callMethod("AttachProcessesToUnit")
        .onInterface(manager_interface)
        .withArguments(unit, std::string(), std::vector<std::uint32_t>(processes.begin(), processes.end()));
  });
}

Usage SystemdEngine::usage(const std::string& control_group) { return read_usage(control_group); }

std::vector<pid_t> SystemdEngine::processes(const std::string& control_group) { return read_processes(control_group); }

std::string SystemdEngine::control_group(const std::string& slice, const std::string& unit) {
  if (manager_group_.empty()) {
    manager_group_ = manager_property("ControlGroup");
    if (manager_group_.empty()) manager_group_ = "/";
  }
  std::string path = manager_group_ == "/" ? "" : manager_group_;
  // agentctl-web-x.slice lives in agentctl-web.slice in agentctl.slice (systemd.slice(5)).
  for (std::size_t dash = slice.find('-'); dash != std::string::npos; dash = slice.find('-', dash + 1))
    path += "/" + slice.substr(0, dash) + ".slice";
  return path + "/" + slice + "/" + unit;
}

std::size_t SystemdEngine::units_in(const std::string& slice) { return count_child_groups(control_group(slice, "")); }

template <class Value>
Value SystemdEngine::read_manager_property(const std::string& name) {
  return ask_on_bus("cannot read the manager's property", name, [&] {
    sdbus::Variant value;
    connection()
        .bus()
        .manager()
        .callMethod("Get")
        .onInterface("org.freedesktop.DBus.Properties")
        .withArguments(std::string(manager_interface), name)
        .storeResultsTo(value);
    return value.get<Value>();
  });
}

std::string SystemdEngine::manager_property(const std::string& name) {
  return read_manager_property<std::string>(name);
}

// org.freedesktop.systemd1(5): of a user's manager, too.
TimePoint SystemdEngine::started_at() {
  return TimePoint(microseconds(read_manager_property<std::uint64_t>("UserspaceTimestamp")));
}

}  // namespace agentctl
