"""`adopt`: what was started by hand becomes a session: listed, bounded, and stopped with all of its descendants."""

import os
import signal
import subprocess
import time

import pytest

from agentctl import eventually, is_alive


def program_of(pid):
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
        return file.read().split("\0")[0]


@pytest.fixture
def started(agentctl):
    """Starts processes by hand, and ends them afterwards."""
    processes = []

    def start(script, **options):
        process = agentctl.account.popen(["bash", "-c", script], stdout=subprocess.PIPE, start_new_session=True, **options)
        processes.append(process)
        if script.startswith("exec "):  # in between it has no command line
            eventually(lambda: program_of(process.pid) not in ("", "bash"))
        return process
    yield start
    for process in processes:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.stdout.close()
        process.wait()


def test_a_process_and_its_descendants_become_a_session(agentctl, started, folder):
    process = started("setsid sleep 1000 & (sleep 1001 & exec sleep 1002) & echo ready; sleep 1003; true", cwd=folder)
    assert process.stdout.readline() == b"ready\n"
    assert agentctl.ok("adopt", "-n", "a", "-p", "shop", str(process.pid)) == "a\n"
    session = agentctl.status("a")
    assert session["state"] == "running" and session["pid"] == process.pid and session["cwd"] == folder
    assert session["command"][0] == "bash" and session["project"] == "shop" and session["unit"] == "agentctl-a.scope"
    assert session["usage"]["processes"] == 5
    assert process.pid in agentctl.processes("a")
    assert agentctl.names() == ["a"]
    assert ": stopped, 5 processes, 0 left" in agentctl.ok("stop", "a")
    process.wait(timeout=10)
    assert agentctl.status("a")["state"] == "stopped"


def test_it_ends_at_its_limit(agentctl, started):
    process = started("exec sleep 1000")
    agentctl.ok("adopt", "-n", "a", "--ttl", "500ms", str(process.pid))
    process.wait(timeout=10)
    eventually(lambda: agentctl.list() == [])


def test_its_own_end_is_noticed_by_itself(agentctl, started, folder):
    """Nobody asks agentctl: systemd starts our reconcile when the scope has ended."""
    process = started(f"while [ ! -e {folder}/go ]; do sleep 0.02; done")
    agentctl.ok("adopt", "-n", "a", "--on-end", f"echo $AGENTCTL_STATE > {folder}/ended", str(process.pid))
    open(f"{folder}/go", "w").close()
    eventually(lambda: os.path.exists(f"{folder}/ended") and open(f"{folder}/ended").read(), 10, "its end is told")
    session = agentctl.status("a")
    assert session["state"] == "lost" and session["reason"] == "it has ended, and only its parent knows how: it was adopted"


def test_children_born_meanwhile_are_not_left_behind(agentctl, started):
    for turn in range(5):
        process = started("while :; do sleep 1000 & n=$((n+1)); [ $n -lt 300 ] || break; done; echo ready; wait")
        name = f"a{turn}"
        assert agentctl("adopt", "-n", name, str(process.pid)).status == 0
        assert process.stdout.readline() == b"ready\n"
        assert len(agentctl.processes(name)) == 301
        agentctl.ok("stop", name)
        process.wait(timeout=10)


def test_what_a_users_manager_cannot_move_is_refused_as_a_whole(user_agentctl):
    uid = user_agentctl.account.uid
    script = f"import os, time\nos.fork() or time.sleep(1000)\nos.setgid({uid})\nos.setuid({uid})\nos.execvp('sleep', ['sleep', '1000'])"
    with subprocess.Popen(["python3", "-c", script], start_new_session=True) as process:
        eventually(lambda: open(f"/proc/{process.pid}/comm").read() == "sleep\n")
        result = user_agentctl("adopt", "-n", "a", str(process.pid))
        os.killpg(process.pid, signal.SIGKILL)
    assert result.status == 5 and ", which descends from it, belongs to root" in result.err, result
    assert not user_agentctl.names("-a") and not user_agentctl.units()


def test_zombies_and_other_sessions_stay_where_they_are(agentctl, started):
    process = started("agentctl run --scope -n inner -- sleep 1000 & true & exec sleep 1001")
    eventually(lambda: agentctl.names() == ["inner"])
    inner = agentctl.processes("inner")
    assert agentctl.ok("adopt", "-n", "outer", str(process.pid)) == "outer\n"
    assert agentctl.processes("inner") == inner and process.pid in agentctl.processes("outer")


def test_a_shell_can_adopt_itself(agentctl):
    result = agentctl.account.run(["bash", "-c", "agentctl adopt -n me $$ && agentctl list --json && exec sleep 0.2"])
    assert result.status == 0 and result.out.startswith("me\n") and '"state":"running"' in result.out, result


@pytest.mark.parametrize("case", ["none", "no number", "init", "not ours", "kernel", "a session", "name taken"])
def test_what_cannot_be_adopted_is_refused_and_left_alone(agentctl, started, case):
    process = started("exec sleep 1000")
    before = open(f"/proc/{process.pid}/cgroup").read()
    name, pid, status, text = "b", process.pid, 4, ""
    stranger = None
    if case == "none":
        pid, status, text = 4194304, 3, "there is no such process"
    elif case == "no number":
        pid, status, text = "web", 2, "PID takes a number"
    elif case == "init":
        pid, status, text = 1, (2 if agentctl.scope == "system" else 5), "systemd" if agentctl.scope == "system" else "it belongs to root"
    elif case == "not ours":
        stranger = subprocess.Popen(["sleep", "1000"], user=65534)
        pid, status, text = stranger.pid, 5, "it belongs to nobody"
    elif case == "kernel":
        stranger = agentctl.account.popen(["true"])
        eventually(lambda: open(f"/proc/{stranger.pid}/stat").read().split()[2] == "Z", what="a zombie, which runs nothing either")
        pid, status, text = stranger.pid, 2, "it runs no program"
    elif case == "a session":
        pid, text = agentctl.run("a", "sleep", "1000")["pid"], "session 'a' has it already"
    elif case == "name taken":
        agentctl.run("b", "sleep", "1000")
        text = "a session of that name lives"
    result = agentctl("adopt", "-n", name, str(pid))
    assert result.status == status and text in result.err and not result.out, result
    assert open(f"/proc/{process.pid}/cgroup").read() == before and is_alive(process.pid)
    assert agentctl.names() == {"a session": ["a"], "name taken": ["b"]}.get(case, [])
    if stranger:
        stranger.kill()
        stranger.wait()
