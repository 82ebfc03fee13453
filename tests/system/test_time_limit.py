"""A time limit ends a session when it says, `extend` moves it, and no reload of the manager forgets either."""

import time

import pytest

from agentctl import LATE, eventually, parse_time, seconds_between, within


def test_a_session_ends_expired_at_its_time_limit(agentctl):
    agentctl.run("a", "sleep", "60", options=["--ttl", "2s"])
    began = time.monotonic()
    assert agentctl("wait", "a").status == 124
    assert 1.5 <= time.monotonic() - began <= 2 + LATE
    session = agentctl.status("a")
    assert session["state"] == "expired"
    assert session["reason"] == "time limit of 2s reached"
    assert session["ttl_s"] == 2
    assert 2 <= seconds_between(session["started_at"], session["ended_at"]) <= 2 + LATE
    assert agentctl("wait", "a").status == 124, "a wait that comes late gets the same answer"


@pytest.mark.parametrize("form", ["--detach", "--wait", "--scope"])
def test_the_time_limit_is_kept_within_half_a_second(agentctl, form):
    def seconds_late():
        status = agentctl("run", "-n", "a", form, "--ttl", "2s", "--", "sleep", "60").status
        assert (status if form != "--detach" else agentctl("wait", "a").status) == 124
        told = time.time()
        session = agentctl.status("a")
        assert session["state"] == "expired"
        late = seconds_between(session["started_at"], session["ended_at"]) - 2
        assert late > -0.1
        return max(late, told - parse_time(session["started_at"]) - 2)

    within(0.5, seconds_late)


def test_a_session_that_ends_in_time_is_not_expired(agentctl):
    agentctl.run("a", "true", options=["--ttl", "2s"])
    assert agentctl("wait", "a").status == 0
    assert agentctl.status("a")["state"] == "exited"


def test_a_foreground_run_ends_with_124(agentctl):
    began = time.monotonic()
    forms = {form: agentctl.popen("run", form, "--ttl", "1s", "--", "sleep", "60") for form in ("--wait", "--follow", "--scope")}
    for form, process in forms.items():
        assert process.wait(10) == 124, form
    assert 1 <= time.monotonic() - began <= 1.5 + LATE


def test_a_process_that_ignores_sigterm_gets_sigkill_and_is_still_expired(agentctl):
    agentctl.run("a", "sh", "-c", "trap '' TERM; sleep 60 & wait; sleep 60", options=["--ttl", "1s", "--stop-timeout", "1s"])
    assert agentctl("wait", "a").status == 124
    session = agentctl.status("a")
    assert session["state"] == "expired"
    assert 2 <= seconds_between(session["started_at"], session["ended_at"]) <= 2 + LATE


def test_extend_and_daemon_reload_in_either_order(agentctl):
    names = ["plain", "reloaded", "extended-reloaded", "reloaded-extended", "reexecuted", "endless"]
    for name in names:
        agentctl.run(name, "sleep", "60", options=["--ttl", "2s"])
    agentctl.ok("extend", "extended-reloaded", "2s")
    assert agentctl.systemctl("daemon-reload").status == 0
    agentctl.ok("extend", "reloaded-extended", "2s")
    agentctl.ok("extend", "endless", "infinity")
    agentctl.ok("extend", "reexecuted", "1s")
    assert agentctl.systemctl("daemon-reexec").status == 0
    limits = {"plain": 2, "reloaded": 2, "extended-reloaded": 4, "reloaded-extended": 4, "reexecuted": 3}
    assert agentctl("wait", *limits).status == 124
    for name, limit in limits.items():
        session = agentctl.status(name)
        assert session["state"] == "expired", name
        assert limit <= seconds_between(session["started_at"], session["ended_at"]) <= limit + LATE, name
        assert abs(seconds_between(session["started_at"], session["expires_at"]) - limit) <= 0.1, name
    assert agentctl.status("endless")["state"] == "running"


def test_extend_twice_adds_up(agentctl):
    session = agentctl.run("a", "sleep", "60", options=["--ttl", "1s"])
    agentctl.ok("extend", "a", "500ms")
    out = agentctl.ok("extend", "a", "500ms")
    assert out.startswith("a: ") and " left, ends " in out
    session = agentctl.status("a")
    assert abs(seconds_between(session["started_at"], session["expires_at"]) - 2) <= 0.1
    assert agentctl("wait", "a").status == 124
    session = agentctl.status("a")
    assert 2 <= seconds_between(session["started_at"], session["ended_at"]) <= 2 + LATE


def test_a_moved_limit_is_not_inherited_by_the_next_session_of_the_name(agentctl):
    agentctl.run("a", "sleep", "60", options=["--ttl", "1s"])
    agentctl.ok("extend", "a", "1h")
    agentctl.ok("stop", "a")
    session = agentctl.run("a", "sleep", "60", options=["--ttl", "1s"])
    assert agentctl.systemctl("daemon-reload").status == 0
    assert agentctl("wait", "a").status == 124
    session = agentctl.status("a")
    assert 1 <= seconds_between(session["started_at"], session["ended_at"]) <= 1 + LATE


def test_the_time_left_is_shown(agentctl):
    session = agentctl.run("a", "sleep", "600", options=["--ttl", "1h"])
    assert abs(parse_time(session["expires_at"]) - parse_time(session["started_at"]) - 3600) < 0.1
    assert "59min" in agentctl.ok("list")
    assert " left" in agentctl.ok("status", "a").splitlines()[0]
    agentctl.run("b", "sleep", "600")
    assert agentctl.status("b")["expires_at"] is None and agentctl.status("b")["ttl_s"] is None


@pytest.mark.parametrize("span", ["0", "-1s", "soon", "", "5 parsecs"])
def test_a_span_that_is_none_is_refused(agentctl, span):
    agentctl.run("a", "sleep", "60", options=["--ttl", "1h"])
    before = agentctl.status("a")["expires_at"]
    result = agentctl("extend", "--", "a", span)
    assert result.status == 2 and not result.out, result
    assert agentctl.status("a")["expires_at"] == before


def test_what_cannot_be_extended_is_refused(agentctl):
    agentctl.run("unlimited", "sleep", "60")
    result = agentctl("extend", "unlimited", "1h")
    assert result.status == 4 and "it has no time limit" in result.err, result
    agentctl.run("ended", "true", options=["--ttl", "1h"])
    agentctl.wait_ended("ended")
    result = agentctl("extend", "ended", "1h")
    assert result.status == 4 and "it has ended (exited)" in result.err, result
    assert agentctl("extend", "nobody", "1h").status == 3


def test_the_limit_does_not_count_what_a_restart_leaves_behind(agentctl):
    agentctl.run("a", "sleep", "60", options=["--ttl", "1500ms"])
    agentctl.ok("extend", "a", "1h")
    agentctl.ok("restart", "a")
    assert agentctl("wait", "a").status == 124
    session = agentctl.status("a")
    assert session["attempt"] == 2
    assert 1.5 <= seconds_between(session["started_at"], session["ended_at"]) <= 1.5 + LATE
    eventually(lambda: not agentctl.units(), what="an unloaded unit")
