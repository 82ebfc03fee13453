"""Never more of a pool at once than it has slots; what waits goes in line, and nothing of ours waits with it."""

import concurrent.futures
import json
import os
import signal
import subprocess
import time

import pytest

from agentctl import eventually

ONE = ["--pool", "build", "--max", "1"]
THREE = ["--pool", "build", "--max", "3"]


def states(agentctl, *arguments):
    return {session["name"]: session["state"] for session in agentctl.list(*arguments)}


def helpers():
    """Processes of ours that are neither a session's host nor just ending one."""
    names = subprocess.run(["ps", "-eo", "comm="], capture_output=True, text=True, check=True).stdout.split()
    return [name for name in names if name in ("agentctl", "starter", "recorder")]


def test_a_queued_session_starts_when_a_slot_comes_free(agentctl):
    agentctl.run("a", "sleep", "1000", options=ONE)
    queued = agentctl.run("b", "sh", "-c", "echo $PATH $SECRET", options=[*ONE, "--queue", "-e", "SECRET=s3cret"])
    assert queued["state"] == "queued" and queued["pool"] == "build" and queued["started_at"] is None
    assert "agentctl-b.service" not in agentctl.units()
    assert "1 of 1 slots of pool 'build' are held by 'a'; 0 before it in line" in agentctl.ok("why", "b")
    eventually(lambda: helpers() == [], what="nothing of ours waits")
    agentctl.ok("stop", "a")
    assert agentctl.wait_ended("b")["state"] == "exited"
    assert agentctl.logs("b").endswith(b" s3cret\n")
    assert "s3cret" not in json.dumps(agentctl.records()), "no secret in a record"
    assert os.listdir(f"{agentctl.registry}/launches") == [], "what started it is gone"


@pytest.mark.parametrize("end", ["exit", "kill", "kill the host", "stop by systemctl", "time limit"])
def test_whatever_ends_the_holder_the_next_starts_within_a_second(agentctl, folder, end):
    ttl = ["--ttl", "1s"] if end == "time limit" else []
    session = agentctl.run("a", "sh", "-c", f"while [ ! -e {folder}/go ]; do sleep 0.02; done", options=[*ONE, *ttl])
    agentctl.run("b", "sleep", "1000", options=[*ONE, "--queue"])
    if end == "exit":
        open(f"{folder}/go", "w").close()
    elif end == "kill":
        agentctl.systemctl("kill", "--signal=KILL", "agentctl-a.service")
    elif end == "kill the host":
        os.kill(int(agentctl.show("agentctl-a.service", "MainPID")["MainPID"]), 9)
    elif end == "stop by systemctl":
        agentctl.systemctl("stop", "agentctl-a.service")
    eventually(lambda: agentctl.show("agentctl-b.service", "ActiveState").get("ActiveState") == "active", what="b runs")
    ended = agentctl.status("a")["ended_at"]
    started = agentctl.status("b")["started_at"]
    assert ended <= started, (ended, started, session)
    seconds = subprocess.run(["sh", "-c", f"echo $(( $(date -d {started} +%s%3N) - $(date -d {ended} +%s%3N) ))"],
                             capture_output=True, text=True, check=True).stdout
    assert int(seconds) < 1000


def test_the_line_is_first_in_first_out_but_for_priority(agentctl, folder):
    agentctl.run("holder", "sleep", "1000", options=ONE)
    for name, priority in [("a", 0), ("b", -5), ("c", 0), ("d", 7), ("e", 7)]:
        agentctl.ok("run", "-n", name, *ONE, "--queue", f"--priority={priority}", "--", "sh", "-c", f"echo {name} >> {folder}/order")
    assert "4 before it in line" in agentctl.ok("why", "b")
    agentctl.ok("stop", "holder")
    agentctl.ok("wait", "a", "b", "c", "d", "e", timeout=30)
    assert open(f"{folder}/order").read().split() == ["d", "e", "a", "c", "b"]


@pytest.mark.parametrize("helper", ["recorder", "starter"])
def test_a_helper_that_fails_holds_up_nobody(agentctl, helper):
    """systemd starts our reconcile then (OnFailure=), and nobody need ask."""
    agentctl.run("a", "sleep", "1000", options=ONE)
    agentctl.run("b", "sleep", "1000", options=[*ONE, "--queue"])
    recorder = agentctl.show("agentctl-a.service", "ExecStopPost")["ExecStopPost"].split("path=")[1].split(" ")[0]
    path = os.path.join(os.path.dirname(recorder), helper)
    os.rename(path, path + ".away")
    try:
        agentctl.systemctl("stop", "agentctl-a.service")
    finally:
        os.rename(path + ".away", path)
    eventually(lambda: agentctl.show("agentctl-b.service", "ActiveState").get("ActiveState") == "active", what="b runs")


