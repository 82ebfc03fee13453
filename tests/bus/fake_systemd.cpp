#include "bus/fake_systemd.hpp"

#include <fnmatch.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <cstring>
#include <exception>
#include <set>

#include "bus/bus_message.hpp"

namespace agentctl {
namespace {

constexpr const char* manager_path = "/org/freedesktop/systemd1";
constexpr const char* manager = "org.freedesktop.systemd1.Manager";
constexpr const char* unit_prefix = "/org/freedesktop/systemd1/unit";

// The types in which StartTransientUnit() takes properties (org.freedesktop.systemd1(5)).
const std::map<std::string, std::string>& known_properties() {
  static const std::map<std::string, std::string> known{
      {"Description", "s"},
      {"Slice", "s"},
      {"Restart", "s"},
      {"OnFailure", "as"},
      {"OnSuccess", "as"},
      {"Delegate", "b"},
      {"RestartUSec", "t"},
      {"RestartPreventExitStatus", "(aiai)"},
      {"StartLimitIntervalUSec", "t"},
      {"StartLimitBurst", "u"},
      {"CollectMode", "s"},
      {"TimeoutStopUSec", "t"},
      {"RuntimeMaxUSec", "t"},
      {"ExecStart", "a(sasb)"},
      {"Type", "s"},
      {"NotifyAccess", "s"},
      {"ExecStopPost", "a(sasb)"},
      {"StandardInput", "s"},
      {"StandardOutput", "s"},
      {"StandardError", "s"},
      {"OOMPolicy", "s"},
      {"User", "s"},
      {"LogRateLimitIntervalUSec", "t"},
      {"LogRateLimitBurst", "u"},
      {"PIDs", "au"},
      {"AddRef", "b"},
      {"PermissionsStartOnly", "b"},
      {"DelegateControllers", "as"},
  };
  return known;
}

std::string unit_path(const std::string& unit) {
  char* path = nullptr;
  check_bus(::sd_bus_path_encode(unit_prefix, unit.c_str(), &path), "encode a path");
  std::string result = path;
  ::free(path);
  return result;
}

std::string unit_of_path(const char* path) {
  char* unit = nullptr;
  if (::sd_bus_path_decode(path, unit_prefix, &unit) <= 0) return {};
  std::string result = unit;
  ::free(unit);
  return result;
}

BusMessage new_reply(sd_bus_message* call) {
  sd_bus_message* reply = nullptr;
  check_bus(::sd_bus_message_new_method_return(call, &reply), "make a reply");
  return {reply, ::sd_bus_message_unref};
}

void send(const BusMessage& message) { check_bus(::sd_bus_send(nullptr, message.get(), nullptr), "send"); }

void append_text(sd_bus_message* message, const char* name, const std::string& value) {
  append_property(message, name, 's', value.c_str());
}

void append_invocation(sd_bus_message* message, const std::string& hex) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  check_bus(::sd_bus_message_open_container(message, 'e', "sv"), "open");
  check_bus(::sd_bus_message_append_basic(message, 's', "InvocationID"), "append");
  check_bus(::sd_bus_message_open_container(message, 'v', "ay"), "open");
  check_bus(::sd_bus_message_append_array(message, 'y', bytes.data(), bytes.size()), "append");
  check_bus(::sd_bus_message_close_container(message), "close");
  check_bus(::sd_bus_message_close_container(message), "close");
}

void append_job(sd_bus_message* message, std::uint32_t job) {
  check_bus(::sd_bus_message_append(message, "{sv}", "Job", "(uo)", job,
                                    job == 0 ? "/" : "/org/freedesktop/systemd1/job/7"),
            "append");
}

// What is asked about a unit that is not loaded: systemd makes a stub of it.
FakeUnit stub(const std::string& name) {
  return {.name = name, .description = name, .active_state = "inactive", .sub_state = "dead", .invocation_id = ""};
}

}  // namespace

FakeSystemd::Exchange::Exchange(FakeSystemd& systemd, sd_bus_message* message)
    : systemd_(systemd),
      message_(message),
      job_(std::string(manager_path) + "/job/" + std::to_string(++systemd.jobs_)) {
  const char* first = nullptr;
  if (::sd_bus_message_has_signature(message, "") == 0 && ::sd_bus_message_get_signature(message, 1)[0] == 's') {
    check_bus(::sd_bus_message_read_basic(message, 's', &first), "read");
    unit_ = first;
    check_bus(::sd_bus_message_rewind(message, 1), "rewind");
  }
}

