"""What a session holds is free when its last process is gone, and not when its command has ended."""

import json
import os
import time

import pytest

from agentctl import LATE, eventually, is_alive, seconds_between

# A child that ignores SIGTERM outlives the command, which does not.
LEAVES_ONE = "(trap '' TERM; exec sleep 1000) & echo $! > {0}/pid.new && mv {0}/pid.new {0}/pid; exec sleep 1000"
# Whether that child still runs; what cannot be read any more does not.
LOOKS = "grep -q '^State:.[^ZX]' /proc/$(cat {0}/pid)/status && touch {0}/overlap; touch {0}/looked"
GRACE = 2


def leftover(folder):
    return int(eventually(lambda: os.path.exists(f"{folder}/pid") and open(f"{folder}/pid").read(), what="the child"))


def looked(folder):
    eventually(lambda: os.path.exists(f"{folder}/looked"), GRACE + 10, "what follows has started")
    assert not os.path.exists(f"{folder}/overlap"), "it started beside a process of the one before"


def test_a_slot(agentctl, folder):
    one = ["--pool", "build", "--max", "1"]
    agentctl.run("a", "sh", "-c", LEAVES_ONE.format(folder), options=[*one, "--stop-timeout", f"{GRACE}s"])
    agentctl.run("b", "sh", "-c", LOOKS.format(folder), options=[*one, "--queue"])
    pid = leftover(folder)
    began = time.monotonic()
    agentctl.systemctl("stop", "--no-block", "agentctl-a.service")
    eventually(lambda: agentctl.status("a")["state"] == "stopping", what="the stop")
    looked(folder)
    assert not is_alive(pid)
    assert GRACE - 0.2 <= time.monotonic() - began <= GRACE + LATE, "one stop timeout, not two"
    assert agentctl.status("a")["state"] == "stopped"


def test_a_key(agentctl, folder):
    key = ["--exclusive", "k"]
    agentctl.run("a", "sh", "-c", LEAVES_ONE.format(folder), options=[*key, "--stop-timeout", f"{GRACE}s"])
    pid = leftover(folder)
    agentctl.systemctl("stop", "--no-block", "agentctl-a.service")
    refused = []

    def is_accepted():
        result = agentctl("run", "-n", "b", *key, "--", "sh", "-c", LOOKS.format(folder))
        refused.append(result.status)
        return result.status == 0

    eventually(is_accepted, GRACE + 10, "the key is free")
    looked(folder)
    assert not is_alive(pid) and refused[0] == 4


def test_a_step_whose_time_was_up(agentctl, folder):
    steps = [{"name": "a", "command": ["sh", "-c", LEAVES_ONE.format(folder)], "ttl": "1s", "stop_timeout": f"{GRACE}s",
              "may_fail": True},
             {"name": "b", "command": ["sh", "-c", LOOKS.format(folder)]}]
    with open(f"{folder}/flow.json", "w", encoding="utf-8") as file:
        json.dump({"name": "release", "steps": steps}, file)
    agentctl.ok("flow", "run", f"{folder}/flow.json")
    looked(folder)
    assert agentctl.status("release-a")["state"] == "expired"


def test_what_a_longer_stop_gives_it_the_leftover_has(agentctl, folder):
    agentctl.run("a", "sh", "-c", LEAVES_ONE.format(folder), options=["--stop-timeout", "100ms"])
    pid = leftover(folder)
    began = time.monotonic()
    agentctl.ok("stop", "--timeout", f"{GRACE}s", "a")
    assert not is_alive(pid) and GRACE - 0.2 <= time.monotonic() - began <= GRACE + LATE


@pytest.mark.parametrize("timeout", ["0", "1ms"])
def test_a_short_stop_timeout_is_no_limit_for_what_follows(agentctl, folder, timeout):
    one = ["--pool", "build", "--max", "1"]
    stubborn = f"trap '' TERM; {LEAVES_ONE.format(folder)}"
    agentctl.run("a", "sh", "-c", stubborn, options=[*one, "--stop-timeout", timeout])
    agentctl.run("b", "sh", "-c", LOOKS.format(folder), options=[*one, "--queue"])
    leftover(folder)
    began = time.monotonic()
    agentctl.ok("stop", "a")
    assert time.monotonic() - began < LATE
    looked(folder)
    assert agentctl.status("a")["state"] == "stopped"


def test_a_short_stop_timeout_is_no_limit_for_a_restart(agentctl):
    agentctl.run("a", "sh", "-c", "exit 3", options=["--stop-timeout", "1ms", "--restart", "on-failure", "--restart-delay", "500ms",
                                                      "--restart-limit", "3"])
    session = agentctl.wait_ended("a", 20)
    assert (session["state"], session["attempt"]) == ("parked", 3)
    first, second = (attempt["started_at"] for attempt in session["attempts"])
    assert seconds_between(first, second) >= 0.5 and seconds_between(second, session["started_at"]) >= 1


def test_a_shorter_stop_leaves_the_recorder_alone(agentctl, folder):
    one = ["--pool", "build", "--max", "1"]
    for name, script in (("quick", LEAVES_ONE), ("stubborn", f"trap '' TERM; {LEAVES_ONE}")):
        os.makedirs(f"{folder}/{name}", mode=0o777)
        os.chmod(f"{folder}/{name}", 0o777)
        agentctl.run(name, "sh", "-c", script.format(f"{folder}/{name}"), options=[*one, "--stop-timeout", "60s"])
        agentctl.run(f"after-{name}", "sh", "-c", LOOKS.format(f"{folder}/{name}"), options=[*one, "--queue"])
        leftover(f"{folder}/{name}")
        began = time.monotonic()
        agentctl.ok("stop", "--timeout", "300ms", name)
        assert time.monotonic() - began <= LATE
        looked(f"{folder}/{name}")
        agentctl.wait_ended(f"after-{name}")
        session = agentctl.status(name)
        assert session["state"] == "stopped" and session["exit"]["result"] != ""
