"""Whose systemd, whose files, whose environment: the two scopes, other users, and callers without a login's variables."""

import os
import socket
import stat
import subprocess

import pytest

from agentctl import PATH, eventually, is_alive


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


@pytest.mark.parametrize("how", [
    ["env", "-i", f"PATH={PATH}", "setpriv", "--reuid=tester", "--regid=tester", "--init-groups"],  # cron without PAM
    ["runuser", "-u", "tester", "--"],
    ["su", "tester", "--shell=/bin/sh", "--session-command", 'exec "$0" "$@"', "--"],
    ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--uid=tester"],  # no login session, root's environment
    ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "-p", "PAMName=login", "-p", "User=tester"],  # a login
], ids=["env -i", "runuser", "su", "service", "login"])
def test_from_wherever_a_user_calls(user_agentctl, how):
    def call(*arguments):
        environment = {"PATH": PATH, "HOME": "/home/tester"} if how[0] in ("runuser", "su") else {"PATH": PATH}
        return subprocess.run([*how, "agentctl", *arguments], env=environment, cwd="/", capture_output=True, text=True, check=False)

    result = call("run", "-n", "a", "--", "sleep", "1000")
    assert (result.returncode, result.stdout) == (0, "a\n"), result
    assert user_agentctl.status("a")["state"] == "running"
    assert call("list", "--json").stdout.count('"name":"a"') == 1
    assert call("run", "--wait", "--", "sh", "-c", "exit 3").returncode == 3
    if how[0] != "su":
        assert call("run", "--scope", "--", "sh", "-c", "exit 4").returncode == 4
    assert call("stop", "a").stdout == "a: stopped, 2 processes, 0 left\n"
    assert user_agentctl.records("ended"), "the same registry as from a login"


@pytest.mark.parametrize("how", [["su", "tester", "--shell=/bin/sh", "--session-command", 'exec "$0" "$@"', "--"],
                                 ["setpriv", "--reuid=tester", "--regid=tester", "--init-groups"]], ids=["su", "setpriv"])
def test_the_runtime_folder_of_who_became_that_user_is_not_used(user_agentctl, other_agentctl, how):
    """As after `su USER` and `sudo -E`, which leave the variables of the login before."""
    environment = other_agentctl.account.environment(HOME="/home/tester")

    def call(*arguments):
        return subprocess.run([*how, "agentctl", *arguments], env=environment, cwd="/", capture_output=True, text=True, check=False)

    result = call("run", "-n", "a", "--", "sleep", "1000")
    assert (result.returncode, result.stdout, result.stderr) == (0, "a\n", ""), result
    assert user_agentctl.status("a")["state"] == "running" and other_agentctl.names() == []
    assert call("stop", "a").stdout == "a: stopped, 2 processes, 0 left\n"


def test_a_user_who_looks_in_the_wrong_place_is_told_the_right_one(user_agentctl, folder):
    environment = user_agentctl.account.environment(XDG_RUNTIME_DIR=folder)
    result = user_agentctl("run", "--", "true", env=environment)
    assert result.status == 6
    assert "cannot reach your systemd user manager" in result.err
    assert f"hint: unset XDG_RUNTIME_DIR   (your manager is in {user_agentctl.account.runtime_dir})" in result.err
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
    record = system_agentctl.record_files("ended")[0]
    assert os.stat(record).st_uid == 0 and stat.S_IMODE(os.stat(record).st_mode) == 0o600


def test_another_users_session_ends_like_any_other(system_agentctl):
    agentctl = system_agentctl
    for name in ("expired", "stopped", "killed", "reloaded", "restarted"):
        options = ["--uid", "tester", *(["--ttl", "6s"] if name == "expired" else [])]
        session = agentctl.run(name, "sh", "-c", "echo hello; sleep 1000", options=options)
        assert os.stat(f"/proc/{session['pid']}").st_uid == 4201
    assert agentctl.systemctl("daemon-reload").status == 0
    agentctl.ok("stop", "stopped")
    os.kill(agentctl.status("killed")["pid"], 9)
    os.kill(int(agentctl.show("agentctl-reloaded.service", "MainPID")["MainPID"]), 9)
    agentctl.ok("restart", "restarted")
    assert agentctl.status("restarted")["attempt"] == 2
    agentctl.ok("extend", "expired", "1s")
    assert agentctl("wait", "expired").status == 124
    states = {session["name"]: session["reason"] for session in agentctl.list("-a")}
    assert states["stopped"] == "stopped by root" and states["killed"] == "killed by SIGKILL"
    assert states["reloaded"] == "its session host was killed by SIGKILL"
    eventually(lambda: agentctl.logs("restarted") == b"hello\nhello\n", what="its lines")
    agentctl.ok("stop", "--all")


def test_a_session_as_another_user_gets_none_of_roots(system_agentctl):
    script = "id -u; id -g; id -Gn; cat /var/lib/agentctl/live/* 2>/dev/null; ls /run/agentctl 2>/dev/null; grep Cap /proc/self/status"
    system_agentctl.ok("run", "-n", "secret", "-e", "TOKEN=x", "--", "sleep", "1000")
    system_agentctl.ok("run", "--wait", "-n", "a", "--uid", "tester", "--", "sh", "-c", script)
    lines = system_agentctl.logs("a").decode().splitlines()
    assert lines[:3] == ["4201", "4201", "tester"]
    capabilities = dict(line.split(":\t") for line in lines[3:])
    assert capabilities["CapEff"] == capabilities["CapPrm"] == capabilities["CapAmb"] == "0" * 16


def test_what_such_a_session_leaves_cannot_mislead_root(system_agentctl):
    """Its runtime folder is its own: whatever it puts there, root neither follows nor waits for it."""
    script = r"""
        cd /run/agentctl/$AGENTCTL_SESSION
        rm -f host.json launch.json; mkfifo host.json; ln -s /etc/passwd launch.json
        mkdir -p sub/sub; ln -s /etc other; ln -s /var/lib/agentctl registry
        exit 3
    """
    with open("/etc/passwd", "rb") as file:
        before = file.read()
    system_agentctl.ok("run", "-n", "a", "--uid", "tester", "--", "sh", "-c", script)
    eventually(lambda: not system_agentctl.units(), what="the end")
    session = system_agentctl.wait_ended("a")
    assert (session["state"], session["exit"]["code"]) == ("failed", 3)
    assert system_agentctl("list", "-a", timeout=5).status == 0 and system_agentctl("reconcile", timeout=5).status == 0
    with open("/etc/passwd", "rb") as file:
        assert file.read() == before
    assert os.path.isdir("/etc/systemd") and len(system_agentctl.records("ended")) == 1
    subprocess.run("rm -rf /run/agentctl/*", shell=True, check=True)


def test_a_user_stops_nothing_of_roots(user_agentctl, system_agentctl):
    session = system_agentctl.run("a", "sleep", "1000")
    for arguments in (["stop", "a"], ["kill", "a"], ["restart", "a"], ["extend", "a", "1h"], ["rm", "a"], ["stop", "--all"]):
        result = user_agentctl("--system", *arguments)
        assert result.status != 0, arguments
    assert system_agentctl.status("a")["pid"] == session["pid"] and is_alive(session["pid"])
    assert system_agentctl.status("a")["stopped_by"] is None


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
    assert other.run(["cat", user_agentctl.record_files("live")[0]]).status != 0
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