void FakeSystemd::Exchange::reply() { send(new_reply(message_)); }

void FakeSystemd::Exchange::reply_job() {
  const BusMessage reply = new_reply(message_);
  check_bus(::sd_bus_message_append(reply.get(), "o", job_.c_str()), "append");
  send(reply);
}

void FakeSystemd::Exchange::fail(const std::string& name, const std::string& message) {
  check_bus(::sd_bus_reply_method_errorf(message_, name.c_str(), "%s", message.c_str()), "send an error");
}

void FakeSystemd::Exchange::job_removed(const std::string& result, const std::string& other_job) {
  const std::string& job = other_job.empty() ? job_ : other_job;
  check_bus(::sd_bus_emit_signal(systemd_.bus_, manager_path, manager, "JobRemoved", "uoss", systemd_.jobs_,
                                 job.c_str(), unit_.c_str(), result.c_str()),
            "send JobRemoved");
}

void FakeSystemd::Exchange::proceed() { systemd_.answer(*this, ::sd_bus_message_get_member(message_)); }

FakeSystemd::FakeSystemd(const std::string& bus_address) : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  properties_ = {{"Version", "252.39-1~deb12u1"},
                 {"SystemState", "running"},
                 {"ControlGroup", "/agentctl-test.slice"},
                 {"UserspaceTimestamp", std::uint64_t{1'700'000'000'000'000}}};
  check_bus(::sd_bus_new(&bus_), "make a bus");
  check_bus(::sd_bus_set_address(bus_, bus_address.c_str()), "set the address");
  check_bus(::sd_bus_set_bus_client(bus_, 1), "be a client");
  check_bus(::sd_bus_start(bus_), "connect");
  check_bus(::sd_bus_request_name(bus_, "org.freedesktop.systemd1", 0), "take systemd's name");
  const auto filter = [](sd_bus_message* message, void* self, sd_bus_error*) -> int {
    return static_cast<FakeSystemd*>(self)->take(message) ? 1 : 0;
  };
  check_bus(::sd_bus_add_filter(bus_, nullptr, filter, this), "hear calls");
  thread_ = std::thread([this] { serve(); });
}

void FakeSystemd::leave() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
  ::sd_bus_close(bus_);
  bus_ = ::sd_bus_unref(bus_);
}

void FakeSystemd::serve() {
  for (;;) {
    std::vector<std::function<void()>> tasks;
    {
      const std::lock_guard lock(mutex_);
      tasks.swap(tasks_);
      if (stopping_ && tasks.empty()) break;
    }
    for (const auto& task : tasks) task();
    const int processed = ::sd_bus_process(bus_, nullptr);
    if (processed < 0) break;  // the bus was killed
    if (processed > 0) continue;
    pollfd set[2]{{.fd = ::sd_bus_get_fd(bus_), .events = static_cast<short>(::sd_bus_get_events(bus_)), .revents = 0},
                  {.fd = wake_.get(), .events = POLLIN, .revents = 0}};
    ::poll(set, 2, -1);
    eventfd_t ignored = 0;
    ::eventfd_read(wake_.get(), &ignored);
  }
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void FakeSystemd::run(const std::function<void()>& task) {
  if (std::this_thread::get_id() == thread_.get_id()) {
    task();
    return;
  }
  bool done = false;
  std::exception_ptr failure;
  std::unique_lock lock(mutex_);
  if (ended_) return;
  tasks_.emplace_back([&] {
    try {
      task();
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard inner(mutex_);
    done = true;
    changed_.notify_all();
  });
  ::eventfd_write(wake_.get(), 1);
  changed_.wait(lock, [&] { return done || ended_; });
  if (failure) std::rethrow_exception(failure);
}

bool FakeSystemd::take(sd_bus_message* message) {
  std::uint8_t type = 0;
  ::sd_bus_message_get_type(message, &type);
  const char* path = ::sd_bus_message_get_path(message);
  if (type != SD_BUS_MESSAGE_METHOD_CALL || std::strncmp(path, manager_path, std::strlen(manager_path)) != 0)
    return false;
  try {
    handle(message);
  } catch (const std::exception& error) {
    ::sd_bus_reply_method_errorf(message, "org.agentctl.FakeSystemd.Broken", "%s", error.what());
  }
  return true;
}

void FakeSystemd::handle(sd_bus_message* message) {
  const std::string method = ::sd_bus_message_get_member(message);
  Exchange exchange(*this, message);
  {
    const std::lock_guard lock(mutex_);
    calls_.push_back({.method = method,
                      .path = ::sd_bus_message_get_path(message),
                      .signature = ::sd_bus_message_get_signature(message, 1),
                      .arguments = arguments_as_text(message)});
    changed_.notify_all();
  }
  const auto script = scripts_.find(method);
  if (script != scripts_.end()) {
    script->second(exchange);
  } else {
    answer(exchange, method);
  }
}

void FakeSystemd::answer(Exchange& exchange, const std::string& method) {
  if (method == "StartTransientUnit") return start_unit(exchange);
  if (method == "StopUnit") return stop_unit(exchange);
  if (method == "RestartUnit") return restart_unit(exchange);
  if (method == "ListUnitsByPatterns") return list_units(exchange);
  if (method == "GetAll") return get_all(exchange);
  if (method == "Get") return get(exchange);
  static const std::set<std::string> silent{"KillUnit", "ResetFailedUnit", "Subscribe", "Unref"};
  if (silent.contains(method)) return exchange.reply();
  exchange.fail("org.freedesktop.DBus.Error.UnknownMethod", "fake systemd has no " + method);
}

void FakeSystemd::start_unit(Exchange& exchange) {
  const char* unit = nullptr;
  const char* mode = nullptr;
  check_bus(::sd_bus_message_read(exchange.message_, "ss", &unit, &mode), "read");
  const auto properties = read_properties(exchange.message_);
  for (const auto& [name, value] : properties) {
    const auto known = known_properties().find(name);
    if (known == known_properties().end())
      return exchange.fail("org.freedesktop.DBus.Error.PropertyReadOnly",
                           "Cannot set property " + name + ", or unknown property.");
    if (known->second != value.signature)
      return exchange.fail("org.freedesktop.DBus.Error.InvalidArgs", name + " is not of type " + value.signature);
  }
  if (units_.contains(unit))
    return exchange.fail("org.freedesktop.systemd1.UnitExists",
                         "Unit " + std::string(unit) + " was already loaded or has a fragment file.");
  const auto description = properties.find("Description");
  const std::string quoted = description == properties.end() ? "\"\"" : description->second.text;
  exchange.reply_job();
  set_unit({.name = unit, .description = quoted.substr(1, quoted.size() - 2)});
  exchange.job_removed("done");
}

void FakeSystemd::stop_unit(Exchange& exchange) {
  if (!units_.contains(exchange.unit()))
    return exchange.fail("org.freedesktop.systemd1.NoSuchUnit", "Unit " + exchange.unit() + " not loaded.");
  exchange.reply_job();
  exchange.job_removed("done");
  remove_unit(exchange.unit());
}

void FakeSystemd::restart_unit(Exchange& exchange) {
  exchange.reply_job();
  exchange.job_removed("done");
}

void FakeSystemd::list_units(Exchange& exchange) {
  check_bus(::sd_bus_message_skip(exchange.message_, "as"), "read");
  std::vector<std::string> patterns;
  check_bus(::sd_bus_message_enter_container(exchange.message_, 'a', "s"), "enter");
  for (const char* pattern = nullptr;
       check_bus(::sd_bus_message_read_basic(exchange.message_, 's', &pattern), "read") > 0;)
    patterns.emplace_back(pattern);
  const BusMessage reply = new_reply(exchange.message_);
  check_bus(::sd_bus_message_open_container(reply.get(), 'a', "(ssssssouso)"), "open");
  for (const auto& [name, unit] : units_) {
    bool wanted = false;
    for (const std::string& pattern : patterns) wanted = wanted || ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
    if (!wanted) continue;
    check_bus(::sd_bus_message_append(reply.get(), "(ssssssouso)", name.c_str(), unit.description.c_str(), "loaded",
                                      unit.active_state.c_str(), unit.sub_state.c_str(), "", unit_path(name).c_str(),
                                      unit.job, "", "/"),
              "append");
  }
  check_bus(::sd_bus_message_close_container(reply.get()), "close");
  send(reply);
}

void FakeSystemd::get_all(Exchange& exchange) {
  const std::string name = unit_of_path(::sd_bus_message_get_path(exchange.message_));
  const auto found = units_.find(name);
  const bool loaded = found != units_.end();
  const FakeUnit unit = loaded ? found->second : stub(name);
  const BusMessage reply = new_reply(exchange.message_);
  check_bus(::sd_bus_message_open_container(reply.get(), 'a', "{sv}"), "open");
  if (exchange.unit() == "org.freedesktop.systemd1.Unit") {
    append_text(reply.get(), "Id", name);
    append_text(reply.get(), "Description", unit.description);
    append_text(reply.get(), "LoadState", loaded ? "loaded" : "not-found");
    append_text(reply.get(), "ActiveState", unit.active_state);
    append_text(reply.get(), "SubState", unit.sub_state);
    append_property(reply.get(), "ActiveEnterTimestamp", 't', &unit.active_since_usec);
    append_property(reply.get(), "ActiveEnterTimestampMonotonic", 't', &unit.entered_usec);
    append_property(reply.get(), "ActiveExitTimestampMonotonic", 't', &unit.left_usec);
    append_property(reply.get(), "InactiveEnterTimestampMonotonic", 't', &unit.inactive_usec);
    append_invocation(reply.get(), unit.invocation_id);
    append_job(reply.get(), unit.job);
  } else {
    append_text(reply.get(), "ControlGroup", unit.control_group);
    append_text(reply.get(), "Result", unit.result);
  }
  check_bus(::sd_bus_message_close_container(reply.get()), "close");
  send(reply);
}

void FakeSystemd::get(Exchange& exchange) {
  const char* name = nullptr;
  check_bus(::sd_bus_message_skip(exchange.message_, "s"), "read");
  check_bus(::sd_bus_message_read_basic(exchange.message_, 's', &name), "read");
  const auto property = properties_.find(name);
  if (property == properties_.end())
    return exchange.fail("org.freedesktop.DBus.Error.UnknownProperty", std::string("Unknown property ") + name);
  const BusMessage reply = new_reply(exchange.message_);
  const auto* text = std::get_if<std::string>(&property->second);
  check_bus(text != nullptr ? ::sd_bus_message_append(reply.get(), "v", "s", text->c_str())
                            : ::sd_bus_message_append(reply.get(), "v", "t", std::get<std::uint64_t>(property->second)),
            "append");
  send(reply);
}

void FakeSystemd::send_unit_signal(const char* signal, const std::string& unit) {
  check_bus(::sd_bus_emit_signal(bus_, manager_path, manager, signal, "so", unit.c_str(), unit_path(unit).c_str()),
            "send a signal");
}

void FakeSystemd::on(const std::string& method, Script script) {
  run([&] { scripts_[method] = std::move(script); });
}

void FakeSystemd::set_unit(const FakeUnit& unit) {
  run([&] {
    const bool is_new = units_.insert_or_assign(unit.name, unit).second;
    if (is_new) send_unit_signal("UnitNew", unit.name);
    change_property(unit.name, "ActiveState", unit.active_state);
  });
}

void FakeSystemd::remove_unit(const std::string& name) {
  run([&] {
    units_.erase(name);
    send_unit_signal("UnitRemoved", name);
  });
}

void FakeSystemd::reload() {
  run([&] {
    for (const auto& unit : units_) send_unit_signal("UnitRemoved", unit.first);
    for (const auto& unit : units_) send_unit_signal("UnitNew", unit.first);
  });
}

void FakeSystemd::change_property(const std::string& unit, const std::string& name, const std::string& value) {
  run([&] {
    check_bus(::sd_bus_emit_signal(bus_, unit_path(unit).c_str(), "org.freedesktop.DBus.Properties",
                                   "PropertiesChanged", "sa{sv}as", "org.freedesktop.systemd1.Unit", 1, name.c_str(),
                                   "s", value.c_str(), 0),
              "send PropertiesChanged");
  });
}

void FakeSystemd::set_property(const std::string& name, const std::string& value) {
  run([&] { properties_[name] = value; });
}

std::vector<RecordedCall> FakeSystemd::calls(const std::string& method) const {
  const std::lock_guard lock(mutex_);
  std::vector<RecordedCall> found;
  for (const RecordedCall& call : calls_)
    if (call.method == method) found.push_back(call);
  return found;
}

bool FakeSystemd::wait_for_call(const std::string& method, std::size_t count) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] {
    std::size_t found = 0;
    for (const RecordedCall& call : calls_) found += call.method == method ? 1 : 0;
    return found >= count;
  });
}

FakeSystemd::Script refuse_with(const std::string& error_name, const std::string& message) {
  return [=](FakeSystemd::Exchange& exchange) { exchange.fail(error_name, message); };
}

FakeSystemd::Script end_job_with(const std::string& result) {
  return [=](FakeSystemd::Exchange& exchange) {
    exchange.reply_job();
    exchange.job_removed(result);
  };
}

}  // namespace agentctl
