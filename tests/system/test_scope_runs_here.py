"""`run --scope` is a program's own spawn(): its terminal, its streams, its status; and systemd bounds it all the same."""

import hashlib
import json
import os
import signal
import subprocess
import time

import pytest

from agentctl import Account, LATE, eventually, is_alive, pids_with_argument, seconds_between
from terminal import Terminal


def test_binary_input_and_output_pass_unharmed(agentctl):
    content = os.urandom(10_000_000)
    result = agentctl("run", "--scope", "--", "cat", input=content)
    assert result.status == 0 and not result.err_bytes
    assert hashlib.sha256(result.out_bytes).hexdigest() == hashlib.sha256(content).hexdigest()


def test_the_three_streams_are_the_callers_own(agentctl, folder):
    for name in ("in", "out", "err"):
        open(f"{folder}/{name}", "wb").close()
    with open(f"{folder}/in", "rb") as stdin, open(f"{folder}/out", "wb") as stdout, open(f"{folder}/err", "wb") as stderr:
        process = agentctl.popen("run", "--scope", "--", "sh", "-c", "readlink /proc/self/fd/0 /proc/$$/fd/1 /proc/$$/fd/2; echo err >&2",
                                 stdin=stdin, stdout=stdout, stderr=stderr)
        assert process.wait(10) == 0
    with open(f"{folder}/out", encoding="utf-8") as file:
        assert file.read().split() == [f"{folder}/{name}" for name in ("in", "out", "err")]
    with open(f"{folder}/err", encoding="utf-8") as file:
        assert file.read() == "err\n", "nothing of ours is mixed in"


@pytest.mark.parametrize("script, status, state", [
    ("exit 0", 0, "exited"), ("exit 3", 3, "failed"), ("exit 125", 125, "failed"), ("kill -KILL $$", 137, "failed"),
    ("ulimit -c 0; kill -SEGV $$", 139, "failed")])
def test_the_exit_status_is_the_commands(agentctl, script, status, state):
    result = agentctl("run", "--scope", "-n", "a", "--", "sh", "-c", script)
    assert (result.status, result.out, result.err) == (status, "", "")
    session = agentctl.status("a")
    assert (session["state"], session["unit"]) == (state, "agentctl-a.scope")
    number = None if status < 128 else status - 128
    assert (session["exit"]["code"], session["exit"]["signal"]) == (status if number is None else None, number)
    assert session["ended_at"] and session["started_at"] and session["pid"]
    assert not agentctl.units()
    assert agentctl("wait", "a").status == status


def test_it_is_a_live_session_meanwhile(agentctl, folder):
    process = agentctl.popen("run", "--scope", "-n", "a", "-p", "shop", "--ttl", "1h", "--", "sleep", "1000")
    eventually(lambda: agentctl.names() == ["a"] and agentctl.status("a")["state"] == "running", what="a running session")
    session = agentctl.status("a")
    assert is_alive(session["pid"]) and session["project"] == "shop" and session["expires_at"]
    assert agentctl.units() == {"agentctl-a.scope"}
    assert agentctl.processes("a") == [session["pid"]], "agentctl itself stays outside"
    assert agentctl("run", "-n", "a", "--", "true").status == 4
    assert agentctl.ok("stop", "a") == "a: stopped, 1 process, 0 left\n"
    assert process.wait(15) == 128 + signal.SIGTERM
    assert agentctl.status("a")["state"] == "stopped"


# What a command makes of SIGTERM, and the status that it ends with.
ENDS = [("echo up; exec sleep 1000", 128 + signal.SIGTERM), ("trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done", 0),
        ("trap 'sleep 0.3; exit 7' TERM; echo up; while :; do sleep 0.1; done", 7)]


def start_here(agentctl, *options, script=ENDS[0][0]):
    process = agentctl.popen("run", "--scope", "-n", "a", *options, "--", "sh", "-c", script)
    assert process.stdout.readline() == b"up\n"
    eventually(lambda: agentctl.status("a")["state"] == "running", what="a running session")
    return process


@pytest.mark.parametrize("script, status", ENDS)
def test_it_can_be_stopped_with_systemctl(agentctl, script, status):
    process = start_here(agentctl, script=script)
    assert agentctl.systemctl("stop", "agentctl-a.scope").status == 0
    assert process.wait(15) == status
    session = agentctl.status("a")
    assert (session["state"], session["reason"]) == ("stopped", "stopped with systemctl")
    assert not agentctl.units()


@pytest.mark.parametrize("script, status", ENDS)
def test_it_can_be_stopped_with_agentctl(agentctl, script, status):
    process = start_here(agentctl, "--ttl", "1h", script=script)
    assert agentctl("stop", "a").status == 0
    assert process.wait(15) == status
    session = agentctl.status("a")
    assert (session["state"], session["reason"]) == ("stopped", f"stopped by {agentctl.account.name}")


