"""What is printed for people: on terminals of any width, in colour or not, in the reader's time zone."""

import os
import re
import subprocess
import time

import pytest

from agentctl import Account, Agentctl, eventually
from terminal import Terminal


def screen_of(agentctl, *arguments, columns=80, **variables):
    with Terminal(agentctl.account, ["agentctl", *arguments], columns=columns,
                  env=agentctl.account.environment(**variables)) as terminal:
        assert terminal.finish() == 0
        return terminal


@pytest.fixture
def sessions(agentctl):
    agentctl.run("web", "sh", "-c", "echo hello; sleep 1000", options=["-p", "a-project-with-a-long-name", "--ttl", "2h"])
    agentctl.run("x" * 40, "sleep", "1000")
    agentctl.run("failing", "sh", "-c", "exit 3")
    agentctl.run("prompt", "echo", "fix the tests, all of them, and then some more: " * 20)
    agentctl.wait_ended("failing")
    agentctl.wait_ended("prompt")
    return agentctl


@pytest.mark.parametrize("columns", [80, 60, 132, 200])
def test_list_fits_the_terminal(sessions, columns):
    for arguments in (["list"], ["list", "-a"]):
        terminal = screen_of(sessions, *arguments, columns=columns)
        lines = terminal.plain.replace("\r", "").splitlines()
        assert len(lines) == 1 + len(sessions.names(*arguments[1:])), "one line a session"
        assert all(len(line) <= columns for line in lines), lines
        assert lines[0].split()[:2] == ["NAME", "STATE"]
        for name in ("web", "x" * 40):
            assert any(line.startswith(name + " ") for line in lines), "names are whole"


def test_list_shows_all_that_one_wants_to_know(sessions):
    lines = screen_of(sessions, "list", "-a", columns=200).plain.splitlines()
    assert lines[0].split() == ["NAME", "STATE", "WHY", "PROJECT", "AGE", "LEFT", "CPU", "MEMORY", "PROCS", "COMMAND"] or \
        lines[0].split() == ["NAME", "STATE", "WHY", "PROJECT", "AGE", "LEFT", "CPU", "PROCS", "COMMAND"], "the kernel may not account memory"
    rows = {line.split()[0]: line for line in lines[1:]}
    assert "a-project-with-a-long-name" in rows["web"] and re.search(r"\b1h 59min\b", rows["web"])
    assert "exited with status 3" in rows["failing"] and " ago" in rows["failing"]


def test_colour_by_state_only_on_a_terminal(sessions):
    colours = "\x1b["
    screen = screen_of(sessions, "list", "-a", columns=120).screen
    green, red = "\x1b[32mrunning", "\x1b[31mfailed"
    assert green in screen and red in screen
    assert colours not in screen_of(sessions, "list", "-a", "--no-color").screen
    assert colours not in screen_of(sessions, "--no-color", "list", "-a").screen
    assert colours not in screen_of(sessions, "list", "-a", NO_COLOR="1").screen
    assert colours not in sessions.ok("list", "-a")
    assert colours not in sessions.ok("status", "web")


def test_json_has_whole_values(sessions):
    (session,) = [session for session in sessions.list("-a") if session["name"] == "prompt"]
    assert session["command"][1] == "fix the tests, all of them, and then some more: " * 20


def test_times_are_in_the_readers_zone(agentctl):
    agentctl.run("a", "sleep", "1000", options=["--ttl", "1h"])
    for zone, word in (("Asia/Tokyo", "JST"), ("UTC", "UTC"), ("Europe/Berlin", "CE"), ("XYZ-3", "XYZ")):
        env = agentctl.account.environment(TZ=zone)
        text = agentctl.ok("status", "a", env=env)
        if not os.path.exists(f"/usr/share/zoneinfo/{zone}") and "/" in zone:
            continue
        created = re.search(r"created +(\S+ \S+) (\S+)", text)
        assert created and created[2].startswith(word), (zone, text)
        os.environ["TZ"] = zone
        time.tzset()
        try:
            assert abs(time.mktime(time.strptime(created[1], "%Y-%m-%d %H:%M:%S")) - time.time()) < 60, zone
        finally:
            del os.environ["TZ"]
            time.tzset()
    assert agentctl.status("a")["created_at"].endswith("Z"), "JSON is always UTC"


