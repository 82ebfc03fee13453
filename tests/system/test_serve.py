"""`serve`: the sessions over HTTP, for clients that behave and for those that do not."""

import concurrent.futures
import contextlib
import json
import os
import re
import socket
import time

import pytest

from agentctl import eventually, is_alive, pids_with_argument
from http_client import read_all


def test_sessions_are_shown_as_status_shows_them(server):
    agentctl = server.agentctl
    agentctl.run("web", "sleep", "1000", options=["-p", "shop", "--port", "3000", "--ttl", "1h"])
    agentctl.run("db", "sleep", "1000")
    agentctl.run("old", "true")
    agentctl.wait_ended("old")
    shown, known = server.get("/api/sessions/web").json(), agentctl.status("web")
    shown["usage"], known["usage"] = None, None
    assert shown == known
    assert server.get(f"/api/sessions/{known['id']}").json()["name"] == "web"
    names = lambda target: sorted(item["name"] for item in server.get(target).json()["items"])
    assert names("/api/sessions") == ["db", "web"] and names("/api/sessions?all=1") == ["db", "old", "web"]
    assert names("/api/sessions?project=shop") == ["web"] and names("/api/sessions?state=exited") == ["old"]
    assert server.get("/api/managed-processes").json()["items"] == []  # none has a health check


def test_sessions_are_stopped_restarted_extended_and_signalled(server):
    agentctl = server.agentctl
    before = agentctl.run("web", "sleep", "1000", options=["--ttl", "1h"])
    extended = server.post("/api/sessions/web/extend", {"by": "30min"})
    assert extended.status == 200 and extended.json()["expires_at"] > before["expires_at"], extended
    restarted = server.post("/api/sessions/web/restart").json()
    assert restarted["attempt"] == 2 and restarted["pid"] != before["pid"]
    assert server.post("/api/sessions/web/kill", {"signal": "CONT"}).status == 200
    stopped = server.post("/api/sessions/web/stop", {"reason": "wrong branch"}).json()
    assert stopped["state"] == "stopped" and not is_alive(restarted["pid"])
    assert stopped["stopped_by"]["reason"] == "wrong branch" and stopped["stopped_by"]["command"] == "agentctl"
    refused = server.post("/api/sessions/web/extend", {"by": "1h"})
    assert refused.status == 409 and refused.json()["code"] == "conflict" and "has ended" in refused.json()["error"]
    again = server.post("/api/sessions/web/restart").json()
    assert again["state"] == "running" and again["id"] != before["id"]


def test_a_slow_stop_holds_up_nobody(server):
    server.agentctl.run("deaf", "sh", "-c", "trap '' TERM; while :; do sleep 1; done", options=["--stop-timeout", "3s"])
    with concurrent.futures.ThreadPoolExecutor() as pool:
        stopping = pool.submit(server.post, "/api/sessions/deaf/stop")
        eventually(lambda: server.get("/api/sessions/deaf").json()["state"] == "stopping")
        assert not stopping.done()
        assert stopping.result().json()["state"] == "stopped"


