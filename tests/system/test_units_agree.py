"""systemctl and journalctl show the same as agentctl, and what is done with them is seen by agentctl."""

import os
import re
import signal

import pytest

from agentctl import eventually, is_alive, pids_in


def test_systemctl_status_shows_the_tree_and_journalctl_the_output(agentctl):
    agentctl.run("tree", "sh", "-c", "echo hello from the tree; sleep 1000 & sleep 1000")
    eventually(lambda: agentctl.logs("tree") == b"hello from the tree\n", what="its line")
    text = agentctl.systemctl("status", "--full", "agentctl-tree").out
    tree = re.findall(r"[├└]─ *(\d+) (.*)", text)
    assert [int(pid) for pid, _ in tree] == sorted(agentctl.processes("tree"))
    commands = [command.strip().strip('"') for _, command in tree]
    assert commands[1:] == ["sh -c echo hello from the tree; sleep 1000 & sleep 1000", "sleep 1000", "sleep 1000"] or \
        commands[1:] == ['sh -c "echo hello from the tree; sleep 1000 & sleep 1000', "sleep 1000", "sleep 1000"], commands
    assert "session-host" in commands[0]
    assert "Active: active (running)" in text
    assert "hello from the tree" in [entry["MESSAGE"] for entry in agentctl.journal("tree")]


def test_the_unit_says_what_status_says(agentctl):
    session = agentctl.run("a", "sh", "-c", "sleep 1000 & wait", options=["--ttl", "90min", "--stop-timeout", "7s", "-p", "my-shop"])
    eventually(lambda: len(agentctl.processes("a")) == 3, what="all processes")
    unit = agentctl.show("agentctl-a.service")
    assert unit["ActiveState"] == "active" and unit["SubState"] == "running" and unit["Type"] == "notify"
    assert unit["InvocationID"] == session["invocation_id"]
    assert session["id"] in unit["Description"]
    assert unit["Slice"] == "agentctl-my\\x2dshop.slice"
    assert (unit["RuntimeMaxUSec"], unit["TimeoutStopUSec"]) == ("1h 30min", "7s")
    assert unit["KillMode"] == "control-group" and unit["SendSIGKILL"] == "yes"
    assert unit["CollectMode"] == "inactive-or-failed" and unit["OOMPolicy"] == "continue"
    assert unit["Environment"] == "" and unit["Transient"] == "yes" and unit["Restart"] == "no"
    assert int(unit["MainPID"]) != session["pid"] and session["pid"] in agentctl.processes("a")
    assert agentctl.status("a")["usage"]["processes"] == 3
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        assert session["boot_id"] == file.read().strip().replace("-", "") or "-" in session["boot_id"]


def test_list_shows_what_list_units_shows(agentctl):
    for name in ("a", "b", "c"):
        agentctl.run(name, "sleep", "1000")
    assert agentctl.units() == {session["unit"] for session in agentctl.list()} == {f"agentctl-{name}.service" for name in "abc"}
    assert agentctl.systemctl("stop", "agentctl-b").status == 0
    assert agentctl.units() == {session["unit"] for session in agentctl.list()}


def test_an_ended_session_leaves_no_unit_and_nothing_failed(agentctl):
    for script in ("exit 0", "exit 1", "kill -KILL $$"):
        assert agentctl("run", "--wait", "-n", "a", "--", "sh", "-c", script).status in (0, 1, 137)
    assert not agentctl.units()
    assert "agentctl" not in agentctl.systemctl("--failed", "--all").out
    assert agentctl.systemctl("is-active", "agentctl-a").out == "inactive\n"


def test_systemctl_stop_is_a_stop(agentctl):
    agentctl.run("a", "sleep", "1000")
    assert agentctl.systemctl("stop", "agentctl-a").status == 0
    session = agentctl.status("a")
    assert (session["state"], session["reason"], session["stopped_by"]) == ("stopped", "stopped with systemctl", None)


def test_systemctl_kill_is_a_signal(agentctl):
    agentctl.run("a", "sleep", "1000")
    assert agentctl.systemctl("kill", "--signal=USR1", "agentctl-a").status == 0
    session = agentctl.wait_ended("a")
    assert (session["state"], session["reason"]) == ("failed", "killed by SIGUSR1")