def test_rm_of_one_whose_end_nobody_wrote_frees_its_slot(agentctl):
    agentctl.run("a", "sleep", "1000", options=ONE)
    agentctl.run("b", "sleep", "1000", options=[*ONE, "--queue"])
    recorder = agentctl.show("agentctl-a.service", "ExecStopPost")["ExecStopPost"].split("path=")[1].split(" ")[0]
    os.rename(recorder, recorder + ".away")
    agentctl.systemctl("mask", "--runtime", "agentctl-reconcile@.service")
    try:
        agentctl.systemctl("stop", "agentctl-a.service")
    finally:
        os.rename(recorder + ".away", recorder)
        agentctl.systemctl("unmask", "--runtime", "agentctl-reconcile@.service")
    assert "agentctl-b.service" not in agentctl.units()
    agentctl.ok("rm", "a")
    eventually(lambda: agentctl.show("agentctl-b.service", "ActiveState").get("ActiveState") == "active", 1, "b runs")


def test_nobody_overtakes_those_who_wait(agentctl):
    agentctl.run("a", "sleep", "1000", options=["--pool", "build", "--max", "2"])
    agentctl.run("b", "sleep", "1000", options=[*ONE, "--queue"])
    agentctl.run("c", "sleep", "1000", options=["--pool", "build", "--max", "2", "--queue"])
    assert states(agentctl) == {"a": "running", "b": "queued", "c": "queued"}, "there is a slot for c, but b is before it"
    agentctl.ok("cancel", "b")
    eventually(lambda: states(agentctl) == {"a": "running", "c": "running"}, what="c runs")


def test_run_waits_for_its_turn(agentctl):
    agentctl.run("a", "sleep", "1", options=ONE)
    began = time.monotonic()
    assert agentctl.ok("run", "-n", "b", *ONE, "--", "sleep", "1000") == "b\n"
    assert time.monotonic() - began > 0.5
    assert states(agentctl) == {"b": "running"}


@pytest.mark.parametrize("form", ["--detach", "--wait", "--scope"])
def test_at_the_end_of_its_patience_run_names_the_holders(agentctl, form):
    agentctl.run("a", "sleep", "1000", options=ONE)
    result = agentctl("run", "-n", "b", *ONE, "--queue-timeout", "300ms", form, "--", "true")
    assert result.status == (7 if form == "--detach" else 125) and not result.out
    assert "1 of 1 slots of pool 'build' are held by 'a'" in result.err and "\nhint: agentctl run --queue" in result.err
    assert agentctl.names("-a") == ["a"] and len(os.listdir(agentctl.runtime)) == 1, "a refusal changes nothing"


def test_a_scope_session_takes_a_slot_and_waits_for_one(agentctl):
    holder = agentctl.popen("run", "--scope", "-n", "a", *ONE, "--", "sleep", "1000")
    eventually(lambda: states(agentctl) == {"a": "running"}, what="a runs")
    waiting = agentctl.popen("run", "--scope", "-n", "b", *ONE, "--", "echo", "hello")
    eventually(lambda: states(agentctl).get("b") == "queued", what="b is queued")
    agentctl.ok("stop", "a")
    assert waiting.communicate(timeout=10)[0] == b"hello\n" and waiting.returncode == 0
    holder.communicate(timeout=10)


def test_a_scope_can_follow_another_of_its_name_at_once(agentctl):
    """What systemd starts when a scope has ended refers to it until then."""
    for turn in range(5):
        assert agentctl.ok("run", "--scope", "-n", "a", *ONE, "--", "echo", str(turn)) == f"{turn}\n"


def test_the_slot_of_a_scope_whose_agentctl_was_killed_comes_free(agentctl):
    """No recorder runs after a scope, so systemd starts our reconcile when it ends."""
    holder = agentctl.popen("run", "--scope", "-n", "a", *ONE, "--", "sleep", "1000")
    eventually(lambda: states(agentctl) == {"a": "running"}, what="a runs")
    pid = agentctl.status("a")["pid"]
    agentctl.run("b", "sleep", "1000", options=[*ONE, "--queue"])
    holder.kill()
    holder.wait(timeout=10)
    assert agentctl.show("agentctl-a.scope", "ActiveState")["ActiveState"] == "active"
    os.kill(pid, 9)
    eventually(lambda: agentctl.show("agentctl-b.service", "ActiveState").get("ActiveState") == "active", what="b runs")
    assert states(agentctl, "-a")["a"] == "lost"


