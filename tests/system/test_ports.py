"""A session holds its ports as long as it lives: no other session gets them, and nobody who listens already loses them."""

import concurrent.futures
import contextlib
import os
import signal
import socket

import pytest

from agentctl import eventually

SERVER = ("import os, socket, time; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1);"
          "s.bind(('127.0.0.1', int(os.environ['PORT']))); s.listen(); print('listens', flush=True); time.sleep(1000)")


def serve(agentctl, name, *options):
    """A session that listens on its first port."""
    session = agentctl.run(name, "python3", "-c", SERVER, options=options)
    eventually(lambda: agentctl.logs(name) == b"listens\n", what=f"{name} listens")
    return session


def free_port():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        return free.getsockname()[1]


def test_a_second_one_is_refused(agentctl):
    port = free_port()
    holder = agentctl.run("api", "sleep", "1000", options=["--port", str(port)])
    assert holder["ports"] == [port]
    for more in ([], ["--replace"], ["--reuse"], ["--wait"], ["--scope"]):
        result = agentctl("run", "-n", "web", "--port", str(port), *more, "--", "true")
        assert result.status == (125 if more and more[0] in ("--wait", "--scope") else 4) and not result.out, result
        assert f"cannot start session 'web': port {port} is held by session 'api' ({holder['id']}), running" in result.err
        assert f"hint: agentctl port {port}\n" in result.err
    assert agentctl.names("-a") == ["api"] and len(os.listdir(agentctl.runtime)) == 1, "a refusal changes nothing"


def test_where_somebody_listens_it_is_refused(agentctl):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as stranger:
        port = stranger.getsockname()[1]
        result = agentctl("run", "-n", "web", "--port", str(port), "--", "true")
        assert result.status == 4 and f"port {port} is in use by " in result.err, result
        who = f"(pid {os.getpid()}, root)" if agentctl.account.uid == 0 else "a process of root"
        assert who in result.err, result
        assert not agentctl.names("-a")
        use = agentctl("port", "--json", str(port)).json()
        assert use["session"] is None and use["listeners"][0]["user"] == "root"
    agentctl.run("web", "sleep", "1000", options=["--port", str(port)])


def test_a_session_that_listens_unasked_is_named(agentctl):
    port = free_port()
    serve(agentctl, "api", "-e", f"PORT={port}")
    result = agentctl("run", "-n", "web", "--port", str(port), "--", "true")
    assert result.status == 4 and f"port {port} is in use by session 'api', which did not ask for it" in result.err, result


@pytest.mark.parametrize("end", ["stop", "exit", "kill the host", "rm"])
def test_an_end_frees_it(agentctl, folder, end):
    port = str(free_port())
    agentctl.run("api", "sh", "-c", f"while [ ! -e {folder}/go ]; do sleep 0.05; done", options=["--port", port])
    if end in ("stop", "rm"):
        agentctl.ok("stop", "api")
    elif end == "exit":
        open(f"{folder}/go", "w").close()
    else:
        os.kill(int(agentctl.show("agentctl-api.service", "MainPID")["MainPID"]), signal.SIGKILL)
    agentctl.wait_ended("api")
    if end == "rm":
        agentctl.ok("rm", "api")
    agentctl.run("web", "sleep", "1000", options=["--port", port])


def test_twenty_at_once_get_twenty_ports(agentctl):
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        results = list(pool.map(lambda number: agentctl("run", "-n", f"s{number}", "--port", "auto", "--", "python3", "-c", SERVER),
                                range(20)))
    assert {result.status for result in results} == {0}, results
    ports = [session["ports"][0] for session in agentctl.list()]
    assert len(set(ports)) == 20, ports
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        first, last = map(int, file.read().split())
    assert not [port for port in ports if first <= port <= last]
    for session in agentctl.list():
        eventually(lambda: agentctl.logs(session["name"]) == b"listens\n", 20, f"{session['name']} listens")
        socket.create_connection(("127.0.0.1", session["ports"][0]), 5).close()


