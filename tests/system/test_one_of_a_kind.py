"""Of some things there must be one: a key, or a source in a project. It is free again when its holder was seen to end."""

import concurrent.futures
import os
import shutil

import pytest

from agentctl import eventually, is_alive

KEY = ["--exclusive", "deploy"]


def test_a_second_one_is_refused_with_the_evidence(agentctl):
    holder = agentctl.run("a", "sleep", "1000", options=KEY)
    result = agentctl("run", "-n", "b", *KEY, "--", "true")
    assert result.status == 4 and not result.out
    assert f"exclusive key 'deploy' is held by session 'a' ({holder['id']}), running since " in result.err
    assert "hint: agentctl status a\n" in result.err
    assert agentctl.names("-a") == ["a"] and len(os.listdir(agentctl.runtime)) == 1, "a refusal changes nothing"
    assert agentctl.status("a")["exclusive"] == "deploy"


@pytest.mark.parametrize("end", ["stop", "exit", "kill", "kill the host"])
def test_an_observed_end_frees_it(agentctl, folder, end):
    session = agentctl.run("a", "sh", "-c", f"while [ ! -e {folder}/go ]; do sleep 0.05; done", options=KEY)
    if end == "stop":
        agentctl.ok("stop", "a")
    elif end == "exit":
        open(f"{folder}/go", "w").close()
    elif end == "kill":
        agentctl.systemctl("kill", "--signal=KILL", "agentctl-a.service")
    else:
        os.kill(int(agentctl.show("agentctl-a.service", "MainPID")["MainPID"]), 9)
    agentctl.wait_ended("a")
    assert agentctl("run", "-n", "b", *KEY, "--", "sleep", "1000").status == 0
    assert not is_alive(session["pid"])


def test_of_many_at_once_one_gets_it(agentctl):
    for turn in range(3):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            results = list(pool.map(lambda number: agentctl("run", "-n", f"s{number}", *KEY, "--", "sleep", "1000"), range(16)))
        assert sorted(result.status for result in results) == [0] + [4] * 15, turn
        assert len(agentctl.list()) == 1
        agentctl.ok("stop", "--all")


def test_a_lost_record_frees_nothing(agentctl):
    agentctl.run("a", "sleep", "1000", options=KEY)
    shutil.rmtree(agentctl.registry)
    result = agentctl("run", "-n", "b", *KEY, "--", "true")
    assert result.status == 4 and "is held by session 'a'" in result.err, result
    assert agentctl.units() == {"agentctl-a.service"}


def test_a_source_is_one_in_its_project(agentctl):
    agentctl.run("a", "sleep", "1000", options=["--source", "cron", "-p", "shop"])
    result = agentctl("run", "-n", "b", "--source", "cron", "-p", "shop", "--", "true")
    assert result.status == 4 and "source 'cron' of project 'shop' is held by session 'a'" in result.err
    agentctl.run("c", "sleep", "1000", options=["--source", "cron", "-p", "other"])
    agentctl.run("d", "sleep", "1000", options=["--source", "cron"])


def test_reuse_gives_the_one_that_lives(agentctl):
    first = agentctl.run("a", "sleep", "1000", options=KEY)
    assert agentctl.ok("run", "-n", "a", "--reuse", "--", "sleep", "1000") == "a\n"
    assert agentctl.ok("run", *KEY, "--reuse", "--", "sleep", "1000") == "a\n"
    assert agentctl("run", "-n", "a", "--reuse", "--json", "--", "sleep", "1000").json()["id"] == first["id"]
    result = agentctl("run", "-n", "a", "--reuse", "--", "sleep", "2000")
    assert result.status == 4 and "it is not the same: sleep 1000" in result.err
    assert agentctl("run", "-n", "a", "--reuse", "-C", "/", "--", "sleep", "1000").status == 4
    assert agentctl.status("a")["id"] == first["id"] and len(agentctl.names("-a")) == 1
    agentctl.ok("stop", "a")
    assert agentctl.run("a", "sleep", "1000", options=["--reuse"])["id"] != first["id"], "an ended one is not reused"


def test_of_many_that_reuse_one_starts_it(agentctl):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda _: agentctl("run", "-n", "a", "--reuse", "--", "sleep", "1000"), range(16)))
    assert {(result.status, result.out) for result in results} == {(0, "a\n")}, results
    assert len(agentctl.names("-a")) == 1


def test_replace_ends_the_old_one_first(agentctl, folder):
    script = f"trap 'sleep 0.5; touch {folder}/ended; exit' TERM; sleep 1000 & wait"
    old = agentctl.run("a", "sh", "-c", script, options=KEY)
    new = agentctl.run("b", "sh", "-c", f"ls {folder}; sleep 1000", options=[*KEY, "--replace"])
    eventually(lambda: agentctl.logs("b") == b"ended\n", what="that the old one had ended")
    assert not is_alive(old["pid"])
    assert agentctl.status("a")["reason"].endswith(f"replaced by b ({new['id']})")
    assert agentctl.run("b", "sleep", "2000", options=["--replace"])["id"] != new["id"]
    assert agentctl.names() == ["b"]


def test_a_session_does_not_replace_itself(agentctl):
    agentctl.run("a", "sh", "-c", "agentctl run -n a --replace -- true 2>&1; sleep 1000")
    eventually(lambda: b"this command runs in it, and would end with it" in agentctl.logs("a"), what="the refusal")
    assert agentctl.status("a")["state"] == "running"


def test_a_key_of_10_kb_is_refused(agentctl):
    result = agentctl("run", "-n", "a", "--exclusive", "k" * 10_000, "--", "true")
    assert result.status == 2 and "--exclusive" in result.err and "256 bytes" in result.err, result
    assert not agentctl.names("-a")
