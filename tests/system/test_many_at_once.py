"""Hundreds of sessions at once: all are there, each once, and while they are idle they cost nothing."""

import concurrent.futures
import glob
import os
import time

import pytest

from agentctl import eventually

HOST = "session-host"


def test_200_runs_at_once_from_8_shells(agentctl):
    script = 'for i in $(seq 25); do agentctl run -- sleep 1000 & done; wait'
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: agentctl.account.shell(script, timeout=120), range(8)))
    assert [result.err for result in results] == [""] * 8
    names = [name for result in results for name in result.out.split()]
    assert len(names) == len(set(names)) == 200
    sessions = agentctl.list()
    assert sorted(session["name"] for session in sessions) == sorted(names)
    assert {session["state"] for session in sessions} == {"running"}
    assert len({session["id"] for session in sessions}) == len({session["pid"] for session in sessions}) == 200
    assert agentctl.units() == {f"agentctl-{name}.service" for name in names}
    assert len(agentctl.records("live")) == 200
    out = agentctl.ok("stop", "--all", timeout=120)
    assert out.count(": stopped, 2 processes, 0 left\n") == 200
    assert not agentctl.units() and len(agentctl.records("ended")) == 200 and not agentctl.records("live")
    assert {session["state"] for session in agentctl.list("-a")} == {"stopped"}


def test_a_project_of_hundreds_is_spread_and_still_one(agentctl):
    agentctl.account.shell('for i in $(seq 200); do agentctl run -p my-shop -- sleep 1000; done', timeout=120)
    agentctl.run("last", "sleep", "1000", options=["-p", "my-shop"])
    group = agentctl.show("agentctl-last.service", "ControlGroup")["ControlGroup"]
    assert "/agentctl-my\\x2dshop.slice/agentctl-my\\x2dshop-_" in group
    assert agentctl.status("last")["usage"]["processes"] == 2, "it is looked for where it is"
    assert agentctl.ok("stop", "-p", "my-shop", timeout=120).count(" stopped, 2 processes, 0 left\n") == 201
    assert not agentctl.units()


def test_of_many_that_want_one_name_one_gets_it(agentctl):
    for round in range(3):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            results = list(pool.map(lambda number: agentctl("run", "-n", "a", "--", "sleep", f"100{number}"), range(16)))
        assert sorted(result.status for result in results) == [0] + [4] * 15
        winner = next(number for number, result in enumerate(results) if result.status == 0)
        (session,) = agentctl.list()
        assert session["command"] == ["sleep", f"100{winner}"]
        agentctl.ok("stop", "a")
    assert len(agentctl.names("-a")) == 3


def test_a_name_is_passed_on_without_a_gap(agentctl):
    """The next session of a name may start as soon as the last has ended, however fast that goes."""
    for number in range(30):
        assert agentctl("run", "--wait", "-n", "a", "--", "sh", "-c", f"exit {number}").status == number
    assert len(agentctl.names("-a")) == 30


def test_short_sessions_at_once_are_all_recorded(agentctl):
    # Not "jobs -p": bash forgets a job that has ended, though not its status.
    script = 'for i in $(seq 20); do agentctl run --wait -- sh -c "echo $i; exit $i" & all="$all $!"; done; s=0; for p in $all; do wait $p; s=$((s+$?)); done; echo $s'
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        results = list(pool.map(lambda _: agentctl.account.shell(script, timeout=120), range(5)))
    assert [(result.out, result.err) for result in results] == [("210\n", "")] * 5
    sessions = agentctl.list("-a")
    assert len(sessions) == 100 and {session["state"] for session in sessions} == {"failed"}
    assert sorted(session["exit"]["code"] for session in sessions) == sorted(list(range(1, 21)) * 5)
    assert all(agentctl.logs(session["id"]) == b"%d\n" % session["exit"]["code"] for session in sessions)


def processes_of_ours():
    """pid → name, of everything that was installed with agentctl."""
    found = {}
    for path in glob.glob("/proc/[0-9]*/exe"):
        try:
            target = os.readlink(path)
        except OSError:
            continue
        if "/agentctl" in target:
            found[int(path.split("/")[2])] = os.path.basename(target.removesuffix(" (deleted)"))
    return found


def cpu_time(pids):
    """Nanoseconds on the CPU, and times that it was given up."""
    total = switches = 0
    for pid in pids:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            switches += sum(int(line.split()[1]) for line in file if "_ctxt_switches" in line)
    return total, switches


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def start_many(agentctl, count):
    script = f"for i in $(seq {count // 4}); do agentctl run -- sleep 1000 || exit 1; done"
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: agentctl.account.shell(script, timeout=120), range(4)))
    assert [result.status for result in results] == [0] * 4, results


def test_500_idle_sessions_cost_nothing(agentctl):
    assert not processes_of_ours()
    start_many(agentctl, 100)
    hosts = processes_of_ours()
    assert list(hosts.values()) == [HOST] * 100
    sizes = sorted(map(pss_kib, hosts))
    assert sizes[50] <= 2048, f"Pss of a session host with 100 live: {sizes[50]} KiB"
    start_many(agentctl, 400)
    assert len(agentctl.names()) == 500

    def idle():
        hosts = processes_of_ours()
        assert sorted(hosts.values()) == [HOST] * 500, "no other process of ours"
        before = cpu_time(hosts)
        time.sleep(3)
        return cpu_time(hosts) == before

    eventually(idle, 10, "3 s in which no session host runs at all")
    assert agentctl.ok("stop", "--all", timeout=120).endswith("\n500 sessions: 1000 processes, 0 left\n")
    assert not processes_of_ours()


def test_list_asks_systemd_once(agentctl):
    """However many sessions there are; the time it takes is a matter of tests/bench."""
    start_many(agentctl, 40)
    path = f"/tmp/list-trace-{agentctl.account.name}"
    result = agentctl.account.run(["strace", "-qq", "-e", "trace=sendmsg,sendto", "-o", path, "agentctl", "list"])
    if result.status == 127:
        pytest.skip("needs strace")
    with open(path, encoding="utf-8", errors="replace") as file:
        calls = len(file.readlines())
    os.unlink(path)
    assert calls < 20, f"{calls} messages for 40 sessions"