def test_a_signal_with_systemctl_is_no_stop(agentctl):
    process = start_here(agentctl)
    assert agentctl.systemctl("kill", "--signal=TERM", "agentctl-a.scope").status == 0
    assert process.wait(15) == 128 + signal.SIGTERM
    session = agentctl.status("a")
    assert (session["state"], session["reason"]) == ("failed", "killed by SIGTERM")


def test_neither_reload_nor_reexecution_makes_it_forget_who_ended_it(agentctl):
    for verb in ("daemon-reload", "daemon-reexec"):
        process = start_here(agentctl)
        assert agentctl.systemctl(verb).status == 0
        assert agentctl.systemctl("stop", "agentctl-a.scope").status == 0
        assert process.wait(15) == 128 + signal.SIGTERM
        assert agentctl.status("a")["reason"] == "stopped with systemctl", verb


def test_what_it_leaves_behind_goes_with_it(agentctl):
    mark = f"left-{time.monotonic_ns()}"
    script = f"for i in 1 2 3; do setsid sh -c 'trap \"\" HUP; sleep 1000; :' {mark} >/dev/null 2>&1 & done; sleep 0.3; exit 3"
    result = agentctl("run", "--scope", "-n", "a", "--stop-timeout", "1s", "--", "sh", "-c", script)
    assert result.status == 3
    assert not pids_with_argument(mark)
    assert agentctl.status("a")["exit"]["code"] == 3


@pytest.mark.parametrize("script", ["sleep 1000 & wait"] + [script for script, _ in ENDS])
def test_the_time_limit_ends_it(agentctl, script):
    result = agentctl("run", "--scope", "-n", "a", "--ttl", "1s", "--", "sh", "-c", script)
    assert result.status == 124
    session = agentctl.status("a")
    assert (session["state"], session["reason"]) == ("expired", "time limit of 1s reached")
    assert 1 <= seconds_between(session["started_at"], session["ended_at"]) <= 1 + LATE


def test_a_scope_session_has_no_log_and_says_so(agentctl):
    assert agentctl("run", "--scope", "-n", "a", "--", "echo", "hello").out == "hello\n"
    result = agentctl("logs", "a")
    assert result.status == 1 and "--scope" in result.err and not result.out
    agentctl.ok("status", "a")


def test_what_a_scope_cannot_do_is_refused(agentctl, folder):
    for options in (["--stdout", f"{folder}/x"], ["--stderr", f"{folder}/x"], ["--wait"], ["--follow"], ["--detach"]):
        result = agentctl("run", "--scope", *options, "--", "true")
        assert result.status == 2 and not result.out, options
    assert not agentctl.names("-a") and not os.listdir(folder)


def test_a_command_that_cannot_be_executed(agentctl, folder):
    with open(f"{folder}/no-interpreter", "w", encoding="utf-8") as file:
        file.write("#!/nonexistent/interpreter\n")
    os.chmod(f"{folder}/no-interpreter", 0o755)
    for command, status in (("/nonexistent", 127), ("nonexistent-command", 127), ("/etc/passwd", 126), (f"{folder}/no-interpreter", 126)):
        result = agentctl("run", "--scope", "-n", "a", "--", command)
        assert result.status == status and command in result.err and not result.out, (command, result)
        assert not agentctl.units() and not agentctl.records("live")


def test_ctrl_c_reaches_the_command_once(agentctl):
    program = '$| = 1; $SIG{INT} = sub { print "int\\n"; exit 7 if ++$n == 2 }; print "ready\\n"; sleep 1 while 1'
    with Terminal(agentctl.account, ["agentctl", "run", "--scope", "-n", "a", "--", "perl", "-e", program]) as terminal:
        terminal.expect("ready")
        terminal.send("\x03")
        terminal.expect("int")
        assert terminal.plain.count("int") == 1
        terminal.send("\x03")
        assert terminal.finish() == 7
    assert agentctl.status("a")["exit"]["code"] == 7


def test_ctrl_c_ends_a_plain_command(agentctl):
    with Terminal(agentctl.account, ["agentctl", "run", "--scope", "-n", "a", "--", "sleep", "1000"]) as terminal:
        eventually(lambda: agentctl.names() and agentctl.status("a")["state"] == "running", what="a running session")
        terminal.send("\x03")
        assert terminal.finish() == 128 + signal.SIGINT
    assert agentctl.status("a")["exit"]["signal"] == signal.SIGINT


def test_it_has_the_terminal(agentctl):
    script = "test -t 0 && test -t 1 && test -t 2 && tty && stty size && read line && echo got $line"
    with Terminal(agentctl.account, ["agentctl", "run", "--scope", "--", "sh", "-c", script], columns=91, lines=33) as terminal:
        terminal.expect("33 91")
        terminal.send("hello\r")
        terminal.expect("got hello")
        assert terminal.finish() == 0


