"""Real servers as sessions, each with the check that suits it. Which are here depends on the host; a missing one is a skip."""

import glob
import json
import os
import shutil
import socket
import urllib.request

import pytest


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program(name, *patterns):
    found = shutil.which(name, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    for pattern in patterns:
        found = next(iter(sorted(glob.glob(pattern))), found)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def test_node(agentctl, port, folder):
    program("node")
    with open(f"{folder}/package.json", "w", encoding="ascii") as file:
        file.write('{"scripts": {"dev": "node server.js"}}')
    with open(f"{folder}/server.js", "w", encoding="ascii") as file:
        file.write("require('http').createServer((q, r) => r.end(process.env.PORT)).listen(process.env.PORT, 'localhost')")
    agentctl.ok("run", "-n", "web", "-C", folder, "--port", str(port), "--ready", f"http://localhost:{port}/", "--", "npm", "run", "dev")
    with urllib.request.urlopen(f"http://localhost:{port}/", timeout=5) as answer:
        assert answer.read() == str(port).encode()
    agentctl.ok("stop", "web")
    assert not agentctl.units()


def test_postgresql(user_agentctl, folder):
    agentctl = user_agentctl  # it refuses to run as root
    server = program("postgres", "/usr/lib/postgresql/*/bin/postgres")
    folder_of = os.path.dirname(server)
    result = agentctl.account.run([f"{folder_of}/initdb", "-D", f"{folder}/db", "--no-sync", "-A", "trust"], timeout=120)
    assert result.status == 0, result
    agentctl.ok("run", "-n", "db", "--ready", f"cmd:{folder_of}/pg_isready -q -h {folder} -p 5499", "--", server, "-D", f"{folder}/db",
                "-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "port=5499", timeout=120)
    answer = agentctl.account.run([f"{folder_of}/psql", "-h", folder, "-p", "5499", "-U", agentctl.account.name, "-Atc", "select 6*7", "postgres"])
    assert answer.out == "42\n", answer
    agentctl.ok("restart", "db")
    agentctl.ok("stop", "db")
    assert agentctl.status("db")["state"] == "stopped"
    agentctl.ok("run", "-n", "again", "--ready", f"unix:{folder}/.s.PGSQL.5499", "--", server, "-D", f"{folder}/db", "-c", "listen_addresses=",
                "-c", f"unix_socket_directories={folder}", "-c", "port=5499", timeout=120)
    assert agentctl.status("again")["healthy"] is True, "it was shut down cleanly, and came up again"


def test_redis(agentctl, port, folder):
    server = program("redis-server")
    agentctl.ok("run", "-n", "cache", "-C", folder, "--ready", f"tcp:{port}", "--", server, "--port", str(port), "--save", "")
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(b"PING\r\n")
        assert client.recv(16) == b"+PONG\r\n"


def test_nginx(agentctl, port, folder):
    server = program("nginx")
    with open(f"{folder}/nginx.conf", "w", encoding="ascii") as file:
        file.write(f"daemon off; pid {folder}/pid; error_log stderr; events {{}}\n"
                   f"http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;\n"
                   f"uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; server {{ listen 127.0.0.1:{port}; return 204; }} }}\n")
    agentctl.ok("run", "-n", "proxy", "--ready", f"http://127.0.0.1:{port}/", "--", server, "-e", "stderr", "-c", f"{folder}/nginx.conf")
    assert agentctl.status("proxy")["healthy"] is True
    agentctl.ok("stop", "proxy")
    assert not agentctl.units()


def test_four_servers_as_the_services_of_one_file(user_agentctl, port, folder):
    agentctl = user_agentctl
    postgres = program("postgres", "/usr/lib/postgresql/*/bin/postgres")
    programs = os.path.dirname(postgres)
    node, redis, nginx = program("node"), program("redis-server"), program("nginx")
    result = agentctl.account.run([f"{programs}/initdb", "-D", f"{folder}/db", "--no-sync", "-A", "trust"], timeout=120)
    assert result.status == 0, result
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        redis_port = probe.getsockname()[1]
    with open(f"{folder}/nginx.conf", "w", encoding="ascii") as file:
        file.write(f"daemon off; pid {folder}/pid; error_log stderr; events {{}}\n"
                   f"http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;\n"
                   f"uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; server {{ listen unix:{folder}/web.sock; return 204; }} }}\n")
    script = f"require('http').createServer((q, r) => r.end('ok')).listen({port}, '127.0.0.1')"

    def service(name, command, health, **more):
        return {"name": name, "cmd": "sh", "args": ["-c", f"exec {command}"], "cwd": folder, "healthcheck": {"timeout_s": 60, **health}, **more}
    specs = [
        {**service("web", "", {"type": "http", "url": f"http://127.0.0.1:{port}/", "expect_status": 200}, ports=[port]), "cmd": node, "args": ["-e", script]},
        service("db", f"{postgres} -D {folder}/db -c listen_addresses= -c unix_socket_directories={folder} -c port=5498",
                {"type": "command", "cmd": f"sh -c '{programs}/pg_isready -h {folder} -p 5498'", "shell": True, "expect_regex": "accepting connections$"}),
        service("cache", f"{redis} --port {redis_port} --save ''", {"type": "tcp", "port": redis_port}, ports=[redis_port]),
        service("proxy", f"{nginx} -e stderr -c {folder}/nginx.conf", {"type": "unix", "path": f"{folder}/web.sock"}),
    ]
    with open(f"{folder}/services.json", "w", encoding="ascii") as file:
        json.dump({"agentctl": 1, "specs": specs}, file)
    answer = json.loads(agentctl.ok("apply", "--json", "--require-git-workdir=no", "-p", "shop", f"{folder}/services.json", timeout=120))
    assert {one["name"]: one["outcome"] for one in answer["services"]} == dict.fromkeys(("web", "db", "cache", "proxy"), "healthy"), answer
    block = agentctl.ok("context", "-p", "shop")
    assert all(f"**{name}**" in block for name in ("web", "db", "cache", "proxy")), block
    agentctl.ok("stop", "-p", "shop")
    assert not agentctl.units()
