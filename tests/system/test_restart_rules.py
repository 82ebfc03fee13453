"""A session that ends by itself is started again, later and later, until it runs or is parked; nothing of ours waits for it."""

import os
import shutil
import signal
import time

import pytest

from agentctl import LATE, eventually, parse_time, pids_in, seconds_between

QUICK = ["--restart", "on-failure", "--restart-delay", "100ms"]


def starts(session):
    """When each attempt started, from the first on, in seconds."""
    times = [attempt["started_at"] for attempt in session["attempts"]] + [session["started_at"]]
    return [round(seconds_between(times[0], started), 1) for started in times]


def test_the_schedule_is_that_of_the_documentation(agentctl):
    agentctl.run("a", "sh", "-c", "echo no; exit 3", options=["--restart", "on-failure"])
    session = agentctl.wait_ended("a", 60)
    assert (session["state"], session["attempt"], session["restarts"]) == ("parked", 5, 4)
    assert session["reason"] == "ended 5 times within 10s of its start; the last time it exited with status 3"
    for measured, planned in zip(starts(session), [0, 2, 6, 14, 30], strict=True):
        assert planned <= measured + 0.1 and measured <= planned + 1, starts(session)
    assert [attempt["reason"] for attempt in session["attempts"]] == ["exited with status 3"] * 4
    assert agentctl.logs("a") == b"no\n" * 5, "one log over all attempts"
    assert agentctl("wait", "a").status == 3 and not agentctl.units()


def test_agentctl_restart_starts_what_was_parked(agentctl):
    agentctl.run("a", "sh", "-c", "exit 78", options=QUICK)
    session = agentctl.wait_ended("a")
    assert (session["state"], session["attempt"]) == ("parked", 1)
    assert session["reason"] == "exited with status 78, which is never restarted"
    assert agentctl("restart", "a").status == 0
    assert agentctl.wait_ended("a")["id"] != session["id"]


@pytest.mark.parametrize("policy, code, attempts, state", [
    ("on-failure", 0, 1, "exited"), ("always", 0, 3, "parked"), ("always", 3, 3, "parked"), ("no", 3, 1, "failed"),
    ("on-failure", 9, 1, "parked"),
])
def test_the_policy_says_what_is_restarted(agentctl, policy, code, attempts, state):
    rules = [] if policy == "no" else ["--restart-delay", "100ms", "--restart-limit", "3", "--no-restart-on", "9"]
    agentctl.run("a", "sh", "-c", f"exit {code}", options=["--restart", policy, *rules])
    session = agentctl.wait_ended("a")
    assert (session["state"], session["attempt"]) == (state, attempts)
    assert agentctl("wait", "a").status == code


@pytest.mark.parametrize("script", ["kill -SEGV $$", "kill -KILL $$", "sleep 0.3; kill -KILL $PPID; sleep 1000"])
def test_a_crash_is_a_failure(agentctl, script):
    agentctl.run("a", "sh", "-c", script, options=[*QUICK, "--restart-limit", "2"])
    session = agentctl.wait_ended("a")
    assert (session["state"], session["attempt"]) == ("parked", 2)


def test_a_kill_of_the_whole_session_is_restarted(agentctl):
    before = agentctl.run("a", "sh", "-c", "sleep 1000 & wait", options=QUICK)
    agentctl.ok("kill", "-s", "KILL", "a")
    after = eventually(lambda: (now := agentctl.status("a"))["attempt"] == 2 and now["state"] == "running" and now, what="attempt 2")
    assert (after["id"], after["name"]) == (before["id"], before["name"]) and after["pid"] != before["pid"]
    assert "SIGKILL" in after["attempts"][0]["reason"]


@pytest.mark.parametrize("with_what", ["agentctl", "systemctl"])
def test_a_stop_between_two_attempts_holds(agentctl, with_what):
    """systemd forgets the unit without a recorder then, and the next look must not take it for one that never began."""
    for _ in range(6):
        session = agentctl.run("a", "false", options=["--persist", "--restart", "always", "--restart-delay", "100ms",
                                                      "--restart-limit", "1000"])
        eventually(lambda: agentctl.status("a")["attempt"] > 1, what="attempt 2")
        agentctl.ok("stop", "a") if with_what == "agentctl" else agentctl.systemctl("stop", session["unit"])
        after = agentctl.wait_ended("a")
        assert (after["id"], after["state"]) == (session["id"], "stopped"), after
        assert not agentctl.units()


