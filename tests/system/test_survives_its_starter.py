"""A detached session goes on when its terminal, the agentctl that started it or waits for it, and systemd itself change."""

import json
import os
import signal
import time

import pytest

from agentctl import LATE, eventually, is_alive
from terminal import Terminal

KEYS = {"id", "name", "unit", "scope", "state", "reason", "healthy", "command", "cwd", "project", "group", "agent",
        "work_item", "labels", "ports", "attrs", "pid", "invocation_id", "boot_id", "attempt", "restarts", "created_at",
        "started_at", "ready_at", "ended_at", "expires_at", "ttl_s", "exit", "stopped_by", "usage", "log_lost", "health", "attempts",
        "exclusive", "source", "pool", "priority", "persist", "on_end", "flow", "step"}


def assert_still_runs(agentctl, before):
    after = agentctl.status(before["name"])
    assert after["state"] == "running"
    for key in ("id", "pid", "invocation_id", "started_at", "attempt"):
        assert after[key] == before[key], key
    assert is_alive(before["pid"])


def test_run_returns_at_once_and_prints_the_name_alone(agentctl):
    result = agentctl("run", "-n", "a", "--", "sleep", "1000")
    assert (result.status, result.out, result.err) == (0, "a\n", "")
    assert result.seconds < LATE
    session = agentctl.status("a")
    assert (session["state"], session["command"]) == ("running", ["sleep", "1000"])
    assert is_alive(session["pid"])


def test_run_in_json_gives_the_session(agentctl):
    session = agentctl("run", "--json", "-n", "a", "-p", "shop", "--group", "night", "--agent", "claude", "--work-item",
                       "shop#7", "--label", "team=red", "--label", "x=", "--port", "3000", "--port", "3001", "--ttl", "90min",
                       "--", "sleep", "1000").json()
    assert session["usage"]["processes"] == 2, "the command and its session host"
    assert set(session) == KEYS
    assert set(session["exit"]) == {"code", "signal", "result"}
    assert set(session["usage"]) == {"cpu_ns", "memory_bytes", "memory_peak_bytes", "processes"}
    expected = {"name": "a", "unit": "agentctl-a.service", "scope": agentctl.scope, "state": "running", "project": "shop",
                "group": "night", "agent": "claude", "work_item": "shop#7", "labels": {"team": "red", "x": ""},
                "ports": [3000, 3001], "attempt": 1, "restarts": 0, "ttl_s": 5400, "cwd": agentctl.account.home}
    assert {key: session[key] for key in expected} == expected
    (listed,) = agentctl.list()
    assert set(listed) == KEYS
    for key in KEYS - {"usage"}:
        assert listed[key] == agentctl.status("a")[key] == session[key], key


def test_a_name_is_made_when_none_is_given(agentctl):
    name = agentctl.ok("run", "--", "/usr/bin/sleep", "1000").strip()
    assert name.startswith("sleep-")
    session = agentctl.status(name)
    assert session["id"].startswith(name.removeprefix("sleep-"))
    assert agentctl.status(session["id"])["name"] == name
    assert agentctl.status(session["id"][:8])["name"] == name, "the beginning of an id is enough"


def test_the_terminal_is_closed(agentctl):
    with Terminal(agentctl.account, ["bash", "--norc", "-i"]) as terminal:
        terminal.send("agentctl run -n a -- sleep 1000\r")
        terminal.expect("a started")
        before = agentctl.status("a")
        shell = terminal.process.pid
    eventually(lambda: not is_alive(shell), what="the shell's end by SIGHUP")
    assert_still_runs(agentctl, before)


@pytest.mark.parametrize("verb", [["run", "--wait", "-n", "a", "--"], ["run", "--follow", "-n", "a", "--"]])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGHUP])
def test_the_waiting_agentctl_is_killed(agentctl, verb, number):
    process = agentctl.popen(*verb, "sleep", "1000")
    eventually(lambda: agentctl.names() == ["a"] and agentctl.status("a")["state"] == "running", what="a running session")
    before = agentctl.status("a")
    process.send_signal(number)
    process.wait(15)
    assert_still_runs(agentctl, before)


def test_who_waits_is_told_how_to_end_it_on_ctrl_c(agentctl):
    process = agentctl.popen("run", "--wait", "-n", "a", "--", "sleep", "1000")
    eventually(lambda: agentctl.names() == ["a"] and agentctl.status("a")["state"] == "running", what="a running session")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=15)
    assert b"session 'a' goes on; to end it: agentctl stop a" in err