def test_what_is_wrong_is_said_in_the_envelope(user_server):
    user_server.agentctl.run("web", "sleep", "1000")
    for method, target, status, code in [
            ("GET", "/nix", 404, "not-found"), ("GET", "/api/sessions/nix", 404, "not-found"),
            ("GET", "/api/sessions/A%20b", 400, "invalid-session-name"), ("GET", "/api/sessions?x=1", 400, "unexpected-query-parameter"),
            ("GET", "/api/sessions?all=1&all=1", 400, "duplicate-query-parameter"), ("GET", "/api/sessions/web/log-stream?tail=0", 400, "invalid-integer"),
            ("GET", "/api/sessions/web/log-stream?tail=1048577", 400, "invalid-integer"),
            ("GET", "/api/managed-processes?project=../x", 400, "invalid-project"), ("GET", "/api/managed-processes?project=nix", 404, "project-not-found"),
            ("GET", "/api/managed-processes/by-name/A", 400, "invalid-managed-process-name"), ("GET", "/api/managed-processes/by-name/nix", 404, "not-found"),
            ("GET", "/api/managed-processes/by-name/web", 404, "not-found"), ("GET", "/api/managed-processes/log-stream/nix", 404, "not-found"),
            ("DELETE", "/api/sessions", 405, "method-not-allowed"), ("GET", "/api/sessions/web/stop", 405, "method-not-allowed")]:
        answer = user_server.ask(method, target)
        problem = answer.json()
        assert (answer.status, problem["code"], problem["details"]) == (status, code, []) and problem["error"], (target, answer)
    for target in ("/api/managed-processes/kill", "/api/managed-processes/restart"):
        for body, status, code in [({}, 400, "invalid-managed-process-name"), ("[]", 400, "invalid-body"), ("{", 400, "invalid-body"),
                                   ({"name": "nix"}, 404, "not-found"), ({"name": "web", "x": 1}, 400, "unexpected-field")]:
            answer = user_server.post(target, body)
            assert (answer.status, answer.json()["code"]) == (status, code), answer
    assert user_server.ask("PUT", "/api/sessions/web/stop").headers["Allow"] == "POST"
    assert user_server.agentctl.status("web")["state"] == "running"


def test_an_unchanged_list_is_not_sent_again(user_server):
    first = user_server.get("/api/managed-processes")
    tag = first.headers["ETag"]
    assert re.fullmatch('"[0-9a-f]{16}"', tag) and user_server.get("/api/managed-processes").headers["ETag"] == tag
    for given in (tag, tag.strip('"'), f'"x", {tag}', f"W/{tag}", "*"):
        answer = user_server.get("/api/managed-processes", **{"If-None-Match": given})
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag), given
    assert user_server.get("/api/managed-processes", **{"If-None-Match": '"other"'}).status == 200


def test_a_check_that_changes_nothing_changes_no_tag(user_server):
    agentctl = user_server.agentctl
    agentctl.ok("run", "-n", "web", "--ready", "cmd:true", "--ready-interval", "100ms", "--", "sleep", "1000")
    listed = lambda: user_server.get("/api/managed-processes")
    first = listed()
    at = lambda answer: answer.json()["items"][0]["last_health_at"]
    eventually(lambda: at(listed()) > at(first), 10, "another check")
    assert user_server.get("/api/managed-processes", **{"If-None-Match": first.headers["ETag"]}).status == 304
    agentctl.ok("run", "-n", "db", "--ready", "cmd:true", "--", "sleep", "1000")
    assert user_server.get("/api/managed-processes", **{"If-None-Match": first.headers["ETag"]}).status == 200


LISTENER = ("import http.server,os,sys,time\nopen(sys.argv[1], 'a').close()\n"
            "while not os.path.exists(sys.argv[2]): time.sleep(0.05)\n"
            "http.server.HTTPServer(('127.0.0.1', 3999), http.server.SimpleHTTPRequestHandler).serve_forever()")


