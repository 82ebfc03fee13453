"""`events`: how sessions came into their states, from the records; with -f as it happens, from systemd's signals."""

import json
import os
import signal
import subprocess

import pytest

from agentctl import eventually


class Followed:
    """`agentctl events -f --json`, and what it has told."""

    def __init__(self, agentctl, path, *options):
        self.path = path
        self.file = open(path, "wb")
        self.process = agentctl.popen("events", "-f", "--json", *options, stdout=self.file)

    def events(self):
        with open(self.path, encoding="utf-8") as file:
            return [json.loads(line) for line in file.read().splitlines()]

    def states_of(self, name):
        return [event["state"] for event in self.events() if event["name"] == name]

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=10)
        self.file.close()


@pytest.fixture
def followed(agentctl, folder):
    subject = Followed(agentctl, f"{folder}/events")
    turn = 0

    def hears():
        nonlocal turn
        turn += 1
        agentctl.run(f"probe{turn}", "true")
        return subject.events()
    eventually(hears, 10, "it follows")
    yield subject
    subject.stop()


def test_a_life_is_told_as_it_happens(agentctl, followed):
    session = agentctl.run("a", "sleep", "1000", options=["-p", "shop"])
    eventually(lambda: "running" in followed.states_of("a"))
    agentctl.ok("stop", "a")
    eventually(lambda: "stopped" in followed.states_of("a"))
    states = followed.states_of("a")
    assert [state for state in states if state != "stopping"] == ["starting", "running", "stopped"], states
    events = [event for event in followed.events() if event["name"] == "a"]
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    assert {event["session"] for event in events} == {session["id"]} and {event["project"] for event in events} == {"shop"}
    assert events[-1]["reason"].startswith("stopped by ") and events[1]["before"] == "starting"
    assert events[1]["time"] == session["started_at"] and events[-1]["time"] == agentctl.status("a")["ended_at"]


def test_a_life_too_short_to_be_seen_is_told_too(agentctl, followed):
    for number in range(20):
        agentctl.ok("run", "-n", f"short{number}", "--", "sh", "-c", "exit 3")
    for number in range(20):
        eventually(lambda: "failed" in followed.states_of(f"short{number}"))
        states = followed.states_of(f"short{number}")
        assert [state for state in states if state != "stopping"] == ["starting", "running", "failed"], states


def test_the_line_and_restarts_are_told(agentctl, followed):
    agentctl.run("holder", "sleep", "1000", options=["--pool", "p", "--max", "1"])
    agentctl.run("a", "true", options=["--pool", "p", "--max", "1", "--queue"])
    eventually(lambda: followed.states_of("a") == ["queued"])
    agentctl.ok("stop", "holder")
    eventually(lambda: followed.states_of("a")[-1] == "exited")
    agentctl.run("r", "sh", "-c", "exit 1", options=["--restart", "on-failure", "--restart-delay", "300ms", "--restart-limit", "2"])
    eventually(lambda: followed.states_of("r")[-1:] == ["parked"], 10)
    assert "restarting" in followed.states_of("r") and {event["attempt"] for event in followed.events() if event["name"] == "r"} == {1, 2}


def test_it_does_not_poll(agentctl, followed):
    def switches():
        with open(f"/proc/{followed.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("voluntary"))

    def sleeps_on():
        before = switches()
        agentctl.account.run(["sleep", "1.5"])  # what must not happen in this time is what is looked for
        return switches() == before
    eventually(sleeps_on, what="once the last event is through, it is not woken")


def test_what_was_is_remembered(agentctl):
    agentctl.run("a", "sh", "-c", "exit 3")
    agentctl.wait_ended("a")
    agentctl.run("b", "sleep", "1000", options=["--group", "g"])
    events = [json.loads(line) for line in agentctl.ok("events", "--json").splitlines()]
    assert [(event["name"], event["state"]) for event in events] == \
        [("a", "starting"), ("a", "running"), ("a", "failed"), ("b", "starting"), ("b", "running")]
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    assert [json.loads(line)["name"] for line in agentctl.ok("events", "--json", "--group", "g").splitlines()] == ["b", "b"]
    lines = agentctl.ok("events").splitlines()
    assert len(lines) == 5 and lines[2].endswith("  a  failed, exited with status 3")


def test_a_reader_that_goes_ends_it(agentctl, folder):
    process = agentctl.account.popen(["bash", "-c", "agentctl events -f | head -1"], stdout=subprocess.PIPE)
    def gone():
        agentctl.account.run(["agentctl", "run", "--", "true"])
        return process.poll() is not None
    eventually(gone, 10, "the pipe's end")
    assert process.communicate()[0].count(b"\n") == 1
