"""`kill -9` of agentctl before each of its system calls: never a live unit that `list` does not show, never a record that
stays `starting`, never a name that is lost for good."""

import concurrent.futures
import os
import re
import shutil

import pytest

from agentctl import TERMINAL_STATES, eventually

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")


def steps_of(agentctl, folder, arguments):
    """Each system call that agentctl makes for this, in order, as (name, how often it has come by then)."""
    path = f"{folder}/trace"
    result = agentctl.account.run(["strace", "-qq", "-o", path, "agentctl", *arguments])
    assert result.status == 0, result
    steps, counts = [], {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            call = re.match(r"(\w+)\(", line)
            if call and call[1] != "execve":  # that is strace's own
                counts[call[1]] = counts.get(call[1], 0) + 1
                steps.append((call[1], counts[call[1]]))
    assert len(steps) > 100
    return steps


def run_and_kill(agentctl, step, arguments):
    """Runs agentctl until just before that call. True when it got so far."""
    call, count = step
    result = agentctl.account.run(["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
                                   "-e", f"inject={call}:signal=KILL:when={count}", "agentctl", *arguments])
    return result.status == -9


def running_units(agentctl):
    rows = agentctl.systemctl("list-units", "--state=active", "--plain", "--no-legend", "--full", "agentctl-*.service",
                              "agentctl-*.scope").out.splitlines()
    return {row.split()[0] for row in rows}


def assert_all_listed(agentctl, names):
    """Every live unit is in `list`; units first, so that what starts meanwhile is no excuse."""
    units = {unit for unit in running_units(agentctl) if unit.split(".")[0] in names}
    missing = units - {session["unit"] for session in agentctl.list()}
    still = missing & running_units(agentctl)  # a --scope session may just have ended
    assert not still or not still - {session["unit"] for session in agentctl.list()}, f"live, and not listed: {still}"


def kill_at_all_steps(agentctl, folder, workers, *arguments):
    """Returns the names of the sessions, one for each step."""
    steps = steps_of(agentctl, folder, ["run", "-n", "reference", *arguments])
    names = [f"k{number}" for number in range(len(steps))]

    def attempt(number):
        killed = run_and_kill(agentctl, steps[number], ["run", "-n", names[number], *arguments])
        assert_all_listed(agentctl, {f"agentctl-{names[number]}"})
        return killed

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        killed = list(pool.map(attempt, range(len(steps))))
    # How often it has to wait for systemd, and so how many steps there are, is not the same each time.
    assert sum(killed) > len(steps) * 0.7, "most steps were reached"
    return names


def assert_nothing_is_left_open(agentctl, names):
    def settled():
        states = {session["name"]: session["state"] for session in agentctl.list("-a")}
        return not [name for name in names if states.get(name, "exited") not in TERMINAL_STATES | {"running"}] and states

    states = eventually(settled, 10, "no record that stays starting")
    live = {f"agentctl-{name}" for name, state in states.items() if state == "running"}
    assert live == {unit.rsplit(".", 1)[0] for unit in running_units(agentctl)}
    return states


def test_a_detached_run_is_killed_at_any_step(agentctl, folder):
    names = kill_at_all_steps(agentctl, folder, 3, "--", "sleep", "1000")
    states = assert_nothing_is_left_open(agentctl, names)
    assert {"running", "lost"} <= {states.get(name) for name in names}, "it was killed before and after the start"
    assert agentctl("stop", "--all").status == 0
    assert not agentctl.units()
    # A name belongs to nobody afterwards, whatever was left behind for it.
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda name: agentctl("run", "-n", name, "--", "sleep", "1000"), names))
    assert [result for result in results if result.status != 0] == []
    assert set(agentctl.names()) == set(names)
    agentctl.ok("stop", "--all")
    agentctl.ok("reconcile")
    # What killed runs left on the runtime tmpfs goes, once it is old enough that nobody can be about to use it.
    for entry in os.listdir(agentctl.runtime):
        os.utime(f"{agentctl.runtime}/{entry}", (0, 0))
    agentctl.ok("reconcile")
    assert os.listdir(agentctl.runtime) == []


def test_a_scope_run_is_killed_at_any_step(agentctl, folder):
    names = kill_at_all_steps(agentctl, folder, 4, "--scope", "--", "sleep", "0.05")
    assert_nothing_is_left_open(agentctl, names)
    # systemd can lose the end of a child that dies while it is moved into its scope: the timer finds that.
    agentctl.ok("reconcile")
    eventually(lambda: not agentctl.units(), what="the end of all units")
    states = assert_nothing_is_left_open(agentctl, names)
    assert "running" not in states.values()
    assert agentctl("run", "--scope", "-n", names[-1], "--", "true").status == 0


def test_a_stop_is_killed_at_any_step(agentctl, folder):
    """The session either lives, and can be stopped, or has ended and says so."""
    agentctl.run("reference", "sleep", "1000")
    steps = steps_of(agentctl, folder, ["stop", "reference"])[::3]
    names = [f"k{number}" for number in range(len(steps))]

    def attempt(number):
        agentctl.ok("run", "-n", names[number], "--", "sleep", "1000")
        run_and_kill(agentctl, steps[number], ["stop", names[number]])

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(attempt, range(len(steps))))
    eventually(lambda: not [session for session in agentctl.list() if session["state"] != "running"], what="settled sessions")
    assert_nothing_is_left_open(agentctl, names)
    agentctl("stop", "--all")
    assert {session["state"] for session in agentctl.list("-a")} == {"stopped"}
