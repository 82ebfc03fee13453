"""Members of group agentctl may end, signal, restart and reset sessions of the system manager with plain systemctl."""

import signal
import subprocess

import pytest

from agentctl import Account, eventually


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


@pytest.fixture
def scope(system_agentctl):
    """A session of root's that is a scope, with the agentctl that waits for it."""
    with system_agentctl.popen("run", "-n", "a", "--scope", "--", "sleep", "1000") as process:
        eventually(lambda: system_agentctl.names() == ["a"], what="the scope")
        assert system_agentctl.status("a")["unit"] == "agentctl-a.scope"
        yield process
        process.terminate()


def test_a_member_stops_a_scope(member, system_agentctl, scope):
    assert systemctl(member, "stop", "agentctl-a.scope").status == 0
    assert scope.wait(10) == 128 + signal.SIGTERM
    session = system_agentctl.wait_ended("a")
    assert (session["state"], session["reason"]) == ("stopped", "stopped with systemctl")


def test_a_member_signals_a_scope(member, system_agentctl, scope):
    assert systemctl(member, "kill", "--signal=KILL", "agentctl-a.scope").status == 0
    assert scope.wait(10) == 128 + signal.SIGKILL
    assert system_agentctl.wait_ended("a")["state"] == "failed"


@pytest.fixture
def foreign_scope():
    """A scope that is no session, though its name ends as one's would."""
    with subprocess.Popen(["systemd-run", "--quiet", "--scope", "--unit=not-agentctl-a", "sleep", "1000"]) as process:
        eventually(lambda: subprocess.run(["systemctl", "is-active", "--quiet", "not-agentctl-a.scope"], check=False).returncode == 0,
                   what="the other scope")
        yield "not-agentctl-a.scope"
        process.terminate()


def test_a_member_may_do_nothing_else_to_scopes(member, system_agentctl, scope, foreign_scope):
    before = system_agentctl.processes("a")
    for words in (["start", "agentctl-a.scope"], ["set-property", "--runtime", "agentctl-a.scope", "TasksMax=5"],
                  ["freeze", "agentctl-a.scope"], ["stop", foreign_scope], ["kill", foreign_scope]):
        assert systemctl(member, *words).status != 0, words
    assert scope.poll() is None and system_agentctl.processes("a") == before
    assert systemctl(member, "is-active", foreign_scope).out == "active\n"


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


@pytest.mark.parametrize("verb", ["stop", "kill", "reset-failed"])
def test_who_is_no_member_may_do_nothing_to_a_scope(packaged, user_agentctl, system_agentctl, scope, verb):
    assert systemctl(user_agentctl.account, verb, "agentctl-a.scope").status != 0
    assert scope.poll() is None and system_agentctl.status("a")["state"] == "running"


@pytest.mark.parametrize("verb", ["stop", "kill", "restart", "reset-failed", "start"])
def test_who_is_no_member_may_do_nothing(packaged, user_agentctl, system_agentctl, verb):
    before = system_agentctl.run("a", "sleep", "1000")
    assert systemctl(user_agentctl.account, verb, "agentctl-a.service").status != 0
    after = system_agentctl.status("a")
    assert (after["state"], after["pid"]) == ("running", before["pid"])
