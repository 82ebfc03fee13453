"""`doctor` finds what sessions need of a host and says how to mend it; it changes nothing."""

import contextlib
import glob
import json
import os
import subprocess

import pytest

from agentctl import eventually


def verdicts(result):
    return {finding["topic"]: finding["verdict"] for finding in result.json()}


def finding(result, topic):
    """The only one of that topic."""
    (found,) = [found for found in result.json() if found["topic"] == topic]
    return found


@pytest.fixture
def journald_conf():
    """Writes a drop-in and has journald read it; afterwards there is none."""
    path = "/run/systemd/journald.conf.d/50-test.conf"

    def write(text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write("[Journal]\n" + text)
        restart_journald()
    yield write
    os.unlink(path)
    restart_journald()


def restart_journald():
    """However often: systemd counts, and forgets that when it is told to."""
    subprocess.run(["systemctl", "reset-failed", "systemd-journald.service"], check=True)
    subprocess.run(["systemctl", "restart", "systemd-journald.service"], check=True)
    # 257 goes on in memory after Storage=volatile, where nobody but root reads it, until it is told to go to the disk.
    subprocess.run(["journalctl", "--flush"], check=True)


def test_a_healthy_host(agentctl):
    result = agentctl("doctor", "--json")
    assert result.status == 0, result
    found = verdicts(result)
    assert found.pop("user manager" if agentctl.scope == "user" else "system manager") in ("ok", "warning"), "other units may have failed"
    assert set(found.values()) == {"ok"}, result.out
    assert {"systemd", "journal", "helpers", "registry"} <= set(found)
    assert agentctl("doctor").status == 0
    for finding in result.json():
        assert set(finding) == {"verdict", "topic", "text", "remedy"} and finding["text"]


def test_it_changes_nothing(agentctl):
    agentctl("doctor")
    assert not agentctl.records() and not agentctl.units()


def way_to_user_manager(agentctl, **environment):
    """What doctor tells to do, which is what other commands tell, too."""
    env = agentctl.account.environment(**environment)
    result = agentctl("doctor", "--json", env=env)
    assert result.status == 1
    found = finding(result, "user manager")
    assert found["verdict"] == "failure"
    result = agentctl("run", "--", "true", env=env)
    assert result.status == 6 and result.err.endswith(f"hint: {found['remedy']}\n")
    return found["remedy"]


def test_a_user_manager_that_is_elsewhere(user_agentctl, folder):
    remedy = way_to_user_manager(user_agentctl, XDG_RUNTIME_DIR=folder, DBUS_SESSION_BUS_ADDRESS=None)
    assert remedy == f"unset XDG_RUNTIME_DIR   (your manager is in {user_agentctl.account.runtime_dir})"


def test_a_user_manager_without_a_bus(user_agentctl):
    """As without dbus-user-session, which is only recommended."""
    user_agentctl.systemctl("stop", "dbus.socket", "dbus.service")
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{user_agentctl.account.runtime_dir}/bus")
        remedy = way_to_user_manager(user_agentctl)
        assert remedy == "sudo apt install dbus-user-session, then systemctl --user start dbus.socket"
        assert user_agentctl.account.shell(remedy.partition(", then ")[2]).status == 0
        user_agentctl.ok("run", "--wait", "--", "true")
    finally:
        user_agentctl.systemctl("start", "dbus.socket")


@pytest.mark.parametrize("lingers", [True, False])
def test_a_user_manager_that_does_not_run(other_agentctl, lingers):
    account = other_agentctl.account
    unit = f"user@{account.uid}.service"
    if not lingers:
        subprocess.run(["loginctl", "disable-linger", account.name], check=True)
    subprocess.run(["systemctl", "stop", unit], check=True)
    try:
        remedy = way_to_user_manager(other_agentctl)
        assert remedy == (f"systemctl status {unit}" if lingers else "sudo loginctl enable-linger other   (then it runs without a login)")
    finally:
        subprocess.run(["loginctl", "enable-linger", account.name], check=True)
        subprocess.run(["systemctl", "start", unit], check=True)
    assert verdicts(other_agentctl("doctor", "--json"))["user manager"] in ("ok", "warning")


def libexec_dir():
    return next(path for path in ("/usr/libexec/agentctl", "/usr/local/libexec/agentctl") if os.path.exists(path))


@pytest.mark.parametrize("helper", sorted(os.listdir(libexec_dir())))
def test_a_missing_helper(agentctl, helper):
    path = f"{libexec_dir()}/{helper}"
    os.rename(path, path + ".away")
    try:
        result = agentctl("doctor", "--json")
        assert result.status == 1 and verdicts(result)["helpers"] == "failure" and f"'{path}'" in result.out
        if helper != "session-host":
            return
        result = agentctl("run", "--", "true")
        assert result.status == 1 and "session host" in result.err and "agentctl doctor" in result.err and not result.out, result
        assert not agentctl.units()
    finally:
        os.rename(path + ".away", path)


def test_a_journal_without_its_folder(agentctl):
    (folder,) = glob.glob("/var/log/journal/????????????????????????????????")
    os.rename(folder, folder + ".away")
    try:
        found = finding(agentctl("doctor", "--json"), "journal")
        assert found["verdict"] in ("warning", "failure") and "/var/log/journal" in found["remedy"]
    finally:
        os.rename(folder + ".away", folder)


def test_a_journal_in_memory_although_there_is_one_on_disk(agentctl, journald_conf):
    agentctl.ok("run", "-n", "before", "--wait", "--", "echo", "on disk")
    journald_conf("Storage=volatile\n")
    agentctl.ok("run", "-n", "a", "--wait", "--", "echo", "in memory")
    found = finding(agentctl("doctor", "--json"), "journal")
    readable = agentctl.scope == "system"  # what is in memory is not split by user
    assert agentctl.logs("a") == (b"in memory\n" if readable else b"")
    assert found["verdict"] == ("warning" if readable else "failure") and found["text"].startswith("Storage=volatile: "), found
    assert "Storage=persistent" in found["remedy"]


def test_no_journal_at_all(agentctl, journald_conf):
    journald_conf("Storage=none\n")
    agentctl.ok("run", "-n", "a", "--wait", "--", "echo", "nowhere")
    result = agentctl("doctor", "--json")
    assert result.status == 1 and finding(result, "journal")["verdict"] == "failure"
    assert finding(result, "journal")["text"].startswith("Storage=none: ")


def test_a_rate_limit_that_others_may_hit_loses_none_of_ours(agentctl, journald_conf):
    """The journal's limit is as low as one may set it; session hosts stay below it."""
    journald_conf("RateLimitIntervalSec=30s\nRateLimitBurst=1000\n")
    assert verdicts(agentctl("doctor", "--json")).get("journal limit") == ("warning" if agentctl.scope == "user" else None)
    for number in range(10):
        agentctl.ok("run", "-n", f"s{number}", "--", "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do seq 1 1000; sleep 0.05; done")
    names = [f"s{number}" for number in range(10)]
    assert agentctl("wait", *names).status == 0
    expected = "".join(f"{i}\n" for i in range(1, 1001)) * 10
    for name in names:
        assert agentctl.logs(name).decode() == expected, name


def test_troubled_records_are_named(agentctl):
    agentctl.run("a", "true")
    agentctl.wait_ended("a")
    path = f"{agentctl.registry}/ended/b.abcdefghijkl.json"
    with open(path, "w", encoding="ascii") as file:
        file.write("garbage")
    result = agentctl("doctor", "--json")
    findings = [finding for finding in result.json() if path in finding["text"]]
    assert findings and findings[0]["verdict"] == "warning"


def test_a_host_that_was_not_booted_with_systemd(agentctl):
    """As in a plain container: what is missing is said, with status 6."""
    hide = "mount -t tmpfs tmpfs /run && exec setpriv --reuid {uid} --regid {gid} --clear-groups agentctl {arguments}"
    account = agentctl.account
    for arguments, status in (("doctor --json", 1), ("run -- true", 6), ("list", 6)):
        result = subprocess.run(["unshare", "--mount", "sh", "-c", hide.format(uid=account.uid, gid=account.gid, arguments=arguments)],
                                env=account.environment(), capture_output=True, text=True, check=False, cwd="/")
        assert result.returncode == status, (arguments, result)
        if status == 1:
            assert "not booted with systemd" in json.dumps(json.loads(result.stdout))
        else:
            assert result.stderr.startswith("agentctl: ") and not result.stdout


@pytest.mark.parametrize("topic", ["registry"])
def test_a_registry_that_cannot_be_written(user_agentctl, topic):
    user_agentctl.run("a", "true")
    user_agentctl.wait_ended("a")
    os.chmod(user_agentctl.registry, 0o500)
    try:
        result = user_agentctl("doctor", "--json")
        assert result.status == 1 and verdicts(result)[topic] == "failure" and user_agentctl.registry in result.out
    finally:
        os.chmod(user_agentctl.registry, 0o700)
    eventually(lambda: user_agentctl("doctor").status == 0, what="a healthy host again")
