"""After `stop` nothing of a session is left, wherever its processes have gone."""

import os
import re
import threading
import time

import pytest

from agentctl import LATE, eventually, is_alive, pids_with_argument, within

TREE = 100


def start_tree(agentctl, programs, folder, name, *options):
    mark = f"{name}-{time.monotonic_ns()}"
    agentctl.run(name, f"{programs}/process-tree", mark, str(TREE), folder, options=options)
    eventually(lambda: len(pids_with_argument(mark)) >= TREE and os.listdir(folder), what="the whole tree")
    assert len(agentctl.processes(name)) == TREE + 1, "the tree and its session host"
    return mark


def test_stop_ends_a_tree_that_does_everything_to_survive(agentctl, programs, folder):
    mark = start_tree(agentctl, programs, folder, "web", "--stop-timeout", "2s")
    began = time.monotonic()
    out = agentctl.ok("stop", "web")
    seconds = time.monotonic() - began
    assert not pids_with_argument(mark)
    assert out == f"web: stopped, {TREE + 1} processes, 0 left\n"
    assert seconds <= 2 + LATE
    session = agentctl.status("web")
    assert session["state"] == "stopped"
    assert not agentctl.units()


def test_stop_takes_at_most_its_timeout_and_a_second(agentctl, programs, folder):
    def seconds():
        mark = start_tree(agentctl, programs, folder, "web", "--stop-timeout", "1s")
        result = agentctl("stop", "web")
        assert result.status == 0 and not pids_with_argument(mark)
        for name in os.listdir(folder):
            os.unlink(f"{folder}/{name}")
        return result.seconds

    within(2, seconds)


def test_stop_is_quick_when_all_obey(agentctl):
    agentctl.run("web", "sh", "-c", "for i in 1 2 3 4 5; do setsid sleep 1000 & done; wait")
    eventually(lambda: len(agentctl.processes("web")) == 7, what="all processes")
    began = time.monotonic()
    assert agentctl.ok("stop", "web") == "web: stopped, 7 processes, 0 left\n"
    assert time.monotonic() - began < LATE, "not its timeout, 5 s"


def test_the_default_stop_timeout_is_5_seconds(agentctl):
    agentctl.run("web", "sh", "-c", "trap '' TERM; while :; do sleep 1; done")
    began = time.monotonic()
    out = agentctl.ok("stop", "web")
    assert 4.9 <= time.monotonic() - began <= 5 + LATE
    assert re.fullmatch(r"web: stopped, \d processes, 0 left\n", out)


