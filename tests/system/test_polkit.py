"""Members of group agentctl may end, signal, restart and reset sessions of the system manager with plain systemctl."""

import subprocess

import pytest

from agentctl import Account


@pytest.fixture
def member(packaged, other_agentctl):
    """User 'other' as a member of the group."""
    account = other_agentctl.account
    subprocess.run(["usermod", "-aG", "agentctl", account.name], check=True)
    yield Account(account.name)
    subprocess.run(["gpasswd", "-d", account.name, "agentctl"], check=True, stdout=subprocess.DEVNULL)


def systemctl(account, *arguments):
    return account.run(["systemctl", "--system", "--no-ask-password", "--no-pager", *arguments])


def test_a_member_stops_a_session(member, system_agentctl):
    system_agentctl.run("a", "sleep", "1000")
    assert systemctl(member, "stop", "agentctl-a.service").status == 0
    session = system_agentctl.wait_ended("a")
    assert (session["state"], session["reason"]) == ("stopped", "stopped with systemctl")


def test_a_member_signals_a_session(member, system_agentctl):
    system_agentctl.run("a", "sleep", "1000")
    assert systemctl(member, "kill", "--signal=KILL", "agentctl-a.service").status == 0
    assert system_agentctl.wait_ended("a")["state"] == "failed"


def test_a_member_restarts_a_session(member, system_agentctl):
    system_agentctl.run("a", "sleep", "1000")
    assert systemctl(member, "restart", "agentctl-a.service").status == 0
    session = system_agentctl.status("a")
    assert (session["state"], session["attempt"]) == ("running", 2)


def test_a_member_resets_a_session(member, system_agentctl):
    system_agentctl.run("a", "sleep", "1000")
    assert systemctl(member, "reset-failed", "agentctl-a.service").status == 0


@pytest.mark.parametrize("command", [
    ["systemctl", "--system", "--no-ask-password", "start", "agentctl-reconcile.service"],
    ["systemctl", "--system", "--no-ask-password", "stop", "dbus.service"],
    ["systemctl", "--system", "--no-ask-password", "stop", "agentctl.slice"],
    ["systemctl", "--system", "--no-ask-password", "set-property", "--runtime", "agentctl-a.service", "TasksMax=5"],
    ["systemctl", "--system", "--no-ask-password", "daemon-reload"],
    ["systemctl", "--system", "--no-ask-password", "freeze", "agentctl-a.service"],
    ["systemd-run", "--system", "--no-ask-password", "--unit=agentctl-mine", "id"],
    ["systemd-run", "--system", "--no-ask-password", "--unit=agentctl-mine", "--scope", "id"],
    ["agentctl", "--system", "run", "-n", "mine", "--", "id"],
], ids=lambda command: " ".join(command[:1] + [word for word in command[1:] if not word.startswith("--")]))
def test_a_member_may_do_nothing_else(member, system_agentctl, command):
    system_agentctl.run("a", "sleep", "1000")
    before = system_agentctl.status("a")
    result = member.run(command)
    assert result.status != 0, result
    assert not system_agentctl.units("agentctl-mine")
    assert system_agentctl.status("a")["pid"] == before["pid"]
    assert systemctl(member, "is-active", "dbus.service").out == "active\n"


@pytest.mark.parametrize("verb", ["stop", "kill", "restart", "reset-failed", "start"])
def test_who_is_no_member_may_do_nothing(packaged, user_agentctl, system_agentctl, verb):
    before = system_agentctl.run("a", "sleep", "1000")
    assert systemctl(user_agentctl.account, verb, "agentctl-a.service").status != 0
    after = system_agentctl.status("a")
    assert (after["state"], after["pid"]) == ("running", before["pid"])