def test_the_program_is_told_its_ports(agentctl):
    port = free_port()
    script = 'echo "$PORT|$AGENTCTL_PORTS"'
    environment = agentctl.account.environment(PORT="1")

    def says(*options):
        return agentctl.ok("run", "--follow", *options, "--", "sh", "-c", script, env=environment)

    assert says("--port", str(port)) == f"{port}|\n"
    assert says("--port", str(port), "-e", "PORT=x") == "x|\n"
    first, *rest = says("--port", "auto", "--port", str(port)).strip().split("|")
    assert rest == [f"{first} {port}"] and first.isdigit() and int(first) != port
    assert says() == "1|\n"
    result = agentctl("run", "--scope", "--port", "auto", "--", "sh", "-c", script, env=environment)
    assert result.status == 0 and int(result.out.strip("|\n")) > 1024, result


def test_a_restart_keeps_them(agentctl):
    session = serve(agentctl, "web", "--port", "auto")
    agentctl.ok("restart", "web")
    assert agentctl.status("web")["ports"] == session["ports"]
    agentctl.ok("stop", "web")
    agentctl.ok("restart", "web")
    again = agentctl.status("web")
    assert again["id"] != session["id"] and again["ports"] == session["ports"]
    eventually(lambda: agentctl("port", str(session["ports"][0])).out.find("(pid ") > 0, what="it listens again")


def test_a_queued_one_holds_them_and_starts_with_them(agentctl):
    port = free_port()
    agentctl.run("first", "sleep", "1000", options=["--pool", "p", "--max", "1"])
    agentctl.ok("run", "-n", "second", "--pool", "p", "--max", "1", "--queue", "--port", "auto", "--port", str(port), "--",
                "sh", "-c", "echo $AGENTCTL_PORTS; sleep 1000")
    queued = agentctl.status("second")
    assert queued["state"] == "queued" and queued["ports"][1] == port
    result = agentctl("run", "-n", "third", "--port", str(port), "--", "true")
    assert result.status == 4 and "is held by session 'second'" in result.err, result
    assert "second (" in agentctl.ok("port", str(port)) and "nobody yet" in agentctl.ok("port", str(port))
    agentctl.ok("stop", "first")
    eventually(lambda: agentctl.logs("second") == f"{queued['ports'][0]} {port}\n".encode(), what="its ports")


def test_of_many_at_once_one_gets_the_port(agentctl):
    port = str(free_port())
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda number: agentctl("run", "-n", f"s{number}", "--port", port, "--", "sleep", "1000"),
                                range(16)))
    assert sorted(result.status for result in results) == [0] + [4] * 15, results
    assert len(agentctl.names("-a")) == 1


def test_port_says_who_it_is(agentctl):
    session = serve(agentctl, "web", "--port", "auto", "-p", "shop")
    (port,) = session["ports"]
    text = agentctl.ok("port", str(port))
    assert text.startswith(f"port {port} is held by session web ({session['id']}), running\n"), text
    assert "shop" in text and "agentctl-web.service" in text and f"(pid {session['pid']}, {agentctl.account.name}) on 127.0.0.1" in text
    use = agentctl("port", "--json", str(port)).json()
    assert use["port"] == port and use["session"]["id"] == session["id"]
    (listener,) = use["listeners"]
    assert listener["address"] == "127.0.0.1" and listener["pid"] == session["pid"]
    assert listener["unit"] == "agentctl-web.service" and listener["session"] == "web"
    agentctl.ok("stop", "web")
    result = agentctl("port", str(port))
    assert result.status == 3 and result.out == f"port {port} is free\n", result
    assert agentctl("port", "--json", str(port)).json() == {"port": port, "session": None, "listeners": []}
    assert agentctl("port", "0").status == 2 and agentctl("port", "x").status == 2


def test_of_a_user_s_session_root_sees_the_unit_and_no_session_of_its_own(user_agentctl, system_agentctl):
    (port,) = serve(user_agentctl, "web", "--port", "auto")["ports"]
    system_agentctl.run("web", "sleep", "1000")
    (listener,) = system_agentctl("port", "--json", str(port)).json()["listeners"]
    assert listener["unit"] == "agentctl-web.service" and listener["session"] is None and listener["user"] == "tester"
