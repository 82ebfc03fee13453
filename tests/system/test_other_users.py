"""Whose systemd, whose files, whose environment: the two scopes, other users, and callers without a login's variables."""

import os
import socket
import stat

import pytest


def test_root_uses_the_system_manager_and_a_user_its_own(user_agentctl, system_agentctl):
    user_agentctl.run("a", "sleep", "1000")
    system_agentctl.run("a", "sleep", "1000")
    assert user_agentctl.status("a")["scope"] == "user"
    assert system_agentctl.status("a")["scope"] == "system"
    assert user_agentctl.status("a")["id"] != system_agentctl.status("a")["id"]
    user_agentctl.ok("stop", "a")
    assert system_agentctl.status("a")["state"] == "running"


@pytest.mark.parametrize("missing", [{"XDG_RUNTIME_DIR": None, "DBUS_SESSION_BUS_ADDRESS": None},
                                     {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"}])
def test_a_user_manager_is_found_without_a_logins_variables(user_agentctl, missing):
    """As from cron, sudo, and agents that clean their environment."""
    environment = user_agentctl.account.environment(**missing)
    assert user_agentctl.ok("run", "-n", "a", "--", "sleep", "1000", env=environment) == "a\n"
    assert "a" in user_agentctl.ok("list", env=environment)
    user_agentctl.ok("stop", "a", env=environment)


def test_a_user_without_a_manager_is_told_how_to_get_one(user_agentctl):
    environment = user_agentctl.account.environment(XDG_RUNTIME_DIR="/run/user/4999")
    result = user_agentctl("run", "--", "true", env=environment)
    assert result.status == 6
    assert "cannot reach your systemd user manager" in result.err
    assert "hint: sudo loginctl enable-linger tester" in result.err
    assert not user_agentctl.records(), "a refusal changes nothing"


def test_root_runs_a_session_as_another_user(system_agentctl):
    script = "id -un; echo $HOME $USER; pwd; echo ${SECRET-unset}"
    environment = system_agentctl.account.environment(SECRET="root's own")
    system_agentctl.ok("run", "-n", "a", "--uid", "tester", "--", "sh", "-c", script, env=environment)
    session = system_agentctl.wait_ended("a")
    assert session["state"] == "exited"
    assert system_agentctl.logs("a").decode().split("\n") == ["tester", "/home/tester tester", "/home/tester", "unset", ""]
    assert not os.listdir(system_agentctl.runtime), "its runtime folder is gone"


def test_the_end_of_another_users_session_is_recorded_by_root(system_agentctl):
    system_agentctl.ok("run", "-n", "a", "--uid", "tester", "--", "sh", "-c", "exit 3")
    assert system_agentctl.wait_ended("a")["exit"]["code"] == 3
    record = system_agentctl.records("ended")[0]
    assert os.stat(record).st_uid == 0 and stat.S_IMODE(os.stat(record).st_mode) == 0o600


def test_a_user_cannot_run_as_another(user_agentctl):
    result = user_agentctl("run", "--uid", "other", "--", "true")
    assert result.status == 2 and "a user manager runs sessions as its own user only" in result.err
    result = user_agentctl("--system", "run", "--", "true")
    assert result.status == 5, result
    assert not user_agentctl.records() and not os.path.exists("/run/agentctl/tester")


def test_another_user_sees_and_reaches_nothing(user_agentctl, other_agentctl):
    session = user_agentctl.run("a", "sleep", "1000")
    other = other_agentctl.account
    assert other_agentctl.names("-a") == []
    assert other_agentctl("status", "a").status == 3
    assert other_agentctl("stop", "a").status == 3
    folder = f"{user_agentctl.runtime}/{session['id']}"
    assert other.run(["ls", folder]).status != 0
    assert other.run(["cat", user_agentctl.records("live")[0]]).status != 0
    for name in ("launch.json", "host.json", "control"):
        assert stat.S_IMODE(os.stat(f"{folder}/{name}").st_mode) == 0o600, name


def test_the_control_socket_refuses_another_uid(user_agentctl, other_agentctl):
    session = user_agentctl.run("a", "sleep", "1000")
    path = f"{user_agentctl.runtime}/{session['id']}/control"
    # Root opens the folders that keep others out, and the socket's own check is what is left.
    account = other_agentctl.account
    pid = os.fork()
    if pid == 0:
        with socket.socket(socket.AF_UNIX) as client:
            folder = os.open(os.path.dirname(path), os.O_PATH)
            os.setresgid(account.gid, account.gid, account.gid)
            os.setresuid(account.uid, account.uid, account.uid)
            try:
                client.connect(f"/proc/self/fd/{folder}/control")
                client.settimeout(5)
                os._exit(0 if client.recv(1) == b"" else 1)
            except PermissionError:
                os._exit(0)
            except OSError:
                os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert user_agentctl.status("a")["state"] == "running"


def test_the_callers_umask_is_the_sessions(agentctl, folder):
    result = agentctl.account.shell(f"umask 077; agentctl run -n a --wait -- touch {folder}/secret; umask 002; "
                                    f"agentctl run -n b --wait -- touch {folder}/shared")
    assert result.status == 0, result
    assert stat.S_IMODE(os.stat(f"{folder}/secret").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(f"{folder}/shared").st_mode) == 0o664
