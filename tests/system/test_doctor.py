"""`doctor` finds what sessions need of a host and says how to mend it; it changes nothing."""

import glob
import json
import os
import subprocess

import pytest

from agentctl import eventually


def verdicts(result):
    return {finding["topic"]: finding["verdict"] for finding in result.json()}


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


def test_no_user_manager(user_agentctl, folder):
    env = user_agentctl.account.environment(XDG_RUNTIME_DIR=folder, DBUS_SESSION_BUS_ADDRESS=None)
    result = user_agentctl("doctor", "--json", env=env)
    assert result.status == 1
    (finding,) = [finding for finding in result.json() if finding["topic"] == "user manager"]
    assert finding["verdict"] == "failure" and "enable-linger tester" in finding["remedy"]


def test_a_missing_helper(agentctl):
    path = next(path for path in ("/usr/libexec/agentctl/session-host", "/usr/local/libexec/agentctl/session-host") if os.path.exists(path))
    os.rename(path, path + ".away")
    try:
        result = agentctl("doctor", "--json")
        assert result.status == 1 and verdicts(result)["helpers"] == "failure" and path in result.out
        result = agentctl("run", "--", "true")
        assert result.status == 1 and "session host" in result.err and "agentctl doctor" in result.err and not result.out, result
        assert not agentctl.units()
    finally:
        os.rename(path + ".away", path)


def test_a_volatile_journal(agentctl):
    (folder,) = glob.glob("/var/log/journal/????????????????????????????????")
    os.rename(folder, folder + ".away")
    try:
        result = agentctl("doctor", "--json")
        assert verdicts(result)["journal"] in ("warning", "failure")
        (finding,) = [finding for finding in result.json() if finding["topic"] == "journal"]
        assert "/var/log/journal" in finding["remedy"]
    finally:
        os.rename(folder + ".away", folder)


def test_a_rate_limit_that_others_may_hit_loses_none_of_ours(agentctl):
    """The journal's limit is as low as one may set it; session hosts stay below it."""
    conf = "/run/systemd/journald.conf.d/50-strict.conf"
    os.makedirs(os.path.dirname(conf), exist_ok=True)
    with open(conf, "w", encoding="ascii") as file:
        file.write("[Journal]\nRateLimitIntervalSec=30s\nRateLimitBurst=1000\n")
    try:
        subprocess.run(["systemctl", "restart", "systemd-journald.service"], check=True)
        assert verdicts(agentctl("doctor", "--json")).get("journal limit") == ("warning" if agentctl.scope == "user" else None)
        for number in range(10):
            agentctl.ok("run", "-n", f"s{number}", "--", "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do seq 1 1000; sleep 0.05; done")
        names = [f"s{number}" for number in range(10)]
        assert agentctl("wait", *names).status == 0
        expected = "".join(f"{i}\n" for i in range(1, 1001)) * 10
        for name in names:
            assert agentctl.logs(name).decode() == expected, name
    finally:
        os.unlink(conf)
        subprocess.run(["systemctl", "restart", "systemd-journald.service"], check=True)


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