def test_managed_processes_are_listed_restarted_and_killed(server, folder):
    """Those are sessions with a health check; this one's begins to succeed when the file GO is there."""
    agentctl, go = server.agentctl, f"{folder}/go"
    open(go, "w").close()
    command = ("python3", "-c", LISTENER, f"{folder}/begun", go)
    agentctl.run("web", *command, options=["-p", "shop", "--agent", "dev", "--work-item", "W-1", "--port", "3999", "--ttl", "1h",
                                           "-e", "SECRET=hidden", "--ready", "http://127.0.0.1:3999/"], cwd=folder)
    agentctl.run("plain", "sleep", "1000", options=["-p", "other"])
    listed = server.get("/api/managed-processes")
    (item,) = listed.json()["items"]
    status = agentctl.status("web")
    assert list(item) == ["name", "pid", "alive", "healthy", "owner_agent", "owner_wi", "owner_project", "attrs", "ports", "started_at",
                          "ttl_expires_at", "last_health_at", "log_path", "cmd", "args", "cwd", "healthcheck"]
    assert (item["name"], item["pid"], item["alive"], item["healthy"]) == ("web", status["pid"], True, True)
    assert (item["owner_agent"], item["owner_wi"], item["owner_project"], item["ports"]) == ("dev", "W-1", "shop", [3999])
    assert 3590_000 < item["ttl_expires_at"] - item["started_at"] <= 3600_000 and item["last_health_at"] >= item["started_at"]
    assert item["cmd"] == "python3" and item["args"] == list(command[1:]) and item["cwd"] == folder
    assert item["healthcheck"]["type"] == "http" and item["healthcheck"]["url"] == "http://127.0.0.1:3999/"
    assert b"hidden" not in listed.body and b"SECRET" not in listed.body
    tag = listed.headers["ETag"]
    assert server.get("/api/managed-processes", **{"If-None-Match": tag}).status == 304
    assert server.get("/api/managed-processes/by-name/web").json()["pid"] == item["pid"]
    assert server.get("/api/managed-processes?project=shop").json()["items"] != [] == server.get("/api/managed-processes?project=other").json()["items"]
    assert server.get("/api/managed-processes/by-name/plain").status == 404

    os.remove(go)  # restarted, it does not become healthy before GO is there again
    answer = server.post("/api/managed-processes/restart", {"name": "web"})
    assert answer.status == 200, answer
    restarted = answer.json()
    assert (restarted["ok"], restarted["name"], restarted["log_path"]) == (True, "web", None) and restarted["started_at"] > item["started_at"]
    assert restarted["pid"] not in (None, item["pid"]) and is_alive(restarted["pid"]) and not is_alive(item["pid"])
    now = server.get("/api/managed-processes/by-name/web").json()
    assert (now["pid"], now["alive"], now["healthy"]) == (restarted["pid"], True, False)
    assert server.get("/api/managed-processes", **{"If-None-Match": tag}).status == 200
    open(go, "w").close()
    eventually(lambda: server.get("/api/managed-processes/by-name/web").json()["healthy"], 10)

    stream = server.stream("/api/managed-processes/log-stream/web?tail=10")
    killed = server.post("/api/managed-processes/kill", {"name": "web"}).json()
    assert killed == {"ok": True, "name": "web", "killed_pid": restarted["pid"], "killed": True} and not is_alive(restarted["pid"])
    stream.text_until_done()
    assert server.get("/api/managed-processes").json()["items"] == []
    assert server.post("/api/managed-processes/kill", {"name": "web"}).status == 404


def test_every_answer_has_the_security_headers(user_server):
    for target in ("/", "/page.js", "/page.css", "/api/sessions", "/metrics", "/nix", "/api/sessions?x"):
        headers = user_server.get(target).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'"), target
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"


def test_the_log_streams_what_was_and_what_comes(server, folder):
    agentctl = server.agentctl
    agentctl.run("talk", "sh", "-c", f"printf 'one\\ntwo é\\n'; while [ ! -e {folder}/go ]; do sleep 0.05; done; echo three; printf 'no end'")
    eventually(lambda: agentctl.logs("talk").count(b"\n") == 2)
    whole, tail = server.stream("/api/sessions/talk/log-stream"), server.stream("/api/sessions/talk/log-stream?tail=4")
    assert whole.next() == ("message", '"one\\ntwo é\\n"')
    assert tail.next() == ("message", '" é\\n"')
    open(f"{folder}/go", "w").close()
    assert whole.text_until_done() == "three\nno end" and tail.text_until_done() == "three\nno end"
    assert server.stream("/api/sessions/talk/log-stream?tail=5").text_until_done() == "o end"


def test_the_log_has_whole_characters_and_all_bytes(user_server):
    agentctl = user_server.agentctl
    agentctl.run("long", "python3", "-c", "import sys\nfor i in range(20000): print(f'{i} ' + 'é€😀' * 3)\nsys.stdout.flush(); sys.stdout.buffer.write(b'\\xff\\n')")
    agentctl.wait_ended("long")
    expected = agentctl.logs("long").decode(errors="replace")
    stream = user_server.stream("/api/sessions/long/log-stream?tail=1048576")
    text = stream.text_until_done()
    assert text == expected and text.endswith("�\n")
    first = json.loads(user_server.stream("/api/sessions/long/log-stream").next()[1])
    size = len(first.encode()) - 2  # U+FFFD has three bytes, and stands for one
    assert 65536 - 3 <= size <= 65536 and expected.endswith(first)