def test_a_shells_job_control_works_in_it(agentctl):
    with Terminal(agentctl.account, ["agentctl", "run", "--scope", "--", "bash", "--norc", "-i"]) as terminal:
        terminal.send("sleep 1000\r")
        eventually(lambda: terminal.read(0.01) and "sleep 1000" in terminal.plain, what="the command")
        eventually(lambda: foreground_is(terminal, "sleep"), what="sleep in the foreground")
        terminal.send("\x1a")
        terminal.expect("Stopped")
        terminal.send("fg\r")
        eventually(lambda: terminal.read(0.01) and foreground_is(terminal, "sleep"), what="sleep in the foreground again")
        terminal.send("\x03")
        eventually(lambda: terminal.read(0.01) and foreground_is(terminal, "bash"), what="the shell in the foreground")
        terminal.send("exit 5\r")
        assert terminal.finish() == 5


def foreground_is(terminal, name):
    try:
        with open(f"/proc/{os.tcgetpgrp(terminal.master)}/comm", encoding="utf-8") as file:
            return file.read().strip() == name
    except FileNotFoundError:
        return False


def test_the_terminal_is_closed(agentctl):
    with Terminal(agentctl.account, ["agentctl", "run", "--scope", "-n", "a", "--", "sleep", "1000"]) as terminal:
        eventually(lambda: agentctl.names() and agentctl.status("a")["state"] == "running", what="a running session")
        pid = agentctl.status("a")["pid"]
    assert not is_alive(pid), "what is bound to a terminal ends with it"
    assert agentctl.wait_ended("a")["exit"]["signal"] == signal.SIGHUP
    assert not agentctl.units()


def test_a_signal_to_agentctl_is_passed_on(agentctl):
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        process = agentctl.popen("run", "--scope", "-n", "a", "--", "sleep", "1000", start_new_session=True)
        eventually(lambda: agentctl.units() and agentctl.status("a")["state"] == "running", what="a running session")
        process.send_signal(number)
        assert process.wait(15) == 128 + number
        assert agentctl.status("a")["exit"]["signal"] == number


def test_the_waiting_agentctl_is_killed(agentctl):
    process = agentctl.popen("run", "--scope", "-n", "a", "--", "sleep", "1000")
    eventually(lambda: agentctl.units() and agentctl.status("a")["state"] == "running", what="a running session")
    before = agentctl.status("a")
    process.kill()
    process.wait(15)
    assert agentctl.status("a")["pid"] == before["pid"] and agentctl.status("a")["state"] == "running"
    assert agentctl.ok("stop", "a") == "a: stopped, 1 process, 0 left\n"
    assert agentctl.status("a")["reason"] == f"stopped by {agentctl.account.name}"
    assert not is_alive(before["pid"])


def test_the_record_tells_as_much_as_a_detached_ones(agentctl):
    agentctl("run", "--scope", "-n", "a", "-p", "shop", "--group", "g", "--label", "k=v", "--", "sh", "-c", "exit 4")
    session = agentctl.status("a")
    assert (session["state"], session["reason"], session["project"]) == ("failed", "exited with status 4", "shop")
    assert (session["group"], session["labels"], session["cwd"]) == ("g", {"k": "v"}, agentctl.account.home)
    record = agentctl.record("a", "ended")
    assert record["end"]


def test_many_at_once(agentctl):
    processes = [agentctl.popen("run", "--scope", "--", "sh", "-c", f"sleep 0.2; exit {number}") for number in range(30)]
    assert [process.wait(20) for process in processes] == list(range(30))
    assert len(agentctl.names("-a")) == 30 and not agentctl.names() and not agentctl.units()


def test_it_works_in_a_login_session(user_agentctl):
    """As a person has it: the caller is in the login session's own scope, under another part of the tree."""
    result = subprocess.run(["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "-p", "PAMName=login", "-p", "User=tester",
                             "agentctl", "run", "--scope", "-n", "a", "--", "sh", "-c", "cat; tail -n 1 /proc/self/cgroup; exit 3"],
                            input=b"hello\n", capture_output=True, check=False)
    assert result.returncode == 3, result
    assert result.stdout.startswith(b"hello\n")
    assert b"/user@%d.service/agentctl.slice/" % Account("tester").uid in result.stdout


def test_json_does_not_mix_with_the_commands_output(agentctl):
    result = agentctl("run", "--scope", "--json", "-n", "a", "--", "echo", "mine")
    assert (result.status, result.out, result.err) == (0, "mine\n", "")
    result = agentctl("run", "--scope", "--json", "-n", "a", "-C", "/nonexistent", "--", "echo", "mine")
    assert (result.status, result.out) == (125, "") and json.loads(result.err)["error"]["object"] == "/nonexistent"