def test_a_long_run_begins_anew(agentctl, folder):
    """Two early ends, a longer run, and then the first delay again, and the count of early ends at its start."""
    script = f"echo x >> {folder}/n; [ $(wc -l < {folder}/n) != 3 ] || sleep 1.5; exit 3"
    agentctl.run("a", "sh", "-c", script, options=["--restart", "on-failure", "--restart-delay", "300ms", "--restart-early", "1s",
                                                   "--restart-limit", "3"])
    session = agentctl.wait_ended("a", 30)
    assert (session["state"], session["attempt"]) == ("parked", 6), session["reason"]
    gaps = [seconds_between(end["ended_at"], start) for end, start in
            zip(session["attempts"], [attempt["started_at"] for attempt in session["attempts"][1:]] + [session["started_at"]])]
    for measured, planned in zip(gaps, [0.3, 0.6, 0.3, 0.3, 0.6], strict=True):
        assert planned - 0.05 <= measured <= planned + 0.5, gaps


def wait_for_backoff(agentctl, name):
    return eventually(lambda: (now := agentctl.status(name))["state"] == "restarting" and now["attempt"] == 2 and now, what="the backoff")


def test_a_backoff_is_shown_as_what_it_is(agentctl):
    agentctl.run("a", "sh", "-c", "exit 3", options=["--restart", "on-failure", "--restart-delay", "1h", "--restart-max-delay", "1h"])
    session = wait_for_backoff(agentctl, "a")
    assert session["reason"] == "exited with status 3; attempt 2 follows"
    assert agentctl.names() == ["a"] and "2, starts in 59min" in agentctl.ok("status", "a")
    shown = {"ActiveState": "activating", "StatusText": "waits for its next attempt", "NRestarts": "1"}
    eventually(lambda: agentctl.show("agentctl-a.service", *shown) == shown, what="that the host waits")
    assert agentctl("wait", "--timeout", "100ms", "a").status == 7
    agentctl.systemctl("daemon-reload")
    assert agentctl.status("a")["state"] == "restarting"


@pytest.mark.parametrize("by", ["agentctl", "systemctl"])
def test_a_stop_during_a_backoff_ends_it_at_once(agentctl, by):
    agentctl.run("a", "sh", "-c", "exit 3", options=["--restart", "always", "--restart-delay", "1h", "--restart-max-delay", "1h"])
    wait_for_backoff(agentctl, "a")
    eventually(lambda: agentctl.show("agentctl-a.service", "SubState")["SubState"] == "start", what="the host")
    began = time.monotonic()
    if by == "agentctl":
        agentctl.ok("stop", "a")
    else:
        assert agentctl.systemctl("stop", "agentctl-a.service").status == 0
    session = agentctl.wait_ended("a")
    assert session["state"] == "stopped" and time.monotonic() - began < LATE
    assert not agentctl.units() and not os.listdir(agentctl.runtime)


def test_a_stop_while_it_runs_is_no_failure(agentctl):
    agentctl.run("a", "sh", "-c", "trap 'exit 3' TERM; sleep 1000 & wait", options=["--restart", "always", "--restart-delay", "100ms"])
    agentctl.ok("stop", "a")
    assert agentctl.status("a")["state"] == "stopped" and agentctl.status("a")["attempt"] == 1
    assert not agentctl.units()


def test_the_time_limit_counts_from_the_first_start(agentctl):
    agentctl.run("a", "sh", "-c", "sleep 1; exit 3", options=["--restart", "always", "--restart-delay", "100ms", "--ttl", "3s"])
    assert agentctl("wait", "a").status == 124
    session = agentctl.status("a")
    assert session["state"] == "expired" and session["attempt"] >= 2 and session["reason"] == "time limit of 3s reached"
    assert 2.9 <= seconds_between(session["attempts"][0]["started_at"], session["ended_at"]) <= 3 + LATE
    assert not agentctl.units()