def test_one_that_waits_and_is_killed_leaves_the_line(agentctl):
    agentctl.run("a", "sleep", "1000", options=ONE)
    waiting = agentctl.popen("run", "-n", "b", *ONE, "--", "sleep", "1000")
    eventually(lambda: states(agentctl).get("b") == "queued", what="b is queued")
    agentctl.run("c", "sleep", "1000", options=[*ONE, "--queue"])
    waiting.kill()
    waiting.communicate(timeout=10)
    agentctl.ok("stop", "a")
    eventually(lambda: states(agentctl) == {"c": "running"}, what="c runs")
    ended = agentctl.status("b")
    assert ended["state"] == "cancelled" and ended["reason"] == "the agentctl that waited for its turn is gone"


def test_cancel_takes_one_out_and_tells_who_waits(agentctl):
    agentctl.run("a", "sleep", "1000", options=ONE)
    agentctl.run("b", "sleep", "1000", options=[*ONE, "--queue"])
    waiting = agentctl.popen("run", "-n", "c", *ONE, "--", "true")
    eventually(lambda: states(agentctl).get("c") == "queued", what="c is queued")
    assert agentctl.ok("cancel", "--reason", "not now", "b", "c") == "b: cancelled\nc: cancelled\n"
    assert b"cannot start session 'c': cancelled by " in waiting.communicate(timeout=10)[1] and waiting.returncode == 4
    assert agentctl.status("b")["reason"].endswith(": not now")
    result = agentctl("cancel", "a")
    assert result.status == 4 and "it is running" in result.err and "hint: agentctl stop a" in result.err
    assert agentctl("cancel", "b").status == 4 and agentctl("cancel", "nobody").status == 3
    agentctl.ok("stop", "a")
    assert agentctl.units() == set()


@pytest.mark.parametrize("verb", [["kill"], ["extend"], ["restart"], ["rm"]])
def test_what_has_not_started_cannot_be_handled_as_if(agentctl, verb):
    agentctl.run("a", "sleep", "1000", options=ONE)
    agentctl.run("b", "sleep", "1000", options=[*ONE, "--queue", "--ttl", "1h"])
    result = agentctl(*verb, "b", *(["1h"] if verb == ["extend"] else []))
    assert result.status == 4 and "queued" in result.err and "hint: agentctl cancel b\n" in result.err, result
    assert states(agentctl) == {"a": "running", "b": "queued"}


def test_stop_of_all_starts_none_of_those_who_wait(agentctl):
    for name in "abcdefgh":
        agentctl.ok("run", "-n", name, "-p", "shop", *THREE, "--queue", "--", "sleep", "1000")
    out = agentctl.ok("stop", "-p", "shop")
    assert out.count(": cancelled, ") == 5 and out.count(": stopped, 2 processes, 0 left") == 3, out
    assert agentctl.units() == set() and agentctl.list() == []
    assert [session["started_at"] for session in agentctl.list("-a") if session["state"] == "cancelled"] == [None] * 5


def test_logs_and_wait_of_a_queued_session_wait_for_it(agentctl):
    agentctl.run("a", "sleep", "1000", options=ONE)
    agentctl.run("b", "echo", "hello", options=[*ONE, "--queue"])
    followers = [agentctl.popen("logs", "-f", "b"), agentctl.popen("wait", "b")]
    result = agentctl("wait", "--timeout", "200ms", "b")
    assert result.status == 7, result
    agentctl.ok("stop", "a")
    assert followers[0].communicate(timeout=10)[0] == b"hello\n"
    assert followers[1].communicate(timeout=10)[0] == b"" and followers[1].returncode == 0


def test_limits_are_configured(agentctl):
    home = agentctl.account.home
    config = "/etc/agentctl/config.json" if agentctl.scope == "system" else f"{home}/.config/agentctl/config.json"

    def configure(text):
        agentctl.account.run(["mkdir", "-p", os.path.dirname(config)])
        with open(config, "w", encoding="utf-8") as file:
            file.write(text)

    try:
        result = agentctl("run", "--pool", "build", "--max", "11", "--", "true")
        assert result.status == 2 and "pool 'build' has at most 10 slots" in result.err and config in result.err
        configure('{"pool_cap": 20, "pools": {"build": {"max": 2}}}')
        for name in "abc":
            agentctl.ok("run", "-n", name, "--pool", "build", "--queue", "--", "sleep", "1000")
        assert list(states(agentctl).values()) == ["running", "running", "queued"]
        assert agentctl("run", "--pool", "build", "--max", "3", "--", "true").status == 2
        assert agentctl("run", "--pool", "other", "--max", "20", "--", "true").status == 0
        configure('{"pool_cap": 20, "pools": {"build": {"max": 3}}}')
        agentctl.ok("reconcile")
        assert states(agentctl)["c"] in ("starting", "running")
        configure('{"pools": {"build": {"max": 0}}}')
        result = agentctl("run", "--pool", "build", "--", "true")
        assert result.status == 2 and f"invalid '{config}': /pools/build/max: must be a whole number from 1 to 10" in result.err
        configure('{"pools": {\n"build": 7, }')
        assert "line 2: " in agentctl("run", "--pool", "build", "--", "true").err
    finally:
        os.unlink(config)


