"""How a session ended is written down at once, by nobody but systemd and what it runs: no agentctl need be there."""

import os
import signal
import subprocess
import time

import pytest

from agentctl import LATE, eventually, is_alive, parse_time, seconds_between

WITHIN = 1.0


def recorded_end(agentctl, name):
    """The end in the record, as soon as it is on disk. agentctl is not asked."""
    record = eventually(lambda: agentctl.record(name, "ended"), WITHIN, f"the end of {name} in its record")
    assert record["end"], record
    return record["end"]


def wait_for_line(agentctl, name, line=b"up\n"):
    eventually(lambda: agentctl.logs(name) == line, what=f"{line} of {name}")


@pytest.mark.parametrize("script, state, code, number, reason", [
    ("exit 0", "exited", 0, None, "exited with status 0"),
    ("exit 3", "failed", 3, None, "exited with status 3"),
    ("exit 255", "failed", 255, None, "exited with status 255"),
    ("kill -SEGV $$", "failed", None, signal.SIGSEGV, "killed by SIGSEGV"),
    ("kill -TERM $$", "failed", None, signal.SIGTERM, "killed by SIGTERM"),
    ("kill -KILL $$", "failed", None, signal.SIGKILL, "killed by SIGKILL"),
])
def test_the_end_of_a_command(agentctl, folder, script, state, code, number, reason):
    agentctl.ok("run", "-n", "a", "--", "sh", "-c", f"ulimit -c 0; while [ ! -e {folder}/go ]; do sleep 0.01; done; {script}")
    pid = agentctl.status("a")["pid"]
    open(f"{folder}/go", "w").close()
    eventually(lambda: not is_alive(pid), what="the end of the command")
    ended = time.time()
    recorded_end(agentctl, "a")
    session = agentctl.status("a")
    assert session["state"] == state
    assert session["reason"].startswith(reason)
    assert (session["exit"]["code"], session["exit"]["signal"]) == (code, number)
    assert session["pid"] == pid
    assert abs(time.time() - ended) < WITHIN
    assert session["log_lost"] == 0
    assert session["usage"]["processes"] is None
    expected = code if code is not None else 128 + number
    assert agentctl("wait", "a").status == expected
    assert not agentctl.units(), "systemd has forgotten it"


def test_the_command_is_killed_from_outside(agentctl):
    pid = agentctl.run("a", "sleep", "1000")["pid"]
    os.kill(pid, signal.SIGKILL)
    recorded_end(agentctl, "a")
    session = agentctl.status("a")
    assert (session["state"], session["reason"]) == ("failed", "killed by SIGKILL")
    assert session["exit"]["signal"] == signal.SIGKILL
    assert agentctl("wait", "a").status == 128 + signal.SIGKILL


def test_the_session_host_alone_is_killed(agentctl):
    pid = agentctl.run("a", "sh", "-c", "setsid sleep 1000 & sleep 1000")["pid"]
    eventually(lambda: len(agentctl.processes("a")) == 4, what="all processes")
    processes = agentctl.processes("a")
    host = int(agentctl.show("agentctl-a.service", "MainPID")["MainPID"])
    assert host != pid and host in processes
    os.kill(host, signal.SIGKILL)
    recorded_end(agentctl, "a")
    session = agentctl.status("a")
    assert (session["state"], session["reason"]) == ("failed", "its session host was killed by SIGKILL")
    assert session["exit"]["signal"] == signal.SIGKILL
    assert not any(is_alive(process) for process in processes), "nothing lives on without its host"


def test_a_session_host_ignores_every_other_signal(agentctl):
    agentctl.run("a", "sh", "-c", "echo up; sleep 1000")
    wait_for_line(agentctl, "a")
    host = int(agentctl.show("agentctl-a.service", "MainPID")["MainPID"])
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGPIPE, signal.SIGALRM):
        os.kill(host, number)
    assert agentctl.status("a")["state"] == "running"
    agentctl.ok("stop", "a")
    assert agentctl.status("a")["reason"] == f"stopped by {agentctl.account.name}"


def test_times_are_those_of_the_events(agentctl):
    began = time.time()
    agentctl.run("a", "sleep", "0.5")
    assert agentctl("wait", "a").status == 0
    session = agentctl.status("a")
    assert 0.5 <= seconds_between(session["started_at"], session["ended_at"]) <= 0.5 + LATE
    assert 0 <= seconds_between(session["created_at"], session["started_at"]) <= LATE
    assert session["ready_at"] == session["started_at"]
    assert began - 0.01 <= parse_time(session["created_at"]) <= time.time()


