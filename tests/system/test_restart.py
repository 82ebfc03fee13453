"""`restart` of a live session is its next attempt; of an ended one, a new session from the same request."""

import json
import os

from agentctl import LATE, eventually, is_alive, pids_with_argument, seconds_between


def test_a_live_session_is_restarted_as_its_next_attempt(agentctl):
    before = agentctl.run("a", "sh", "-c", "echo line; sleep 1000", options=["--ttl", "1h", "-p", "shop"])
    assert agentctl.ok("restart", "a") == "a: running, attempt 2\n"
    after = agentctl.status("a")
    assert (after["id"], after["attempt"], after["restarts"], after["state"]) == (before["id"], 2, 1, "running")
    assert not is_alive(before["pid"]) and is_alive(after["pid"])
    assert after["expires_at"] > before["expires_at"], "with its time limit anew"
    assert after["ttl_s"] == 3600 and abs(seconds_between(after["started_at"], after["expires_at"]) - 3600) < 1, "and no other"
    assert after["stopped_by"] is None and after["ended_at"] is None and after["exit"]["code"] is None
    (session,) = agentctl("restart", "--json", "a").json()
    assert session["attempt"] == 3
    agentctl.ok("stop", "a")
    assert agentctl.status("a")["state"] == "stopped" and agentctl.status("a")["attempt"] == 3
    (earlier, last) = agentctl.record("a", "ended")["earlier_attempts"]
    assert earlier["state"] == last["state"] == "restarting" and earlier["pid"] == before["pid"]


def test_as_often_as_one_likes(agentctl):
    """systemd's own start limit is 5 starts in 10 s, and that of a unit with Restart= is there for a host in a loop."""
    unit = agentctl.run("a", "sleep", "1000")["unit"]
    agentctl.run("b", "sleep", "1000", options=["--restart", "always", "--restart-limit", "1"])
    for _ in range(25):
        agentctl.ok("restart", "a")
        agentctl.ok("restart", "b")
    for _ in range(8):
        agentctl.systemctl("restart", unit)
    assert agentctl.status("a")["attempt"] == 34 and agentctl.status("b")["attempt"] == 26


def test_a_restart_waits_for_a_stubborn_process(agentctl):
    before = agentctl.run("a", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done", options=["--stop-timeout", "1s"])
    result = agentctl("restart", "a")
    assert result.status == 0 and 0.9 <= result.seconds <= 1 + LATE
    assert not is_alive(before["pid"]) and agentctl.status("a")["attempt"] == 2


def test_who_waits_goes_on_waiting_over_a_restart(agentctl, folder):
    agentctl.run("a", "sh", "-c", f"while [ ! -e {folder}/go ]; do sleep 0.05; done; exit 3")
    waiting = agentctl.popen("wait", "a")
    following = agentctl.popen("logs", "-f", "a")
    agentctl.ok("restart", "a")
    agentctl.ok("restart", "a")
    assert waiting.poll() is None and following.poll() is None
    open(f"{folder}/go", "w").close()
    assert waiting.wait(15) == 3 and following.wait(5) == 0


def test_an_ended_session_is_started_again_as_a_new_one(agentctl, folder):
    options = ["-C", folder, "-p", "shop", "--group", "g", "--label", "k=v", "--ttl", "1h", "--port", "80"]
    before = agentctl.run("a", "sh", "-c", "pwd; exit 3", options=options)
    assert agentctl("wait", "a").status == 3
    before = agentctl.status("a")
    agentctl.ok("restart", "a")
    assert agentctl("wait", "a").status == 3
    after = agentctl.status("a")
    assert after["id"] != before["id"] and after["attempt"] == 1
    for key in ("name", "command", "cwd", "project", "group", "labels", "ttl_s", "ports"):
        assert after[key] == before[key], key
    assert agentctl.status(before["id"]) == before, "the old record stays as it ended"
    assert agentctl.logs("a") == folder.encode() + b"\n"


def test_a_restart_keeps_the_time_limit_that_was_asked_for(agentctl):
    agentctl.run("a", "sleep", "1000", options=["--ttl", "10min"])
    for _ in range(2):
        agentctl.ok("stop", "a")
        agentctl.ok("restart", "a")
        session = agentctl.status("a")
        assert session["ttl_s"] == 600 and abs(seconds_between(session["started_at"], session["expires_at"]) - 600) < 1
        agentctl.ok("restart", "a")
        assert agentctl.status("a")["ttl_s"] == 600


def test_values_that_were_not_kept_must_be_given_again(agentctl):
    agentctl.run("a", "sh", "-c", "echo $TOKEN $MINE", options=["-e", "TOKEN=secret", "-e", "MINE"],
                 env=agentctl.account.environment(MINE="then"))
    agentctl.wait_ended("a")
    result = agentctl("restart", "a", env=agentctl.account.environment(MINE="now"))
    assert result.status == 1 and "TOKEN" in result.err and "hint: agentctl restart -e TOKEN=" in result.err
    assert len(agentctl.names("-a")) == 1
    agentctl.ok("restart", "-e", "TOKEN=again", "a", env=agentctl.account.environment(MINE="now"))
    agentctl.wait_ended("a")
    assert agentctl.logs("a") == b"again now\n"


def test_what_cannot_be_restarted(agentctl):
    assert agentctl("restart", "nobody").status == 3
    agentctl.run("a", "sleep", "1000")
    result = agentctl("restart", "-e", "A=1", "a")
    assert result.status == 2 and agentctl.status("a")["attempt"] == 1
    assert agentctl("run", "--scope", "-n", "b", "--", "true").status == 0
    assert agentctl("restart", "b").status == 1


def test_a_command_that_is_gone_by_then(agentctl, folder):
    path = f"{folder}/program"
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nsleep 1000\n")
    os.chmod(path, 0o755)
    agentctl.run("a", path)
    os.unlink(path)
    result = agentctl("restart", "a")
    assert result.status != 0 and path in result.err, result
    session = eventually(lambda: (s := agentctl.status("a"))["state"] == "failed" and s, what="its failure")
    assert path in session["reason"] and not agentctl.units()


def test_who_stops_it_while_its_leftovers_are_waited_for_is_told(agentctl):
    agentctl.run("a", "sh", "-c", "(trap '' TERM; while :; do sleep 0.1; done) & exec sleep 1000", options=["--stop-timeout", "3s"])
    restarting = agentctl.popen("restart", "a")
    eventually(lambda: pids_with_argument("/usr/libexec/agentctl/recorder"), what="the recorder waits")
    agentctl.ok("stop", "--reason", "enough", "a")
    restarting.wait(10)
    session = agentctl.status("a")
    assert session["state"] == "stopped" and session["stopped_by"]["reason"] == "enough", session


def test_a_stop_that_comes_during_a_restart_wins(agentctl):
    agentctl.run("a", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done", options=["--stop-timeout", "1s"])
    restarting = agentctl.popen("restart", "a")
    eventually(lambda: agentctl.status("a")["state"] != "running", what="the restart under way")
    assert agentctl("stop", "a").status == 0
    restarting.wait(10)
    assert not agentctl.units()
    assert json.loads(agentctl.ok("status", "--json", "a"))["state"] == "stopped"