def test_a_broken_configuration_starts_nothing_and_loses_nothing(agentctl):
    config = "/etc/agentctl/config.json"
    agentctl.run("a", "sleep", "1000", options=ONE)
    agentctl.run("b", "sleep", "1000", options=[*ONE, "--queue"])
    os.makedirs("/etc/agentctl", exist_ok=True)
    try:
        with open(config, "w", encoding="utf-8") as file:
            file.write("{")
        agentctl.ok("stop", "a")
        assert states(agentctl) == {"b": "queued"}
    finally:
        os.unlink(config)
    agentctl.ok("reconcile")
    assert states(agentctl)["b"] in ("starting", "running")


def test_fifty_at_once_against_three_slots_are_never_four(agentctl, folder):
    """Each marks itself while it runs, so that four at once would be seen by one of them."""
    program = f"mkdir -p {folder}/live; touch {folder}/live/$AGENTCTL_NAME; ls {folder}/live | wc -l >> {folder}/counts; sleep 0.05; rm {folder}/live/$AGENTCTL_NAME"

    def start(number):
        waits = [] if number % 2 else ["--queue"]
        return agentctl("run", "-n", f"s{number}", *THREE, *waits, "--", "sh", "-c", program, timeout=100)

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        results = list(pool.map(start, range(50)))
    assert [result.status for result in results] == [0] * 50, [result.err for result in results if result.status]
    agentctl.ok("wait", *[f"s{number}" for number in range(50)], timeout=60)
    counts = [int(line) for line in open(f"{folder}/counts").read().split()]
    assert len(counts) == 50 and max(counts) <= 3, counts
    assert set(states(agentctl, "-a").values()) == {"exited"}


@pytest.mark.slow
def test_with_recorders_and_starters_killed_at_any_step_none_is_forgotten(agentctl, folder):
    """50 x 3 slots while whatever of ours runs is killed again and again; then one reconcile at a time drains the rest."""
    program = f"touch {folder}/live.$AGENTCTL_NAME; ls {folder} | grep -c '^live' >> {folder}/counts; echo $AGENTCTL_NAME >> {folder}/ran; sleep 0.05; rm {folder}/live.$AGENTCTL_NAME"
    agentctl.run("holder", "sleep", "1000", options=["--pool", "build", "--max", "3"])
    for number in range(50):
        agentctl.ok("run", "-n", f"s{number}", "--pool", "build", "--max", "1" if number == 0 else "3", "--queue", "--", "sh", "-c", program)
    killed = 0
    stop = agentctl.popen("stop", "holder")
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                name = open(f"/proc/{entry}/comm").read().strip()
                if name in ("starter", "recorder") and os.urandom(1)[0] < 64:
                    os.kill(int(entry), signal.SIGKILL)
                    killed += 1
            except OSError:
                continue
        if killed > 60 or all(state != "queued" for state in states(agentctl).values()):
            break
    stop.communicate(timeout=30)
    assert killed > 0
    def drained():
        agentctl.account.run(["agentctl", "reconcile"])
        return not agentctl.list()
    eventually(drained, 60, "all have run")
    ran = open(f"{folder}/ran").read().split()
    ended = {session["name"]: session for session in agentctl.list("-a")}
    assert len(ended) == 51
    assert len(ran) == len(set(ran)), "none ran twice"
    untold = {name: session["reason"] for name, session in ended.items() if name not in ran and session["state"] != "lost"}
    assert set(untold) == {"holder"}, f"who did not run is told as interrupted: {untold}"
    counts = [int(line) for line in open(f"{folder}/counts").read().split()]
    assert max(counts) <= 3, (counts, ran)


@pytest.mark.slow
def test_a_thousand_drain_in_order_with_nobody_resident(user_agentctl, folder):
    agentctl = user_agentctl
    agentctl.run("holder", "sleep", "1000", options=ONE)
    script = f'for i in $(seq 1000); do agentctl run -n s$i --pool build --max 1 --queue -- sh -c "echo $i >> {folder}/order" >/dev/null; done'
    assert agentctl.account.shell(script, timeout=120).status == 0
    assert len(agentctl.list()) == 1001
    eventually(lambda: helpers() == [], what="nothing of ours waits")
    agentctl.ok("stop", "holder")
    eventually(lambda: agentctl.list() == [], 120, "all have run")
    assert open(f"{folder}/order").read().split() == [str(number) for number in range(1, 1001)]
