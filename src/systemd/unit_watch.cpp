#include "systemd/unit_watch.hpp"

#include <set>

#include "systemd/manager_bus.hpp"

namespace agentctl {
namespace {

/// Hears UnitRemoved, which systemd sends when it unloads a unit: with CollectMode=inactive-or-failed that is right
/// after the recorder. PropertiesChanged is heard beside it for the other states, and for a unit that somebody else's
/// reference keeps loaded after its end. Where all units are watched, their jobs are heard instead: each start, stop
/// and restart has one.
class SystemdUnitWatch : public UnitWatch {
 public:
  SystemdUnitWatch(ManagerScope scope, const std::string& runtime_dir, const std::vector<std::string>& units)
      : bus_(scope, runtime_dir), watched_(units.begin(), units.end()), changed_(watched_) {
    on_bus("cannot subscribe to", "UnitRemoved", [&] { subscribe(); });
  }

  std::optional<std::string> next_change(std::optional<microseconds> timeout) override {
    if (!bus_.wait_until([&] { return !changed_.empty(); }, timeout)) return std::nullopt;
    return changed_.extract(changed_.begin()).value();
  }

  int fd() const override { return bus_.fd(); }

 private:
  void subscribe() {
    const auto hear_unit = [&](const char* signal) {
      bus_.manager()
          .uponSignal(signal)
          .onInterface(manager_interface)
          .call([this](const std::string& unit, const sdbus::ObjectPath&) { note(unit); });
    };
    hear_unit("UnitRemoved");
    if (watched_.empty()) {
      hear_unit("UnitNew");
      bus_.manager()
          .uponSignal("JobNew")
          .onInterface(manager_interface)
          .call([this](const std::uint32_t&, const sdbus::ObjectPath&, const std::string& unit) { note(unit); });
      bus_.manager()
          .uponSignal("JobRemoved")
          .onInterface(manager_interface)
          .call([this](const std::uint32_t&, const sdbus::ObjectPath&, const std::string& unit, const std::string&) {
            note(unit);
          });
    }
    sdbus_compat::finish_registration(bus_.manager());
    for (const std::string& unit : watched_) {
      auto proxy = bus_.proxy(ManagerBus::unit_path(unit));
      proxy->uponSignal("PropertiesChanged")
          .onInterface("org.freedesktop.DBus.Properties")
          .call([this, unit](const std::string&, const std::map<std::string, sdbus::Variant>& properties,
                             const std::vector<std::string>&) {
            if (properties.contains("ActiveState")) note(unit);
          });
      sdbus_compat::finish_registration(*proxy);
      proxies_.push_back(std::move(proxy));
    }
    ask_on_bus("cannot subscribe to", "UnitRemoved", [&] {
      try {
        bus_.manager().callMethod("Subscribe").onInterface(manager_interface);
      } catch (const sdbus::Error& error) {
        // The try before had been heard, only its answer was lost.
        if (sdbus_compat::error_name(error) != "org.freedesktop.systemd1.AlreadySubscribed") throw;
      }
    });
  }

  void note(const std::string& unit) {
    if (watched_.empty() ? unit.starts_with("agentctl-") : watched_.contains(unit)) changed_.insert(unit);
  }

  ManagerBus bus_;
  std::set<std::string> watched_;
  std::set<std::string> changed_;
  std::vector<std::unique_ptr<sdbus::IProxy>> proxies_;
};

}  // namespace

std::unique_ptr<UnitWatch> make_unit_watch(ManagerScope scope, const std::string& runtime_dir,
                                           const std::vector<std::string>& units) {
  return std::make_unique<SystemdUnitWatch>(scope, runtime_dir, units);
}

}  // namespace agentctl