def test_the_log_of_a_scope_is_not_there(user_server):
    agentctl = user_server.agentctl
    agentctl.ok("run", "-n", "here", "--scope", "--", "true")
    assert user_server.get("/api/sessions/here/log-stream").status == 404


def test_a_client_that_goes_takes_its_call_along(user_server):
    agentctl = user_server.agentctl
    agentctl.run("quiet", "sleep", "1000")
    stream = user_server.stream("/api/sessions/quiet/log-stream")
    eventually(lambda: pids_with_argument("__log-stream"))
    stream.close()
    eventually(lambda: not pids_with_argument("__log-stream"), what="its call has ended")


def test_a_client_that_goes_ends_what_it_waits_for(user_server, folder):
    """33 of them: more than can be under way at once."""
    agentctl = user_server.agentctl
    agentctl.ok("run", "-n", "web", "--ready", f"cmd:test ! -e {folder}/bad", "--ready-timeout", "1h", "--", "sleep", "1000")
    agentctl.run("plain", "sleep", "1000")
    open(f"{folder}/bad", "w").close()
    id = agentctl.status("web")["id"]
    waits = lambda: [pid for pid in pids_with_argument("restart") if pid in pids_with_argument(id)]
    for _ in range(33):
        with user_server.socket() as client:
            client.sendall(b"POST /api/sessions/web/restart HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            eventually(waits, what="its call")
        eventually(lambda: not waits(), what="its call has ended")
    assert user_server.post("/api/sessions/plain/stop", {}).status == 200


def test_a_client_that_only_sends_no_more_gets_its_answer(user_server):
    user_server.agentctl.run("plain", "sleep", "1000")
    with user_server.socket() as client:
        client.sendall(b"POST /api/sessions/plain/stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")


def test_streams_are_bounded(user_server):
    agentctl = user_server.agentctl
    agentctl.run("quiet", "sleep", "1000")
    streams = [user_server.stream("/api/events") for _ in range(64)]
    assert user_server.get("/api/sessions/quiet/log-stream").status == 503
    assert user_server.get("/api/sessions/quiet").status == 200
    streams.pop().close()
    eventually(lambda: (stream := user_server.ask("HEAD", "/api/sessions/quiet/log-stream")).status == 200)
    for stream in streams:
        stream.close()
    eventually(lambda: not pids_with_argument("events"), what="nobody follows")


def test_events_are_told_as_they_happen(server):
    agentctl = server.agentctl
    mine, others = server.stream("/api/events?project=shop"), server.stream("/api/events?project=other")
    turn = 0

    def hears():  # the call behind it has begun to follow when it tells the first
        nonlocal turn
        turn += 1
        agentctl.run(f"probe{turn}", "true", options=["-p", "other"])
        others.response.fp.raw._sock.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            return others.next()
        return None
    try:
        eventually(hears, 10)
    finally:
        others.close()
    agentctl.run("web", "sleep", "1000", options=["-p", "shop"])
    assert json.loads(mine.next()[1])["state"] == "starting"
    assert json.loads(mine.next()[1])["state"] == "running"
    server.post("/api/sessions/web/stop")
    while (event := json.loads(mine.next()[1]))["state"] == "stopping":
        pass
    assert (event["name"], event["state"]) == ("web", "stopped")
    mine.close()


def test_metrics_are_those_of_the_sessions(server):
    server.agentctl.run("web", "sleep", "1000", options=["-p", "shop"])
    answer = server.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = answer.body.decode()
    assert 'agentctl_sessions{state="running"} 1\n' in text
    assert re.search(r'^agentctl_session_up\{name="web",project="shop",agent=""\} 1$', text, re.M)
    assert re.search(r'^agentctl_session_cpu_seconds_total\{name="web",.*\} \d+\.\d{9}$', text, re.M)


def test_malformed_requests_are_refused_and_harm_nobody(user_server):
    for request in (b"\r\n\r\n\r\n", b"GARBAGE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9,
                    b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
                    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    b"GET /%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                    b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n"):
        answer = user_server.raw(request + (b"Connection: close\r\n\r\n" if request.startswith(b"GET http:") else b""), 40)
        assert answer.startswith(b"HTTP/1.1 400 ") or (request.startswith(b"\r\n") and answer.startswith(b"HTTP/1.1 4")), (request, answer[:100])
    assert user_server.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 9000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")
    assert user_server.get("/api/sessions").status == 200


def test_bodies_are_bounded(user_server):
    user_server.agentctl.run("web", "sleep", "1000")
    fits = {"reason": "x" * 200, "timeout": " " * 64000}
    assert user_server.post("/api/sessions/web/stop", fits).status == 400
    assert user_server.post("/api/sessions/web/stop", "x" * 65537).status == 413
    assert user_server.post("/api/sessions/web/stop", "x" * 5_000_000).status == 413
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    chunked = b"POST /api/sessions/web/stop HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 2
    assert user_server.raw(chunked).startswith(b"HTTP/1.1 413 ")
    assert user_server.agentctl.status("web")["state"] == "running"
    expecting = b"POST /api/sessions/web/kill HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 17\r\n\r\n"
    with user_server.socket() as client:
        client.sendall(expecting)
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b'{"signal":"CONT"}')
        assert b"HTTP/1.1 200 " in read_all(client)