def test_a_process_that_ignores_that_its_time_is_up_is_killed(agentctl, folder):
    script = f"[ -e {folder}/again ] || {{ touch {folder}/again; exit 3; }}; trap '' TERM; setsid sleep 1000 & while :; do sleep 0.1; done"
    agentctl.run("a", "sh", "-c", script, options=[*QUICK, "--ttl", "2s", "--stop-timeout", "1s"])
    eventually(lambda: (now := agentctl.status("a"))["state"] == "running" and now["attempt"] == 2, what="attempt 2")
    group = agentctl.show("agentctl-a.service", "ControlGroup")["ControlGroup"]
    assert agentctl("wait", "a").status == 124
    eventually(lambda: not agentctl.units() and not pids_in(group), what="the last process")


def test_a_restart_by_hand_begins_everything_anew(agentctl, folder):
    script = f"[ -e {folder}/again ] || {{ touch {folder}/again; exit 3; }}; sleep 1000"
    agentctl.run("a", "sh", "-c", script, options=[*QUICK, "--ttl", "3s"])
    before = eventually(lambda: (now := agentctl.status("a"))["state"] == "running" and now["attempt"] == 2 and now, what="attempt 2")
    agentctl.ok("restart", "a")
    after = agentctl.status("a")
    assert after["attempt"] == 3 and parse_time(after["expires_at"]) > parse_time(before["expires_at"])
    assert agentctl("wait", "a").status == 124


def test_extend_holds_over_restarts(agentctl, folder):
    script = f"[ -e {folder}/again ] || {{ touch {folder}/again; exit 3; }}; sleep 1000"
    agentctl.run("a", "sh", "-c", script, options=[*QUICK, "--ttl", "2s"])
    eventually(lambda: (now := agentctl.status("a"))["state"] == "running" and now["attempt"] == 2, what="attempt 2")
    agentctl.ok("extend", "a", "2s")
    assert agentctl("wait", "a").status == 124
    session = agentctl.status("a")
    assert 3.9 <= seconds_between(session["attempts"][0]["started_at"], session["ended_at"]) <= 4 + LATE


def test_a_limit_that_was_extended_is_not_forgotten_by_a_restart(agentctl, folder):
    script = (f"[ -e {folder}/again ] || {{ while [ ! -e {folder}/go ]; do sleep 0.05; done; touch {folder}/again; exit 3; }}; "
              f"touch {folder}/up; sleep 3; touch {folder}/late; sleep 1000")
    agentctl.run("a", "sh", "-c", script, options=[*QUICK, "--ttl", "2s"])
    agentctl.ok("extend", "a", "1h")
    open(f"{folder}/go", "w").close()
    eventually(lambda: os.path.exists(f"{folder}/up"), what="attempt 2")
    agentctl.systemctl("daemon-reload")
    eventually(lambda: os.path.exists(f"{folder}/late"), what="that it outlives its first limit")
    assert agentctl.status("a")["state"] == "running" and agentctl.status("a")["attempt"] == 2


def test_early_ends_are_counted_though_the_registry_is_deleted(agentctl, folder):
    script = f"while [ ! -e {folder}/go ]; do sleep 0.05; done; exit 3"
    agentctl.run("a", "sh", "-c", script, options=[*QUICK, "--restart-limit", "3"])
    shutil.rmtree(agentctl.registry)
    open(f"{folder}/go", "w").close()
    session = agentctl.wait_ended("a")
    assert (session["state"], session["attempt"]) == ("parked", 3)


def test_who_waits_and_follows_does_so_over_all_attempts(agentctl):
    result = agentctl("run", "--follow", "--restart", "on-failure", "--restart-delay", "100ms", "--restart-limit", "3", "--",
                      "sh", "-c", "echo $AGENTCTL_NAME; exit 5")
    assert result.status == 5 and len(result.out.split()) == 3, result


def test_a_session_of_another_user_is_restarted_too(system_agentctl):
    system_agentctl.ok("run", "-n", "a", "--uid", "tester", *QUICK, "--restart-limit", "3", "--", "sh", "-c", "id -un; exit 3")
    session = system_agentctl.wait_ended("a")
    assert (session["state"], session["attempt"]) == ("parked", 3)
    assert system_agentctl.logs("a") == b"tester\n" * 3


def test_a_signal_from_outside_that_asks_it_to_end_is_a_clean_end(agentctl):
    """As Restart= of systemd.service(5) has it."""
    session = agentctl.run("a", "sleep", "1000", options=QUICK)
    os.kill(session["pid"], signal.SIGTERM)
    ended = agentctl.wait_ended("a")
    assert (ended["state"], ended["reason"], ended["attempt"]) == ("failed", "killed by SIGTERM", 1)
