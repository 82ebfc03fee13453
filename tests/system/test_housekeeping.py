"""Records are forgotten when one says so, never while their session lives; what nobody saw end is found."""

import os
import shutil
import signal

import pytest

from agentctl import eventually


def test_rm_forgets_an_ended_session(agentctl):
    agentctl.run("a", "true")
    id = agentctl.wait_ended("a")["id"]
    assert agentctl.ok("rm", "a") == f"a: removed ({id})\n"
    assert agentctl("status", "a").status == 3 and agentctl.names("-a") == [] and not agentctl.records()


def test_rm_refuses_a_live_session_and_then_removes_none(agentctl):
    agentctl.run("ended", "true")
    agentctl.wait_ended("ended")
    agentctl.run("live", "sleep", "1000")
    result = agentctl("rm", "ended", "live")
    assert result.status == 4 and "'live'" in result.err and "hint: agentctl stop live" in result.err
    assert sorted(agentctl.names("-a")) == ["ended", "live"] and agentctl.status("live")["state"] == "running"


def test_rm_of_a_name_that_was_used_often_takes_the_latest(agentctl):
    ids = []
    for _ in range(3):
        agentctl.run("a", "true")
        ids.append(agentctl.wait_ended("a")["id"])
    agentctl.ok("rm", "a")
    assert [session["id"] for session in agentctl.list("-a")] == ids[:2]
    agentctl.ok("rm", ids[0])
    assert [session["id"] for session in agentctl.list("-a")] == [ids[1]]


def test_prune_forgets_what_ended_long_ago(agentctl):
    for number in range(5):
        agentctl.run(f"s{number}", "true")
        agentctl.wait_ended(f"s{number}")
    agentctl.run("live", "sleep", "1000")
    assert agentctl.ok("prune") == "forgot 0 sessions that ended more than 1w ago\n" or agentctl.ok("prune").startswith("forgot 0 sessions")
    assert agentctl.ok("prune", "--older-than", "1h").startswith("forgot 0 sessions")
    assert agentctl.ok("prune", "--older-than", "0").startswith("forgot 5 sessions")
    assert agentctl.names("-a") == ["live"]


def test_reconcile_has_nothing_to_do(agentctl):
    agentctl.run("a", "sleep", "1000")
    agentctl.run("b", "true")
    agentctl.wait_ended("b")
    assert agentctl.ok("reconcile") == "nothing to repair\n"
    assert agentctl("reconcile", "--json").json() == {"ended": [], "restored": [], "removed": [], "started": []}


@pytest.fixture
def without_recorder():
    """The recorder cannot run: the disk it lies on is gone, say."""
    path = next(path for path in ("/usr/libexec/agentctl/recorder", "/usr/local/libexec/agentctl/recorder") if os.path.exists(path))
    os.rename(path, path + ".away")
    yield
    os.rename(path + ".away", path)


@pytest.mark.parametrize("script, state, code, number", [("exit 3", "failed", 3, None), ("exit 0", "exited", 0, None),
                                                         ("kill -SEGV $$", "failed", None, signal.SIGSEGV)])
def test_an_end_without_a_recorder_is_taken_from_the_session_host(agentctl, without_recorder, script, state, code, number):
    agentctl.ok("run", "-n", "a", "--", "sh", "-c", f"ulimit -c 0; {script}")
    eventually(lambda: not agentctl.units(), what="the end")
    session = agentctl.status("a")
    assert (session["state"], session["exit"]["code"], session["exit"]["signal"]) == (state, code, number)
    assert session["ended_at"]


def test_a_session_without_any_trace_is_lost_and_says_why(agentctl, without_recorder):
    agentctl.run("a", "sleep", "1000")
    host = int(agentctl.show("agentctl-a.service", "MainPID")["MainPID"])
    os.kill(host, signal.SIGKILL)
    eventually(lambda: not agentctl.units(), what="the end")
    session = agentctl.status("a")
    assert session["state"] == "lost" and "no recorder" in session["reason"]
    assert agentctl("wait", "a").status == 1
    agentctl.run("a", "true")


def test_a_stop_without_a_recorder_is_a_stop(agentctl, without_recorder):
    agentctl.run("a", "sleep", "1000")
    assert agentctl.ok("stop", "a") == "a: stopped, 2 processes, 0 left\n"
    assert agentctl.status("a")["state"] == "stopped"


def test_reconcile_ends_what_nobody_saw_end(agentctl, without_recorder):
    agentctl.ok("run", "-n", "a", "--", "sh", "-c", "exit 3")
    eventually(lambda: not agentctl.units(), what="the end")
    assert len(agentctl.records("live")) == 1
    assert agentctl.ok("reconcile") == "a: failed, exited with status 3\n"
    assert len(agentctl.records("ended")) == 1 and not agentctl.records("live")
    assert agentctl.ok("reconcile") == "nothing to repair\n"


def test_a_terminal_state_is_terminal(agentctl):
    agentctl.run("a", "sleep", "1000")
    live = agentctl.record_file("a", "live")
    shutil.copy(live, f"{live}.copy")
    agentctl.ok("kill", "-s", "KILL", "a")
    agentctl.wait_ended("a")
    path = agentctl.record_file("a", "ended")
    with open(path, "rb") as file:
        before = file.read()
    os.rename(f"{live}.copy", live)  # as after a crash between the two steps of an end
    os.chown(live, agentctl.account.uid, agentctl.account.gid)
    for arguments in (["stop", "a"], ["reconcile"], ["list", "-a"], ["status", "a"], ["wait", "a"]):
        agentctl(*arguments)
    assert agentctl.status("a")["state"] == "failed" and len(agentctl.names("-a")) == 1
    with open(path, "rb") as file:
        assert file.read() == before


def test_each_is_listed_once_however_it_ended(agentctl):
    """Also when `list` itself writes the end down."""
    agentctl.run("a", "true")
    agentctl.wait_ended("a")
    agentctl.run("b", "sleep", "1000")
    agentctl.systemctl("kill", "--signal=KILL", "agentctl-b.service")
    eventually(lambda: not agentctl.units(), what="the end")
    assert agentctl.names("-a") == ["a", "b"]


def test_list_filters(agentctl):
    agentctl.run("a", "sleep", "1000", options=["-p", "shop"])
    agentctl.run("b", "sleep", "1000", options=["-p", "shop", "--group", "g"])
    agentctl.run("c", "false", options=["-p", "shop"])
    agentctl.run("d", "true")
    for name in "cd":
        agentctl.wait_ended(name)
    assert agentctl.names() == ["a", "b"]
    assert agentctl.names("-a") == ["a", "b", "c", "d"], "oldest first"
    assert agentctl.names("-p", "shop") == ["a", "b"]
    assert agentctl.names("-a", "-p", "shop") == ["a", "b", "c"]
    assert agentctl.names("--group", "g") == ["b"]
    assert agentctl.names("--state", "failed") == ["c"]
    assert agentctl.names("--state", "exited", "--state", "running") == ["a", "b", "d"]
    assert agentctl.names("-p", "nobody") == []
