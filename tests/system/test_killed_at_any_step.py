"""`agentctl run` is killed at each of its system calls: nothing of it is half there afterwards."""

import concurrent.futures
import json
import re

import pytest

from agentctl import eventually



def count_calls(account):
    """How many system calls one `agentctl run` makes."""
    result = account.shell("strace -qq -o /tmp/strace.$$ agentctl run -- sleep 1000 >/dev/null && wc -l < /tmp/strace.$$; rm -f /tmp/strace.$$")
    assert result.status == 0, result
    return int(re.search(r"\d+", result.out)[0])


def kill_at(account, step):
    """Runs `agentctl run` and kills it, and it alone, at that system call. Its sessions are not traced."""
    return account.run(["strace", "-qq", "-o", "/dev/null", "-e", f"inject=all:signal=KILL:when={step}", "agentctl", "run", "-n",
                        f"step-{step}", "--", "sleep", "1000"])


@pytest.mark.slow
def test_no_step_leaves_a_live_unit_unlisted_or_a_record_starting(agentctl):
    account = agentctl.account
    calls = count_calls(account)
    assert calls > 100
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda step: kill_at(account, step), range(1, calls + 20)))
    assert any(result.status != 0 for result in results)

    # Whoever was killed in mid-call may have asked systemd for a unit that is still being started.
    def settled():
        listed = agentctl.list()
        return all(session["state"] == "running" for session in listed) and listed

    sessions = eventually(settled, 10, "no session that stays starting")
    units = agentctl.units()
    assert units == {session["unit"] for session in sessions}, "each live unit is listed, and each listed session lives"
    # What a killed agentctl claimed and did not start is free again, and has an end that says so.
    for session in agentctl.list("-a"):
        assert session["state"] in ("running", "lost"), session
        if session["state"] == "lost":
            assert "never started" in session["reason"], session
    agentctl.ok("stop", "--all")
    assert not agentctl.units() and not agentctl.list()


def test_a_name_whose_starter_was_killed_is_free(agentctl):
    account = agentctl.account
    calls = count_calls(account)
    for step in range(calls - 60, calls, 4):
        kill_at(account, step)
        name = f"step-{step}"
        state = json.loads(agentctl("list", "--json").out)
        if name not in [session["name"] for session in state]:
            assert agentctl.ok("run", "-n", name, "--", "true") == name + "\n"
