"""`serve`: who may come in, and where it listens."""

import os
import socket
import stat
import subprocess

from agentctl import is_alive
from http_client import Answer, Server, UnixConnection, socket_of


def test_the_socket_is_its_users_alone(user_server, other_agentctl):
    path = user_server.address
    status = os.stat(path)
    assert stat.S_IMODE(status.st_mode) == 0o600 and status.st_uid == user_server.agentctl.account.uid
    curl = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b'GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n'); print(s.recv(50))"
    # The folder around it already keeps others out; the server asks the kernel as well.
    os.chmod(path, 0o666)
    os.chmod(os.path.dirname(path), 0o711)
    try:
        assert "403 Forbidden" in other_agentctl.account.run(["python3", "-c", curl, path]).out
        assert "200 OK" in user_server.agentctl.account.run(["python3", "-c", curl, path]).out
    finally:
        os.chmod(os.path.dirname(path), 0o700)


def test_pages_of_others_are_refused(user_server):
    assert user_server.get("/", Host="evil.example").status == 421
    assert user_server.get("/api/sessions", Host="evil.example:7331").json()["code"] == "host-not-allowed"
    answer = user_server.get("/api/sessions", Origin="http://evil.example")
    assert answer.status == 403 and answer.json()["error"] == "Origin not allowed"
    assert user_server.get("/api/sessions", Origin="null").status == 403
    assert user_server.get("/api/sessions", Host="localhost:8080", Origin="http://localhost:8080").status == 200
    for site in ("cross-site", "same-site"):
        answer = user_server.get("/api/events", **{"Sec-Fetch-Site": site})
        assert answer.status == 403 and answer.json()["code"] == "origin-not-allowed"
        assert user_server.get("/", **{"Sec-Fetch-Site": site}).status == 200  # a link to it
    assert user_server.get("/api/sessions", **{"Sec-Fetch-Site": "same-origin"}).status == 200


def test_targets_may_be_absolute(user_server):
    """RFC 9112, 3.2.2; the host in it is the one that counts."""
    ask = "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n"
    for target, host, status in (("http://localhost/api/sessions", "localhost", 200), ("http://localhost", "other", 200),
                                 ("http://evil.example/", "localhost", 421), ("http://x@localhost/", "localhost", 421),
                                 ("http:///", "localhost", 421), ("https://localhost/", "localhost", 400), ("*", "localhost", 400)):
        answer = user_server.raw(ask.format(target, host).encode())
        assert answer.startswith(b"HTTP/1.1 %d " % status), (target, answer)


def test_tcp_needs_the_token(tcp_server):
    token = tcp_server.headers.pop("Authorization")
    path = f"{tcp_server.agentctl.registry}/http-token"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and token == "Bearer " + open(path, encoding="ascii").read().strip()
    for target in ("/", "/page.js", "/page.css"):
        assert tcp_server.get(target).status == 200
    for header in (None, "Bearer", "Bearer ", "Bearer " + "0" * 64, token[:-1], token + "0", token.upper(), "Basic " + token[7:]):
        for target in ("/api/sessions", "/metrics", "/api/events", "/nix", "/api/sessions/web/log-stream"):
            answer = tcp_server.get(target, **({"Authorization": header} if header else {}))
            assert answer.status == 401 and answer.headers["WWW-Authenticate"] == "Bearer", (target, header)
    assert tcp_server.get("/api/sessions", Authorization=token).status == 200
    assert tcp_server.get("/api/sessions", Authorization=token, Host="localhost:7331").status == 200
    for host in ("evil.example:7331", "127.0.0.1", "127.0.0.1:80", "localhost"):
        assert tcp_server.get("/", Host=host).status == 421, host
    assert tcp_server.get("/api/sessions", Authorization=token, Origin="http://localhost:9").status == 403
    commands = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert token[7:] not in commands


def test_addresses_that_others_reach_are_refused(user_agentctl):
    for address in ("0.0.0.0:7331", "[::]:7331", "192.0.2.1:7331"):
        result = user_agentctl("serve", "--listen", address)
        assert result.status == 2 and "no loopback address" in result.err, result
    assert user_agentctl("serve", "--listen", "localhost:7331").status == 2
    server = Server(user_agentctl, 7331, "--listen", "0.0.0.0:7331", "--i-know")
    try:
        assert server.get("/").status == 200 and server.get("/api/sessions").status == 401
    finally:
        server.process.terminate()
        assert b"without encryption" in server.process.communicate(timeout=10)[1]


def test_a_second_server_does_not_take_the_first_ones_place(user_server):
    result = user_server.agentctl("serve")
    assert result.status == 4 and "another process listens there" in result.err
    assert user_server.get("/").status == 200


def test_what_a_dead_server_left_is_replaced(user_agentctl):
    server = Server(user_agentctl, socket_of(user_agentctl))
    server.process.kill()
    server.process.communicate()
    assert os.path.exists(server.address)
    server = Server(user_agentctl, socket_of(user_agentctl))
    assert server.get("/").status == 200
    server.stop()
    assert not os.path.exists(server.address)


def test_the_shipped_units_start_it_for_a_client_and_it_ends_when_idle(agentctl, folder):
    agentctl.systemctl("daemon-reload")
    assert agentctl.systemctl("is-enabled", "agentctl_http.socket").out == "disabled\n"
    agentctl.run("web", "sleep", "1000", options=["--ttl", "1h", "--port", "3998"], cwd=folder)
    assert agentctl.systemctl("start", "agentctl_http.socket").status == 0
    try:
        path = socket_of(agentctl)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert agentctl.show("agentctl_http.service", "ActiveState")["ActiveState"] == "inactive"
        client = UnixConnection(path)

        def ask(method, target, body=None):
            client.request(method, target, body)
            answer = Answer(client.getresponse())
            assert answer.status == 200, answer
            return answer.json()
        assert ask("GET", "/api/sessions")["items"][0]["name"] == "web"
        assert agentctl.show("agentctl_http.service", "ActiveState")["ActiveState"] == "active"
        assert ask("POST", "/api/sessions/web/extend", '{"by":"1h"}')["state"] == "running"
        assert ask("POST", "/api/sessions/web/restart")["attempt"] == 2
        assert ask("POST", "/api/sessions/web/stop")["state"] == "stopped"
        assert ask("POST", "/api/sessions/web/restart")["state"] == "running"  # a new one, which is no part of the service
        client.close()
        pid = int(agentctl.show("agentctl_http.service", "MainPID")["MainPID"])
        assert agentctl.systemctl("stop", "agentctl_http.service").status == 0 and not is_alive(pid)
        assert agentctl.status("web")["state"] == "running"
    finally:
        agentctl.systemctl("stop", "agentctl_http.socket", "agentctl_http.service")


def test_it_ends_when_nobody_has_come_for_so_long(user_agentctl):
    server = Server(user_agentctl, socket_of(user_agentctl), "--idle", "300ms")
    user_agentctl.run("late", "sh", "-c", "sleep 1; echo late; sleep 1000")
    stream = server.stream("/api/sessions/late/log-stream")
    assert [stream.next(), stream.next()] == [("message", '""'), ("message", '"late\\n"')], "with a client it goes on"
    stream.close()
    assert server.process.wait(15) == 0
    server.process.communicate()