def test_logs_with_times(agentctl):
    agentctl.run("a", "echo", "hello")
    agentctl.wait_ended("a")
    line = agentctl.ok("logs", "--times", "a", env=agentctl.account.environment(TZ="XYZ-3"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d XYZ hello\n", line)


def test_a_program_cannot_take_over_the_terminal_of_who_looks(agentctl):
    evil = "\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m \x9b2J \x07bell \x1b[5n\x1bc"
    agentctl.run("a", "printf", "%s\\n", evil, options=["--label", "k=v"])
    agentctl.wait_ended("a")
    for arguments in (["logs", "a"], ["status", "a"], ["list", "-a"]):
        screen = screen_of(agentctl, *arguments, columns=200).screen
        assert not re.search(r"\x1b[^\[]|\x1b\[[0-9;]*[^0-9;m]|\x07|\x9b", screen), (arguments, screen)
    assert "\x1b[31mred" in screen_of(agentctl, "logs", "a").screen, "colours are harmless"
    assert agentctl.logs("a") == evil.encode() + b"\n", "and into a pipe goes every byte"


def test_status_shows_the_processes_the_last_lines_and_where_to_look(agentctl):
    agentctl.run("a", "sh", "-c", "seq 1 30; sleep 1000 & sleep 1000", options=["-p", "shop", "--ttl", "1h", "--label", "team=red"])
    eventually(lambda: agentctl.logs("a").endswith(b"30\n") and len(agentctl.processes("a")) == 4, what="all of it")
    text = agentctl.ok("status", "a")
    session = agentctl.status("a")
    assert text.startswith(f"a ({session['id']})  running, for ")
    for word in ("shop", "team=red", "agentctl-a.service", agentctl.account.home, "processes  4", "systemctl ", "journalctl ", "30", "21"):
        assert word in text, word
    assert "\n  20\n" not in text, "the last ten lines"
    for pid in agentctl.processes("a"):
        assert str(pid) in text


def test_run_on_a_terminal_says_what_comes_next(agentctl):
    terminal = screen_of(agentctl, "run", "-n", "a", "--", "sleep", "1000")
    for word in ("a started", "agentctl logs -f a", "agentctl status a", "agentctl stop a"):
        assert word in terminal.plain


def test_a_live_line_where_one_waits_over_a_second(agentctl):
    agentctl.run("a", "sleep", "1.8")
    with Terminal(agentctl.account, ["agentctl", "wait", "a"]) as terminal:
        terminal.expect("waiting for a")
        assert terminal.finish() == 0
        assert terminal.screen.endswith("\r\x1b[K"), "it does not stay"
    agentctl.run("a", "sleep", "0.3")
    with Terminal(agentctl.account, ["agentctl", "wait", "a"]) as terminal:
        assert terminal.finish() == 0 and not terminal.screen
    agentctl.run("a", "sleep", "1.3")
    assert agentctl("wait", "a").err == "", "only on a terminal"


def test_an_ended_foreground_run_says_why_on_a_terminal(agentctl):
    with Terminal(agentctl.account, ["agentctl", "run", "--wait", "-n", "a", "--", "sh", "-c", "exit 3"]) as terminal:
        assert terminal.finish() == 3
        assert "failed, exited with status 3" in terminal.plain


def test_nothing_to_show_is_said(agentctl):
    assert agentctl.ok("list") == "no live sessions (agentctl list -a shows ended ones)\n"
    assert agentctl.ok("list", "-a") == "no sessions\n"
    assert agentctl.list() == []


@pytest.fixture
def fleeting_agentctl():
    """A user without lingering, but with a manager as after a login."""
    subprocess.run("id fleeting >/dev/null 2>&1 || useradd --create-home --shell /bin/bash fleeting", shell=True, check=True)
    account = Account("fleeting")
    # pam_systemd starts the manager for the first session, and ends it after the last.
    login = subprocess.Popen(["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "-p", "PAMName=login", "-p", "User=fleeting",
                              "--unit=fleeting-login", "sleep", "1000"], stdin=subprocess.DEVNULL)
    eventually(lambda: os.path.exists(f"{account.runtime_dir}/bus"), 10, "the user's manager")
    subject = Agentctl(account)
    subject.clean()
    yield subject
    subject.clean()
    login.terminate()
    login.wait()
    subprocess.run(["systemctl", "stop", "fleeting-login.service", f"user@{account.uid}.service"], check=False, capture_output=True)
    subprocess.run("loginctl terminate-user fleeting; userdel --remove --force fleeting", shell=True, check=False, capture_output=True)


def test_a_user_without_lingering_is_told_once(fleeting_agentctl):
    agentctl = fleeting_agentctl
    assert agentctl("run", "-n", "piped", "--", "sleep", "1000").err == "", "not where nobody reads it"
    first = screen_of(agentctl, "run", "-n", "a", "--", "sleep", "1000")
    assert "your sessions end when you log out" in first.plain and "loginctl enable-linger fleeting" in first.plain
    second = screen_of(agentctl, "run", "-n", "b", "--", "sleep", "1000")
    assert "log out" not in second.plain
    assert re.search(r"warning +lingering", agentctl("doctor").out)
    assert "enable-linger fleeting" in agentctl("doctor").out


def test_one_with_lingering_is_not_told(user_agentctl):
    assert "log out" not in screen_of(user_agentctl, "run", "-n", "a", "--", "sleep", "1000").plain
    assert re.search(r"ok +lingering", user_agentctl("doctor").out)