@pytest.mark.parametrize("verb", ["daemon-reexec", "daemon-reload"])
def test_systemd_is_reexecuted_or_reloaded(agentctl, folder, verb):
    before = agentctl.run("a", "sh", "-c", f"echo before; while [ ! -e {folder}/go ]; do sleep 0.05; done; echo after; exit 3")
    agentctl.run("b", "sleep", "1000")
    waiting = agentctl.popen("wait", "a")
    following = agentctl.popen("logs", "-f", "a")
    assert agentctl.systemctl(verb).status == 0
    assert_still_runs(agentctl, before)
    open(f"{folder}/go", "w").close()
    assert (waiting.communicate(timeout=15)[1], waiting.returncode) == (b"", 3)
    assert following.communicate(timeout=15)[0] == b"before\nafter\n"
    session = agentctl.status("a")
    assert (session["state"], session["exit"]["code"]) == ("failed", 3), "the recorder still belongs to the unit"
    assert agentctl.ok("stop", "b") == "b: stopped, 2 processes, 0 left\n"
    assert agentctl.status("b")["state"] == "stopped"


def test_every_kind_of_end_after_a_reload_is_recorded_by_the_recorder(agentctl):
    endings = {"host-killed": "failed", "stopped": "stopped", "expired": "expired"}
    for name in endings:
        agentctl.run(name, "sleep", "1000", options=["--ttl", "2s"] if name == "expired" else [])
    assert agentctl.systemctl("daemon-reload").status == 0
    os.kill(int(agentctl.show("agentctl-host-killed.service", "MainPID")["MainPID"]), signal.SIGKILL)
    assert agentctl.systemctl("stop", "agentctl-stopped.service").status == 0
    for name, state in endings.items():
        eventually(lambda: agentctl.record(name, "ended"), 4, f"the end of {name} on disk")
        assert agentctl.status(name)["state"] == state


def test_what_the_session_starts_in_the_background_of_the_callers_group_is_its_own(agentctl):
    """The caller's process group and session are not the session's: a kill of them does not reach it."""
    process = agentctl.account.popen(["sh", "-c", "agentctl run -n a -- sleep 1000; sleep 1000"], start_new_session=True,
                                     stdout=-3)
    eventually(lambda: agentctl.names() == ["a"] and agentctl.status("a")["state"] == "running", what="a running session")
    before = agentctl.status("a")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(15)
    assert os.getsid(before["pid"]) != process.pid
    assert_still_runs(agentctl, before)


def test_dry_run_shows_the_unit_and_makes_nothing(agentctl):
    out = agentctl.ok("run", "--dry-run", "-n", "a", "--ttl", "90s", "-p", "my-shop", "--", "sleep", "60")
    lines = out.splitlines()
    assert lines[0] == "agentctl-a.service"
    assert "  Type=notify" in lines and "  RuntimeMaxUSec=90000000" in lines and "  Slice=agentctl-my\\x2dshop.slice" in lines
    assert not agentctl.names("-a") and not agentctl.units() and not agentctl.records()
    scope = agentctl.ok("run", "--dry-run", "--scope", "-n", "a", "--", "sleep", "60")
    assert scope.splitlines()[0] == "agentctl-a.scope"
    assert not agentctl.names("-a") and not agentctl.units()


def test_wait_and_follow_end_with_the_sessions_status(agentctl):
    assert agentctl("run", "--wait", "--", "true").status == 0
    assert agentctl("run", "--wait", "--", "sh", "-c", "exit 3").status == 3
    assert agentctl("run", "--wait", "--", "sh", "-c", "kill -KILL $$").status == 137
    result = agentctl("run", "--follow", "--", "sh", "-c", "echo out; echo err >&2; printf end; exit 4")
    assert (result.status, result.out, result.err) == (4, "out\nend", "err\n")
    result = agentctl("run", "--wait", "--json", "-n", "a", "--", "sh", "-c", "exit 3")
    assert result.status == 3 and json.loads(result.out)["exit"]["code"] == 3
    assert agentctl("run", "-d", "--wait", "--", "true").status == 2


def test_follow_shows_each_line_as_it_comes(agentctl):
    process = agentctl.popen("run", "--follow", "--", "sh", "-c", "echo one; sleep 0.5; echo two; sleep 0.5; printf part; sleep 0.5")
    came = []
    while chunk := os.read(process.stdout.fileno(), 100):
        came.append((chunk, time.monotonic()))
    assert process.wait(15) == 0
    assert b"".join(chunk for chunk, _ in came) == b"one\ntwo\npart"
    assert 0.1 <= came[1][1] - came[0][1]
