"""Readiness and health: a unit is active when its command is healthy, and agentctl says when it is not any more."""

import json
import os
import signal
import socket
import subprocess

import pytest

from agentctl import eventually, is_alive

SERVER = "import http.server,sys; http.server.ThreadingHTTPServer((sys.argv[2] if len(sys.argv) > 2 else '127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def port():
    return free_port()


def server(port, *more):
    return ["python3", "-c", SERVER, str(port), *more]


def probes(agentctl, name):
    found = []
    for pid in agentctl.processes(name):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                if file.read().split("\0")[0].endswith("/probe"):
                    found.append(pid)
        except FileNotFoundError:
            pass
    return found


def accepts(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def ready(agentctl, name, check, *command, options=()):
    return agentctl("run", "-n", name, "--ready", check, *options, "--", *command)


def test_run_returns_when_it_serves(agentctl, port):
    for name, check in (("a", f"tcp:{port}"), ("b", f"http://127.0.0.1:{port + 1}/")):
        result = ready(agentctl, name, check, *server(port if name == "a" else port + 1))
        assert (result.status, result.out, result.err) == (0, f"{name}\n", "")
        with socket.create_connection(("127.0.0.1", port if name == "a" else port + 1), 1):
            pass
        session = agentctl.status(name)
        assert (session["state"], session["healthy"]) == ("running", True)
        assert session["health"]["last_error"] is None and session["ready_at"] > session["started_at"]
        assert agentctl.show(f"agentctl-{name}.service", "ActiveState")["ActiveState"] == "active"


def test_until_then_its_unit_is_activating(agentctl, folder):
    run = agentctl.popen("run", "-n", "a", "--ready", f"cmd:test -e {folder}/go", "--", "sleep", "1000")
    session = eventually(lambda: agentctl.names() and agentctl.status("a")["started_at"] and agentctl.status("a"), what="it starts")
    assert (session["state"], session["healthy"], session["ready_at"]) == ("starting", False, None)
    assert agentctl.show("agentctl-a.service", "ActiveState")["ActiveState"] == "activating"
    assert agentctl.systemctl("is-active", "agentctl-a").out == "activating\n"
    assert agentctl("wait", "--for", "ready", "--timeout", "200ms", "a").status == 7
    open(f"{folder}/go", "w", encoding="ascii").close()
    assert run.wait(10) == 0
    assert agentctl.ok("wait", "--for", "healthy", "a") == ""
    assert agentctl.status("a")["healthy"] is True


def test_an_end_before_is_told_at_once_with_its_last_lines(agentctl, port):
    result = ready(agentctl, "a", f"tcp:{port}", "sh", "-c", "echo cannot bind; exit 3", options=["--ready-timeout", "1h"])
    assert result.status == 1 and result.seconds < 5
    assert "cannot bind\n" in result.err and "exited with status 3 before it was healthy" in result.err
    session = agentctl.status("a")
    assert (session["state"], session["exit"]["code"]) == ("failed", 3)


def test_what_is_not_ready_in_time_is_ended_as_a_whole(agentctl, port):
    result = ready(agentctl, "a", f"tcp:{port}", "sh", "-c", "setsid sleep 1000 & echo tried; sleep 1000", options=["--ready-timeout", "1s"])
    assert result.status == 1 and 1 <= result.seconds < 6
    assert f"not healthy within 1s: cannot connect to 127.0.0.1:{port}: Connection refused" in result.err
    assert "tried\n" in result.err and not agentctl.units()


def test_somebody_elses_server_is_not_its_health(agentctl, port):
    agentctl.ok("run", "-n", "other", "--ready", f"tcp:{port}", "--", *server(port))
    pid = agentctl.status("other")["pid"]
    for name, check in (("a", f"tcp:{port}"), ("b", f"http://127.0.0.1:{port}/")):
        result = ready(agentctl, name, check, *server(port), options=["--ready-timeout", "3s"])
        assert result.status == 1 and agentctl.status(name)["state"] == "failed"
        assert "before it was healthy" in result.err, "it could not bind"
        result = ready(agentctl, name, check, "sleep", "1000", options=["--ready-timeout", "1s"])
        assert f"port {port} is held by python3 (pid {pid}), which is not of this session" in result.err


def test_a_unix_socket_and_what_only_looks_like_one(agentctl, folder):
    listen = ["python3", "-c", f"import socket,time; s=socket.socket(socket.AF_UNIX); s.bind('{folder}/s'); s.listen(); time.sleep(1000)"]
    agentctl.ok("run", "-n", "a", "--ready", f"unix:{folder}/s", "--", *listen)
    os.symlink("s", f"{folder}/link")
    result = ready(agentctl, "b", f"unix:{folder}/link", "sleep", "1000")
    assert result.status == 1 and result.seconds < 10 and f"{folder}/link is a symbolic link" in result.err


def test_a_line_of_its_output(agentctl):
    result = ready(agentctl, "a", "log:^listening on [0-9]+$", "sh", "-c", "echo hello; sleep 0.2; echo listening on 80; exec sleep 1000")
    assert result.status == 0 and agentctl.status("a")["healthy"] is True
    assert agentctl.logs("a") == b"hello\nlistening on 80\n"
    result = ready(agentctl, "b", "log:never", "sh", "-c", "seq 1 200000; exec sleep 1000", options=["--ready-timeout", "2s"])
    assert result.status == 1 and agentctl.status("b")["state"] == "failed"
    assert agentctl.status("b")["reason"] == "not healthy within 2s: no line of its output matches"


def test_a_line_after_much_other_output(agentctl):
    """Far more than fits between the host and the probe, from the first moment on."""
    result = ready(agentctl, "a", "log:^listening on [0-9]+$", "sh", "-c", "seq 1 3000000; echo listening on 80; exec sleep 1000")
    assert result.status == 0 and agentctl.status("a")["healthy"] is True, result


def test_a_line_that_takes_too_many_steps_is_not_the_last(agentctl):
    script = "echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!; echo aaa; exec sleep 1000"
    assert ready(agentctl, "a", "log:^(a+)+$", "sh", "-c", script).status == 0


def test_its_own_word(agentctl):
    script = "systemd-notify --status=warming; sleep 0.3; systemd-notify --ready; exec sleep 1000"
    assert ready(agentctl, "a", "notify", "sh", "-c", script).status == 0
    assert agentctl.status("a")["healthy"] is True
    assert "NOTIFY_SOCKET" not in str(agentctl.show("agentctl-a.service", "Environment"))


def test_a_check_runs_where_the_session_runs(agentctl, folder):
    check = "cmd:test \"$PWD\" = \"$WHERE\" && test -r /proc/self/cgroup && grep -q agentctl-a /proc/self/cgroup"
    agentctl.ok("run", "-n", "a", "-C", folder, "-e", f"WHERE={folder}", "--ready", check, "--", "sleep", "1000")


def test_a_check_that_takes_too_long_goes_with_all_it_started(agentctl, folder):
    check = f"cmd:setsid sleep 4321 & echo $! >> {folder}/pids; sleep 1000"
    result = ready(agentctl, "a", check, "sleep", "1000", options=["--ready-timeout", "500ms"])
    assert result.status == 1 and "healthcheck command timeout after 500ms" in result.err or "not healthy within" in result.err
    with open(f"{folder}/pids", encoding="ascii") as file:
        pids = [int(line) for line in file]
    eventually(lambda: not any(is_alive(pid) for pid in pids), what="what the check started is gone")


def test_it_becomes_unhealthy_and_healthy_again(agentctl, folder):
    open(f"{folder}/ok", "w", encoding="ascii").close()
    agentctl.ok("run", "-n", "a", "--ready", f"cmd:test -e {folder}/ok || {{ echo gone >&2; false; }}", "--ready-interval", "100ms", "--", "sleep", "1000")
    os.unlink(f"{folder}/ok")
    session = eventually(lambda: not agentctl.status("a")["healthy"] and agentctl.status("a"), what="unhealthy")
    assert (session["state"], session["reason"]) == ("running", "unhealthy: healthcheck command exit 1: gone")
    assert session["health"]["last_error"] == "healthcheck command exit 1: gone"
    assert "unhealthy" in agentctl.systemctl("status", "agentctl-a").out
    wait = agentctl.popen("wait", "--for", "healthy", "a")
    open(f"{folder}/ok", "w", encoding="ascii").close()
    assert wait.wait(10) == 0
    assert agentctl.status("a")["reason"] is None


def test_what_survives_a_signal_is_checked_as_before(agentctl, folder):
    """`kill` sends it to every process of the unit: to the session host and the probe as well."""
    open(f"{folder}/ok", "w", encoding="ascii").close()
    agentctl.ok("run", "-n", "a", "--ready", f"cmd:test -e {folder}/ok", "--ready-interval", "100ms", "--", "sh", "-c",
                "trap '' TERM; while :; do sleep 1; done")
    assert agentctl.ok("kill", "a") == "a: sent SIGTERM\n"
    os.unlink(f"{folder}/ok")
    eventually(lambda: not agentctl.status("a")["healthy"], what="unhealthy")
    agentctl.systemctl("kill", "agentctl-a")
    open(f"{folder}/ok", "w", encoding="ascii").close()
    eventually(lambda: agentctl.status("a")["healthy"], what="healthy again")
    assert agentctl.status("a")["state"] == "running"


@pytest.mark.parametrize("what", ["stop", "restart"])
def test_what_follows_when_it_is_unhealthy(agentctl, folder, what):
    open(f"{folder}/ok", "w", encoding="ascii").close()
    script = f"touch {folder}/ok; exec sleep 1000"
    agentctl.ok("run", "-n", "a", "--ready", f"cmd:test -e {folder}/ok", "--ready-interval", "100ms", "--unhealthy", what,
                *(["--restart-delay", "100ms", "--restart", "on-failure"] if what == "restart" else []), "--", "sh", "-c", script)
    os.unlink(f"{folder}/ok")
    if what == "stop":
        session = agentctl.wait_ended("a")
        assert (session["state"], session["reason"]) == ("failed", "unhealthy: healthcheck command exit 1")
        assert not agentctl.units()
    else:
        session = eventually(lambda: (s := agentctl.status("a"))["attempt"] == 2 and s["healthy"] and s, what="the next attempt")
        assert session["attempts"][0]["reason"] == "unhealthy: healthcheck command exit 1"


def test_a_restart_checks_again_and_keeps_the_time_limit(agentctl, port):
    agentctl.ok("run", "-n", "a", "--ttl", "10min", "--ready", f"tcp:{port}", "--", *server(port))
    before = agentctl.status("a")
    agentctl.ok("restart", "a")
    after = agentctl.status("a")
    assert after["healthy"] is True and after["ready_at"] > before["ready_at"] and after["ttl_s"] == 600


def test_a_probe_that_is_killed_comes_back(agentctl, port):
    agentctl.ok("run", "-n", "a", "--ready", f"tcp:{port}", "--ready-interval", "100ms", "--", *server(port))
    (old,) = probes(agentctl, "a")
    os.kill(old, 9)
    eventually(lambda: probes(agentctl, "a") not in ([], [old]), 10, "another probe")
    assert agentctl.status("a")["state"] == "running"


def test_what_is_wedged_when_its_probe_is_killed_is_restarted_all_the_same(agentctl, folder):
    """The kernel may choose the probe when the service takes all memory."""
    agentctl.ok("run", "-n", "a", "--ready", f"cmd:test ! -e {folder}/bad", "--ready-interval", "100ms", "--unhealthy", "restart", "--",
                "sh", "-c", f"rm -f {folder}/bad; exec sleep 1000")
    (probe,) = probes(agentctl, "a")
    os.kill(probe, signal.SIGSTOP)
    open(f"{folder}/bad", "w").close()
    os.kill(probe, signal.SIGKILL)
    eventually(lambda: agentctl.status("a")["attempt"] == 2, 20, "its next attempt")
    assert agentctl.status("a")["attempts"][0]["reason"].startswith("unhealthy: ")


def test_what_is_not_checked_any_more_is_not_healthy(agentctl):
    agentctl.ok("run", "-n", "a", "-p", "shop", "--ready", "cmd:true", "--ready-interval", "100ms", "--ready-timeout", "500ms", "--", "sleep", "1000")
    assert "a" in agentctl.ok("context", "-p", "shop")
    (probe,) = probes(agentctl, "a")
    os.kill(probe, signal.SIGSTOP)
    eventually(lambda: agentctl.status("a")["healthy"] is False, 10, "nobody knows")
    assert agentctl.status("a")["reason"].startswith("unhealthy: not checked for ") and not agentctl.ok("context", "-p", "shop")
    os.kill(probe, signal.SIGCONT)
    eventually(lambda: agentctl.status("a")["healthy"] is True, 10, "it is checked again")


def test_a_strangers_server_is_none_however_it_is_reached(agentctl, port):
    with subprocess.Popen(server(port)) as stranger:
        try:
            eventually(lambda: accepts(port), 10, "it listens")
            for target in (f"tcp:0.0.0.0:{port}", f"http://0.0.0.0:{port}/", f"tcp:127.0.0.1:{port}"):
                result = ready(agentctl, "a", target, "sleep", "1000", options=["--ready-timeout", "500ms"])
                assert result.status == 1 and f"port {port} is held by" in agentctl.status("a")["reason"], result
        finally:
            stranger.kill()


def test_a_server_whose_descriptors_cannot_be_seen_is_known_by_its_group(user_agentctl, port):
    """As one with file capabilities: the kernel lets nobody but root look at what it has open."""
    script = "import ctypes; ctypes.CDLL(None).prctl(4, 0)\n" + server(port)[2]
    result = ready(user_agentctl, "a", f"tcp:{port}", "python3", "-c", script, *server(port)[3:], options=["--ready-timeout", "10s"])
    assert result.status == 0, result


def test_a_kill_of_the_host_takes_the_probe_along(agentctl, port):
    agentctl.ok("run", "-n", "a", "--ready", f"tcp:{port}", "--", *server(port))
    agentctl.systemctl("kill", "--kill-whom=main", "--signal=KILL", "agentctl-a")
    session = agentctl.wait_ended("a")
    assert session["state"] == "failed" and session["healthy"] is False and not agentctl.units()


def test_refusals_change_nothing(agentctl):
    for options, words in ((["--ready", "ftp://x"], "is none of"), (["--ready", "tcp:example.org:80"], "IP address"),
                           (["--ready", "log:("], "--ready"), (["--ready-timeout", "1s"], "need --ready"),
                           (["--ready", "tcp:80", "--unhealthy", "explode"], "report, restart or stop"),
                           (["--scope", "--ready", "tcp:80"], "--ready")):
        result = agentctl("run", "-n", "a", *options, "--", "sleep", "1000")
        assert result.status == 2 and words in result.err, result
    assert not agentctl.names("-a")
    agentctl.run("plain", "sleep", "1000")
    assert agentctl("wait", "--for", "healthy", "plain").status == 4
    assert agentctl.status("plain")["healthy"] is None and agentctl.status("plain")["health"] is None
    assert json.loads(agentctl.ok("list", "--json"))[0]["ready_at"]