def test_what_was_left_behind_ends_with_the_command(agentctl):
    agentctl.run("a", "sh", "-c", "setsid sleep 1000 & exit 5")
    recorded_end(agentctl, "a")
    session = agentctl.status("a")
    assert (session["state"], session["exit"]["code"]) == ("failed", 5)
    assert not agentctl.units()


def test_wait_ends_with_the_first_status_that_is_not_0(agentctl):
    agentctl.run("a", "true")
    agentctl.run("b", "sh", "-c", "sleep 0.2; exit 3")
    agentctl.run("c", "sh", "-c", "exit 4")
    assert agentctl("wait", "a", "b", "c").status == 3
    assert agentctl("wait", "a").status == 0
    assert agentctl("wait", "c", "b").status == 4
    sessions = agentctl("wait", "--json", "a", "b").json()
    assert [session["state"] for session in sessions] == ["exited", "failed"]


def test_wait_gives_up_when_told(agentctl):
    agentctl.run("a", "sleep", "1000")
    agentctl.run("b", "true")
    result = agentctl("wait", "--timeout", "300ms", "a", "b")
    assert result.status == 7 and "'a'" in result.err and not result.out
    assert 0.3 <= result.seconds < 0.3 + LATE
    assert agentctl("wait", "--for", "ready", "a").status == 0
    assert agentctl("wait", "nobody").status == 3


def test_wait_for_one_that_never_becomes_ready(agentctl):
    agentctl.run("a", "false")
    agentctl.wait_ended("a")
    assert agentctl("wait", "--for", "ready", "a").status == 1
    assert agentctl("wait", "--for", "healthy", "a").status == 4


def test_many_wait_for_the_same(agentctl):
    agentctl.run("a", "sh", "-c", "sleep 1; exit 3")
    waiting = [agentctl.popen("wait", "a") for _ in range(10)]
    assert [process.wait(10) for process in waiting] == [3] * 10


def connections_of(pid):
    """How many sockets a process has open."""
    return subprocess.run(["ls", "-l", f"/proc/{pid}/fd"], capture_output=True, text=True, check=False).stdout.count("socket:")


def test_wait_is_woken_by_the_end(agentctl, folder):
    agentctl.run("a", "sh", "-c", f"while [ ! -e {folder}/go ]; do sleep 0.01; done; date +%s.%N > {folder}/ended")
    waiting = agentctl.popen("wait", "a")
    # The first connection to the bus has found the session; the second is there to hear of its end.
    eventually(lambda: connections_of(waiting.pid) == 2, what="it waits")
    open(f"{folder}/go", "w").close()
    assert waiting.wait(10) == 0
    woken = time.time()
    with open(f"{folder}/ended", encoding="ascii") as file:
        assert woken - float(file.read()) < LATE


@pytest.mark.parametrize("by", ["agentctl", "systemctl"])
def test_a_kill_of_the_whole_session_is_its_end(agentctl, by):
    agentctl.run("a", "sh", "-c", "sleep 1000 & wait")
    if by == "agentctl":
        agentctl.ok("kill", "-s", "KILL", "a")
    else:
        agentctl.systemctl("kill", "--signal=KILL", "agentctl-a.service")
    recorded_end(agentctl, "a")
    session = agentctl.status("a")
    assert session["state"] == "failed" and "SIGKILL" in session["reason"]
    assert agentctl("wait", "a").status == 128 + signal.SIGKILL


def test_what_it_used_is_kept(agentctl):
    agentctl.run("a", "/usr/bin/python3", "-c", "import time\nwhile time.process_time() < 0.3: pass")
    assert agentctl.wait_ended("a")["usage"]["cpu_ns"] >= 300_000_000


@pytest.mark.parametrize("name", ["HUP", "SIGUSR1", "10", "INT"])
def test_kill_sends_a_signal_to_all(agentctl, name):
    agentctl.run("a", "perl", "-e", '$| = 1; $SIG{$_} = sub { print "got\\n" } for qw(HUP USR1 INT); print "up\\n"; sleep 1 while 1')
    wait_for_line(agentctl, "a")
    agentctl.ok("kill", "-s", name, "a")
    eventually(lambda: agentctl.logs("a") == b"up\ngot\n", what="the signal")
    assert agentctl.status("a")["state"] == "running"


def test_what_cannot_be_signalled(agentctl):
    agentctl.run("a", "true")
    agentctl.wait_ended("a")
    assert agentctl("kill", "a").status == 4
    assert agentctl("kill", "nobody").status == 3
    for name in ("NOPE", "0", "-1", "99", ""):
        assert agentctl("kill", "-s", name, "a").status == 2, name
