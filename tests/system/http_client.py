"""A client of `agentctl serve`, on a Unix socket or on TCP."""

import contextlib
import http.client
import json
import signal
import socket


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=20):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:500]!r}"


class Server:
    """A running `agentctl serve`: `address` is a path or a port."""

    def __init__(self, agentctl, address, *options):
        self.agentctl, self.address = agentctl, address
        self.headers = {}
        self.process = agentctl.popen("serve", *options)
        assert self.process.stdout.readline()

    def connection(self):
        if isinstance(self.address, str):
            return UnixConnection(self.address)
        return http.client.HTTPConnection("127.0.0.1", self.address, timeout=20)

    def socket(self):
        connection = self.connection()
        connection.connect()
        return connection.sock

    def ask(self, method, target, body=None, headers=None):
        connection = self.connection()
        with contextlib.closing(connection):
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            connection.request(method, target, body, {**self.headers, **(headers or {})})
            return Answer(connection.getresponse())

    def get(self, target, **headers):
        return self.ask("GET", target, headers=headers)

    def post(self, target, body=None):
        return self.ask("POST", target, body)

    def raw(self, request, timeout=20):
        """All that comes back for these bytes, until the server closes."""
        with self.socket() as client:
            client.settimeout(timeout)
            client.sendall(request)
            return read_all(client)

    def stream(self, target):
        return Events(self, target)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(10) == 0
        self.process.communicate()


class Events:
    """The events of a stream, read one after another."""

    def __init__(self, server, target):
        self.connection = server.connection()
        self.connection.request("GET", target, headers=server.headers)
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.read()
        assert self.response.headers["Content-Type"] == "text/event-stream"

    def next(self):
        """(name, data), or None at the end."""
        event = {}
        while True:
            line = self.response.readline().decode()
            if not line:
                return None
            if line == "\n" and event:
                return event.get("event", "message"), event.get("data")
            key, _, value = line.rstrip("\n").partition(": ")
            if key in ("event", "data"):
                event[key] = value

    def text_until_done(self):
        text = ""
        while (event := self.next()) != ("done", "removed"):
            assert event is not None and event[0] == "message", event
            text += json.loads(event[1])
        assert self.next() is None
        return text

    def close(self):
        self.response.close()
        self.connection.close()


def read_all(client):
    received = b""
    while True:
        try:
            piece = client.recv(65536)
        except ConnectionResetError:
            return received
        if not piece:
            return received
        received += piece


def socket_of(agentctl):
    return "/run/agentctl-http.sock" if agentctl.scope == "system" else f"{agentctl.account.runtime_dir}/agentctl-http.sock"
