"""A project or a group is waited for, signalled and stopped as one."""

import time

from agentctl import LATE, eventually


def start(agentctl, count, *command, options=()):
    for number in range(count):
        agentctl.run(f"s{number}", *command, options=options)


def test_a_project_is_stopped_by_one_job_newest_first(agentctl):
    start(agentctl, 5, "sleep", "1000", options=["-p", "shop"])
    agentctl.run("other", "sleep", "1000")
    lines = agentctl.ok("stop", "-p", "shop", "--reason", "done").splitlines()
    assert lines == [f"s{number}: stopped, 2 processes, 0 left" for number in (4, 3, 2, 1, 0)] + ["5 sessions: 10 processes, 0 left"]
    assert agentctl.units() == {"agentctl-other.service"}
    for session in agentctl.list("-a", "-p", "shop"):
        assert (session["state"], session["stopped_by"]["reason"]) == ("stopped", "done")
    assert agentctl.systemctl("is-active", "agentctl-shop.slice").out == "inactive\n", "the slice itself was stopped"


def test_a_project_is_stopped_in_the_time_of_its_slowest(agentctl):
    start(agentctl, 5, "sh", "-c", "trap 'sleep 1; exit' TERM; sleep 1000 & wait", options=["-p", "shop"])
    began = time.monotonic()
    agentctl.ok("stop", "-p", "shop")
    assert time.monotonic() - began < 1 + LATE


def test_a_project_is_ended_and_forgotten(agentctl, folder):
    agentctl.run("old", "sh", "-c", "echo kept; exit 3", options=["-p", "shop", "--stdout", f"{folder}/log"])
    agentctl.wait_ended("old")
    start(agentctl, 2, "sleep", "1000", options=["-p", "shop", "--on-end", f"echo $AGENTCTL_NAME >> {folder}/hook"])
    agentctl.run("other", "sleep", "1000")
    lines = agentctl.ok("stop", "-p", "shop", "--remove").splitlines()
    assert lines == ["s1: stopped, 2 processes, 0 left; removed", "s0: stopped, 2 processes, 0 left; removed",
                     "old: had ended already (failed); removed", "3 sessions: 4 processes, 0 left"]
    assert agentctl.names("-a") == ["other"] and len(agentctl.records()) == 1
    eventually(lambda: sorted(open(f"{folder}/hook", encoding="utf-8").read().split()) == ["s0", "s1"], what="what follows an end")
    with open(f"{folder}/log", encoding="utf-8") as file:
        assert file.read() == "kept\n", "its file stays"
    (session,) = agentctl("stop", "--json", "--remove", "other").json()
    assert session["state"] == "stopped" and session["removed"] is True
    assert agentctl.names("-a") == [] and agentctl("status", "other").status == 3
    assert agentctl.ok("stop", "-p", "shop", "--remove") == "nothing to stop\n"


def test_a_group_spans_projects(agentctl):
    agentctl.run("a", "sleep", "1000", options=["--group", "g", "-p", "shop"])
    agentctl.run("b", "sleep", "1000", options=["--group", "g"])
    agentctl.run("c", "sleep", "1000")
    assert agentctl.show("agentctl-a.service", "Slice")["Slice"] == "agentctl-shop-g.slice"
    assert agentctl.show("agentctl-b.service", "Slice")["Slice"] == "agentctl-_-g.slice"
    assert agentctl.status("a")["usage"]["processes"] == 2, "it is looked for where it is"
    assert agentctl.ok("stop", "--group", "g").count(": stopped, ") == 2
    assert agentctl.names() == ["c"]
    for unit in ("agentctl-shop-g.slice", "agentctl-_-g.slice"):
        assert agentctl.systemctl("is-active", unit).out == "inactive\n", "the slice itself was stopped"


def test_a_group_ends_without_the_rest_of_its_project(agentctl):
    agentctl.run("a", "sleep", "1000", options=["-p", "shop", "--group", "g"])
    agentctl.run("b", "sleep", "1000", options=["-p", "shop"])
    agentctl.ok("stop", "-p", "shop", "--group", "g")
    assert agentctl.names() == ["b"]
    agentctl.run("a", "sleep", "1000", options=["-p", "shop", "--group", "g"])
    assert agentctl.ok("stop", "-p", "shop").count(": stopped, ") == 2
    assert agentctl.units() == set()


def test_who_waits_for_a_project_waits_for_all_of_it(agentctl, folder):
    start(agentctl, 3, "sh", "-c", f"while [ ! -e {folder}/$AGENTCTL_NAME ]; do sleep 0.05; done; exit 3", options=["-p", "shop"])
    waiting = agentctl.popen("wait", "-p", "shop")
    for number in range(3):
        assert waiting.poll() is None
        open(f"{folder}/s{number}", "w").close()
    assert waiting.wait(10) == 3
    assert agentctl("wait", "-p", "shop").status == 0, "nothing lives"


def test_a_signal_goes_to_all_of_a_group(agentctl):
    script = '$| = 1; $SIG{HUP} = sub { print "got\\n" }; print "up\\n"; sleep 1 while 1'
    start(agentctl, 3, "perl", "-e", script, options=["--group", "g"])
    for number in range(3):
        eventually(lambda: agentctl.logs(f"s{number}") == b"up\n", what="the trap")
    agentctl.ok("kill", "-s", "HUP", "--group", "g")
    for number in range(3):
        eventually(lambda: agentctl.logs(f"s{number}") == b"up\ngot\n", what="the signal")


def test_nobody_is_meant(agentctl):
    for verb in ("stop", "kill", "wait"):
        assert agentctl(verb).status == 2 and agentctl(verb, "-p", "shop", "a").status == 2