def test_systemctl_restart_is_the_next_attempt(agentctl):
    before = agentctl.run("a", "sh", "-c", "echo line; sleep 1000")
    assert agentctl.systemctl("restart", "agentctl-a").status == 0
    after = agentctl.status("a")
    assert (after["id"], after["state"], after["attempt"], after["restarts"]) == (before["id"], "running", 2, 1)
    assert after["pid"] != before["pid"] and not is_alive(before["pid"])
    assert after["invocation_id"] == agentctl.show("agentctl-a.service")["InvocationID"] != before["invocation_id"]
    assert after["created_at"] == before["created_at"] and after["started_at"] > before["started_at"]


def test_the_slice_of_a_project_stops_its_sessions_and_no_others(agentctl):
    agentctl.run("a", "sleep", "1000", options=["-p", "my"])
    agentctl.run("b", "sleep", "1000", options=["-p", "my-app"])
    agentctl.run("c", "sleep", "1000", options=["-p", "My.app_2"])
    agentctl.run("d", "sleep", "1000")
    assert agentctl.systemctl("stop", "agentctl-my.slice").status == 0
    assert agentctl.names() == ["b", "c", "d"]
    assert agentctl.systemctl("stop", "agentctl.slice").status == 0
    assert agentctl.names() == []
    assert {session["state"] for session in agentctl.list("-a")} == {"stopped"}


def test_sessions_without_a_project_are_spread_over_slices(agentctl):
    for number in range(40):
        agentctl.ok("run", "-n", f"s{number}", "--", "sleep", "1000")
    slices = {agentctl.show(unit, "Slice")["Slice"] for unit in agentctl.units()}
    assert 5 < len(slices) <= 32 and all(name.startswith("agentctl-_") for name in slices)


def test_a_child_that_dies_of_a_signal_is_not_the_sessions_end(agentctl):
    agentctl.run("a", "sh", "-c", "sleep 1000 & sleep 2000 & wait")
    eventually(lambda: len(agentctl.processes("a")) == 4, what="all processes")
    children = [pid for pid in agentctl.processes("a") if open(f"/proc/{pid}/comm", encoding="utf-8").read() == "sleep\n"]
    os.kill(children[0], signal.SIGKILL)
    eventually(lambda: len(agentctl.processes("a")) == 3, what="one child less")
    assert agentctl.status("a")["state"] == "running"


def test_what_status_says_to_look_at_can_be_looked_at(agentctl):
    agentctl.run("shown", "sh", "-c", "echo hello; sleep 1000")
    eventually(lambda: agentctl.logs("shown") == b"hello\n", what="its line")
    text = agentctl.ok("status", "shown")
    commands = re.findall(r"\b((?:systemctl|journalctl) .*)$", text, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["systemctl", "journalctl"]
    for command in commands:
        result = agentctl.account.shell(command)
        assert result.status == 0 and ("hello" in result.out or "session-host" in result.out), command


def test_nothing_is_left_in_the_control_group_tree(agentctl):
    agentctl.run("a", "sleep", "1000", options=["-p", "shop"])
    group = agentctl.show("agentctl-a.service", "ControlGroup")["ControlGroup"]
    assert group.endswith("/agentctl.slice/agentctl-shop.slice/agentctl-a.service")
    agentctl.ok("stop", "a")
    assert not pids_in(group)
    assert not os.path.exists(f"/sys/fs/cgroup{group}")
    assert not os.listdir(agentctl.runtime)


@pytest.mark.parametrize("unit", ["agentctl-foreign.service", "agentctl-foreign.scope"])
def test_a_foreign_unit_of_our_prefix_is_not_taken_for_a_session(agentctl, unit):
    flag = "--system" if agentctl.scope == "system" else "--user"
    kind = ["--scope"] if unit.endswith(".scope") else []
    process = agentctl.account.popen(["systemd-run", flag, "--quiet", *kind, "--collect", f"--unit={unit}", "sleep", "1000"])
    eventually(lambda: agentctl.systemctl("is-active", unit).out == "active\n", what="the unit")
    assert agentctl.names("-a") == []
    assert agentctl("stop", "foreign").status == 3
    assert agentctl.ok("stop", "--all") == "nothing to stop\n"
    result = agentctl("run", "-n", "foreign", "--", "true")
    assert (result.status == 4) == unit.endswith(".service"), result
    assert agentctl.systemctl("is-active", unit).out == "active\n"
    agentctl.systemctl("stop", unit)
    process.wait(15)