def test_a_shorter_and_a_longer_timeout_for_this_stop_only(agentctl):
    stubborn = "trap '' TERM; while :; do sleep 0.1; done"
    agentctl.run("shorter", "sh", "-c", stubborn)
    agentctl.run("longer", "sh", "-c", stubborn, options=["--stop-timeout", "200ms"])
    took = {}

    def stop(name, timeout):
        began = time.monotonic()
        agentctl.ok("stop", "--timeout", timeout, name)
        took[name] = time.monotonic() - began

    threads = [threading.Thread(target=stop, args=pair) for pair in (("shorter", "500ms"), ("longer", "2s"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.5 <= took["shorter"] <= 0.5 + LATE
    assert 2 <= took["longer"] <= 2 + LATE
    assert agentctl.status("shorter")["state"] == agentctl.status("longer")["state"] == "stopped"


def test_a_timeout_without_end_is_one_like_any_other(agentctl):
    agentctl.run("web", "sleep", "1000")
    assert agentctl.ok("stop", "--timeout", "infinity", "web") == "web: stopped, 2 processes, 0 left\n"


def test_a_longer_timeout_that_a_paused_host_cannot_be_told_is_refused(agentctl):
    for name in ("first", "paused"):
        agentctl.run(name, "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done", options=["--stop-timeout", "200ms"])
    agentctl.ok("kill", "-s", "STOP", "paused")
    result = agentctl("stop", "--timeout", "1h", "first", "paused")
    assert result.status == 7 and "cannot stop session 'paused': the session host does not answer" in result.err, result
    assert "hint: agentctl stop paused\n" in result.err
    for name in ("first", "paused"):
        session = agentctl.status(name)
        assert (session["state"], session["stopped_by"]) == ("running", None), "a refusal changes nothing"
    began = time.monotonic()
    agentctl.ok("stop", "first", "paused")
    assert time.monotonic() - began < 20, "not the hour that first was to have"


def test_a_signal_before_it_is_no_stop(agentctl):
    agentctl.run("web", "sh", "-c", "trap '' TERM; while :; do sleep 1; done", options=["--stop-timeout", "200ms"])
    agentctl.ok("kill", "web")
    began = time.monotonic()
    agentctl.ok("stop", "--timeout", "2s", "web")
    assert 2 <= time.monotonic() - began <= 2 + LATE, "what the stop was given counts"
    assert agentctl.status("web")["state"] == "stopped"


def test_who_stopped_it_and_why_is_kept(agentctl):
    agentctl.run("web", "sleep", "1000")
    agentctl.ok("stop", "--reason", "wrong branch", "web")
    session = agentctl.status("web")
    assert session["state"] == "stopped"
    assert session["reason"] == f"stopped by {agentctl.account.name}: wrong branch"
    by = session["stopped_by"]
    assert (by["uid"], by["user"], by["reason"]) == (agentctl.account.uid, agentctl.account.name, "wrong branch")
    assert by["pid"] > 0 and by["command"]
    assert agentctl("wait", "web").status == 128 + 15


def test_a_program_that_ends_well_on_sigterm_was_stopped_all_the_same(agentctl):
    agentctl.run("web", "perl", "-e", '$| = 1; $SIG{TERM} = sub { print "bye\\n"; exit 0 }; print "up\\n"; sleep 1 while 1')
    eventually(lambda: agentctl.logs("web") == b"up\n", what="its first words")
    agentctl.ok("stop", "web")
    session = agentctl.status("web")
    assert (session["state"], session["exit"]["code"]) == ("stopped", 0)
    assert agentctl.logs("web") == b"up\nbye\n", "its last words are kept"


def test_several_are_stopped_at_once(agentctl):
    names = ["a", "b", "c", "d"]
    for name in names:
        agentctl.run(name, "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done", options=["--stop-timeout", "1s"])
    began = time.monotonic()
    out = agentctl.ok("stop", *names)
    assert time.monotonic() - began < 4, "not one after the other"
    assert [line.split(":")[0] for line in out.splitlines()] == [*names, "4 sessions"]
    assert not agentctl.names()


def test_stop_by_project_by_group_and_all(agentctl):
    agentctl.run("a", "sleep", "1000", options=["-p", "shop"])
    agentctl.run("b", "sleep", "1000", options=["-p", "shop", "--group", "night"])
    agentctl.run("c", "sleep", "1000", options=["-p", "my-shop", "--group", "night"])
    agentctl.run("d", "sleep", "1000")
    agentctl.ok("stop", "-p", "shop")
    assert agentctl.names() == ["c", "d"]
    agentctl.ok("stop", "--group", "night")
    assert agentctl.names() == ["d"]
    agentctl.ok("stop", "--all")
    assert agentctl.names() == []
    assert agentctl.ok("stop", "--all") == "nothing to stop\n"


def test_a_session_that_has_ended_is_not_stopped_again(agentctl):
    agentctl.run("web", "true")
    agentctl.wait_ended("web")
    assert agentctl.ok("stop", "web") == "web: had ended already (exited)\n"
    assert agentctl.status("web")["state"] == "exited"


def test_nothing_is_stopped_when_one_of_the_names_is_nobody(agentctl):
    agentctl.run("web", "sleep", "1000")
    result = agentctl("stop", "web", "nobody")
    assert result.status == 3 and "nobody" in result.err and not result.out
    assert agentctl.status("web")["state"] == "running"


@pytest.mark.parametrize("arguments", [[], ["--all", "web"], ["-p", "shop", "web"]])
def test_stop_wants_either_names_or_a_choice(agentctl, arguments):
    agentctl.run("web", "sleep", "1000", options=["-p", "shop"])
    assert agentctl("stop", *arguments).status == 2
    assert agentctl.names() == ["web"]


def test_stop_reports_in_json(agentctl):
    agentctl.run("web", "sleep", "1000")
    (session,) = agentctl("stop", "--json", "web").json()
    assert (session["name"], session["state"]) == ("web", "stopped")
    assert (session["processes"], session["processes_left"]) == (2, 0), "the command and its session host"
    (session,) = agentctl("stop", "--json", "web").json()
    assert (session["state"], session["processes"], session["processes_left"]) == ("stopped", 0, 0)


def test_a_session_that_is_restarted_with_systemctl_can_be_stopped(agentctl):
    pid = agentctl.run("web", "sleep", "1000")["pid"]
    assert agentctl.systemctl("restart", "agentctl-web.service").status == 0
    assert not is_alive(pid)
    agentctl.ok("stop", "web")
    assert agentctl.status("web")["state"] == "stopped"
