#include "app/doctor.hpp"

#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/system.hpp"
#include "base/text.hpp"
#include "base/time.hpp"
#include "store/configuration_file.hpp"

namespace agentctl {
namespace {

constexpr std::int64_t oldest_systemd = 252;

Finding examine_manager(const Context& context, const HostFacts& facts) {
  const char* topic = context.scope == ManagerScope::user ? "user manager" : "system manager";
  if (!facts.booted_with_systemd)
    return {Verdict::failure, topic, "this host was not booted with systemd", "run agentctl where systemd is PID 1"};
  if (facts.manager_error.empty()) {
    const bool fine = facts.manager_state == "running";
    return {fine ? Verdict::ok : Verdict::warning, topic, "answers, state " + facts.manager_state,
            fine                                  ? ""
            : context.scope == ManagerScope::user ? "systemctl --user --failed"
                                                  : "systemctl --failed"};
  }
  return {Verdict::failure, topic, "cannot be reached: " + facts.manager_error,
          context.scope == ManagerScope::user
              ? way_to_user_manager(context.runtime.parent(), context.asker.uid, context.asker.user)
              : "systemctl status dbus.service"};
}

Finding examine_version(const HostFacts& facts) {
  const std::string digits = facts.systemd_version.substr(0, facts.systemd_version.find_first_not_of("0123456789"));
  const auto version = parse_decimal(digits);
  if (version && *version >= oldest_systemd) return {Verdict::ok, "systemd", "version " + facts.systemd_version, ""};
  return {Verdict::failure, "systemd", "version " + facts.systemd_version + " is older than 252", "upgrade the host"};
}

Finding examine_lingering(const Context& context) {
  if (lingers(context.asker.user)) return {Verdict::ok, "lingering", "sessions outlive your logout", ""};
  return {Verdict::warning, "lingering", "your sessions end when you log out",
          "sudo loginctl enable-linger " + context.asker.user};
}

// Each assignment of journald.conf(5) in turn: the last that is valid counts.
template <class Take>
void for_each_setting(std::string_view config, Take take) {
  while (!config.empty()) {
    const std::string_view line = take_line(config);
    const auto equals = line.find('=');
    if (equals != std::string_view::npos)
      take(trim(line.substr(0, equals)), std::string(trim(line.substr(equals + 1))));
  }
}

std::string storage_of_journal(std::string_view config) {
  std::string storage = "auto";
  for_each_setting(config, [&](std::string_view key, const std::string& value) {
    const bool valid = value == "auto" || value == "persistent" || value == "volatile" || value == "none";
    if (key == "Storage" && valid) storage = value;
  });
  return storage;
}

Finding examine_journal(const HostFacts& facts) {
  const std::string storage = storage_of_journal(facts.journal_config);
  const std::string change =
      "Storage=persistent in /etc/systemd/journald.conf and its drop-ins, then sudo systemctl restart systemd-journald";
  if (storage == "none") return {Verdict::failure, "journal", "Storage=none: what sessions print is not kept", change};
  if (storage == "volatile") {
    // What it kept on disk before is there still, and proves nothing.
    if (!facts.volatile_journal_readable)
      return {Verdict::failure, "journal",
              "Storage=volatile: there is nothing in it that you can read, so logs will be empty", change};
    return {Verdict::warning, "journal", "Storage=volatile: a reboot forgets what sessions printed", change};
  }
  if (!facts.journal_readable)
    return {Verdict::failure, "journal", "there is nothing in it that you can read, so logs will be empty",
            "journalctl --user -n 1, or sudo mkdir -p /var/log/journal && sudo journalctl --flush"};
  if (!facts.journal_persistent)
    return {Verdict::warning, "journal", "it is kept in memory only: a reboot forgets what sessions printed",
            "sudo mkdir -p /var/log/journal && sudo systemctl restart systemd-journald"};
  return {Verdict::ok, "journal", "kept on disk and readable", ""};
}

/// RateLimitIntervalSec= and RateLimitBurst= of journald.conf(5). Either may be 0: then there is no limit.
struct RateLimit {
  microseconds interval{30'000'000};
  std::int64_t burst = 10'000;
};

RateLimit parse_rate_limit(std::string_view config) {
  RateLimit limit;
  for_each_setting(config, [&](std::string_view key, const std::string& value) {
    if (key == "RateLimitIntervalSec") limit.interval = parse_time_span(value).value_or(limit.interval);
    if (key == "RateLimitBurst") limit.burst = parse_decimal(value).value_or(limit.burst);
  });
  return limit;
}

// It counts the messages of all sessions of a user together; session hosts batch, and stay far below what is usual.
Finding examine_rate_limit(const HostFacts& facts) {
  const RateLimit limit = parse_rate_limit(facts.journal_config);
  constexpr const char* topic = "journal limit";
  if (limit.burst == 0 || limit.interval.count() == 0) return {Verdict::ok, topic, "none", ""};
  const std::string words = std::to_string(limit.burst) + " messages in " + format_time_span(limit.interval);
  const RateLimit usual;
  const bool stricter = static_cast<double>(limit.burst) / static_cast<double>(limit.interval.count()) <
                        static_cast<double>(usual.burst) / static_cast<double>(usual.interval.count());
  if (!stricter) return {Verdict::ok, topic, words + " for all of your sessions together", ""};
  return {
      Verdict::warning, topic, words + " for all of your sessions together: what talks more is lost",
      "RateLimitBurst=10000 and RateLimitIntervalSec=30s in /etc/systemd/journald.conf, then sudo systemctl restart "
      "systemd-journald"};
}

Finding examine_helpers(const Context& context) {
  for (const char* helper : helpers) {
    const std::string path = context.libexec_dir + "/" + helper;
    if (::access(path.c_str(), X_OK) < 0)
      return {Verdict::failure, "helpers", "'" + path + "' cannot be executed",
              "sudo apt install --reinstall agentctl"};
  }
  return {Verdict::ok, "helpers", "all are in " + context.libexec_dir, ""};
}

Finding examine_runtime_folder(const std::string& path) {
  if (::access(path.c_str(), W_OK) == 0) return {Verdict::ok, "runtime folder", path, ""};
  return {Verdict::failure, "runtime folder", "'" + path + "' cannot be written to",
          "log in, or sudo loginctl enable-linger"};
}

// Without it nobody knows how many of a pool may live, so what waits goes on waiting.
Finding examine_configuration(const Context& context) {
  try {
    const PoolLimits limits = read_configuration(context.configuration_files).pools;
    return {Verdict::ok, "configuration",
            "at most " + std::to_string(limits.cap) + " sessions of a pool, and " +
                std::to_string(limits.pools.size()) + " pools have limits of their own",
            ""};
  } catch (const Error& error) {
    return {Verdict::failure, "configuration", error.what(), "$EDITOR " + error.object()};
  }
}

// The registry is made when it is first needed: what counts is whether it can be.
std::string nearest_existing(std::string path) {
  while (path.size() > 1 && ::access(path.c_str(), F_OK) < 0)
    path.erase(std::max<std::size_t>(path.find_last_of('/'), 1));
  return path;
}

void examine_registry(Context& context, std::vector<Finding>& findings) {
  const std::string& root = context.registry.root();
  const auto live = context.registry.live();
  const auto ended = context.registry.ended();
  for (const RegistryTrouble& trouble : context.registry.troubles())
    findings.push_back({Verdict::warning, "registry", "cannot use '" + trouble.path + "': " + trouble.reason,
                        "look at it, then remove it: rm '" + trouble.path + "'"});
  const std::string& link = context.registry.link();
  if (!link.empty() && ::access(link.c_str(), F_OK) == 0 && !is_same_file(root, link))
    findings.push_back({Verdict::warning, "registry",
                        "what systemd starts by itself does not see your XDG_STATE_HOME and uses another one, " + link,
                        "unset XDG_STATE_HOME, or when nothing lives remove one of the two"});
  const std::string folder = nearest_existing(root);
  if (::access(folder.c_str(), W_OK | X_OK) < 0) {
    findings.push_back({Verdict::failure, "registry", "'" + folder + "' cannot be written to",
                        "sudo chown " + context.asker.user + " '" + folder + "'"});
    return;
  }
  struct statvfs disk {};
  if (::statvfs(folder.c_str(), &disk) == 0 && disk.f_bavail == 0) {
    findings.push_back(
        {Verdict::failure, "registry", "there is no space left for '" + folder + "'", "df '" + folder + "'"});
    return;
  }
  findings.push_back(
      {Verdict::ok, "registry",
       root + ", " + std::to_string(live.size()) + " live and " + std::to_string(ended.size()) + " ended sessions",
       ""});
}

}  // namespace

std::vector<Finding> examine(Context& context, const HostFacts& facts) {
  std::vector<Finding> findings;
  findings.push_back(examine_manager(context, facts));
  if (!facts.systemd_version.empty()) findings.push_back(examine_version(facts));
  if (context.scope == ManagerScope::user) findings.push_back(examine_lingering(context));
  findings.push_back(examine_journal(facts));
  // In the system scope a unit has its own limit, and those of sessions have it lifted.
  if (context.scope == ManagerScope::user) findings.push_back(examine_rate_limit(facts));
  findings.push_back(examine_helpers(context));
  findings.push_back(examine_runtime_folder(context.runtime.parent()));
  findings.push_back(examine_configuration(context));
  examine_registry(context, findings);
  return findings;
}

}  // namespace agentctl