@pytest.mark.slow
def test_slow_clients_are_sent_away(user_server):
    with user_server.socket() as silent, user_server.socket() as slow, user_server.socket() as half:
        began = time.monotonic()
        slow.sendall(b"GET / HT")
        half.sendall(b"POST /api/sessions/web/stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        for client in (slow, half):
            assert read_all(client).startswith(b"HTTP/1.1 408 ")
        assert 9 < time.monotonic() - began < 15
        assert user_server.get("/").status == 200
        silent.settimeout(40)
        assert silent.recv(1) == b"" and 28 < time.monotonic() - began < 40


def test_connections_are_kept_and_requests_may_wait_in_line(user_server):
    connection = user_server.connection()
    for _ in range(3):
        connection.request("GET", "/api/sessions")
        response = connection.getresponse()
        assert response.status == 200 and response.read()
    connection.close()
    request = b"GET /page.css HTTP/1.1\r\nHost: localhost\r\n"
    answers = user_server.raw((request + b"\r\n") * 4 + request + b"Connection: close\r\n\r\n")
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 5
    head = user_server.raw(b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert head.endswith(b"\r\n\r\n") and int(re.search(rb"Content-Length: (\d+)", head)[1]) > 1000


@pytest.fixture
def many_descriptors():
    import resource
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_thousand_connections_and_one_more(user_server, many_descriptors):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(user_server.socket()) for _ in range(1000)]
        request = b"GET /page.css HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for client in clients:
            client.sendall(request)
        for client in clients:
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        assert user_server.get("/api/sessions").status == 200
        for client in clients:
            client.sendall(request)
            assert client.recv(100)


def test_who_holds_connections_and_asks_for_nothing_locks_nobody_out(tcp_server, many_descriptors):
    """Anybody on this host can connect; the one that has been idle the longest gives way."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(tcp_server.socket()) for _ in range(2000)]
        for client in clients[::2]:
            client.sendall(b"GET / HT")
        for _ in range(50):
            assert tcp_server.get("/api/sessions").status == 200
        clients[0].settimeout(5)
        with contextlib.suppress(ConnectionResetError):  # with what it has not read
            assert clients[0].recv(1) == b""
        assert tcp_server.get("/page.css").status == 200
        clients[-1].sendall(b"GET /page.css HTTP/1.1\r\nHost: 127.0.0.1:7331\r\n\r\n")
        assert clients[-1].recv(100).startswith(b"HTTP/1.1 200 ")
