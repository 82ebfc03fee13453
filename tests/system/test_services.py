"""apply: services of a file, as one decision. The numbers are those of docs/CONTRACT.md, Managed services."""

import collections
import concurrent.futures
import datetime
import json
import os
import socket
import time

import pytest

from agentctl import eventually

SERVER = "import http.server,sys; http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()"


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def http(name, port, status=200, **more):
    return {"name": name, "cmd": "python3", "args": ["-c", SERVER, str(port)],
            "healthcheck": {"type": "http", "url": f"http://127.0.0.1:{port}/", "expect_status": status, "timeout_s": more.pop("timeout_s", 20)},
            **more}


def shell(name, script, check="true", **more):
    health = {"type": "command", "cmd": f"sh -c {json.dumps(check)}", "shell": True, "expect_regex": "(?:)", "timeout_s": more.pop("timeout_s", 5)}
    return {"name": name, "cmd": "sh", "args": ["-c", script], "healthcheck": health, **more}


@pytest.fixture
def apply(agentctl, folder):
    def run(specs, *options, extended=False, **top):
        path = f"{folder}/services.json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**({"agentctl": 1} if extended else {}), "specs": specs, **top}, file)
        result = agentctl("apply", "--json", "--require-git-workdir=no", *options, path, cwd=folder)
        return result.status, (json.loads(result.out) if result.out else json.loads(result.err)["error"])
    return run


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def outcomes(answer):
    return {service["name"]: service["outcome"] for service in answer["services"]}


def test_all_start_and_are_healthy(agentctl, apply):
    a, b = free_ports(2)
    status, answer = apply([http("a", a, ports=[a], attrs={"base_url": f"http://127.0.0.1:{a}"}), http("b", b, ttl_minutes=10)],
                           "-p", "shop", written_by="ripley", wi_id="W-1")
    assert (status, answer["status"], answer["reason"]) == (0, "ok", None) and outcomes(answer) == {"a": "healthy", "b": "healthy"}
    session = agentctl.status("a")
    assert (session["project"], session["agent"], session["work_item"], session["ports"]) == ("shop", "ripley", "W-1", [a])
    assert session["attrs"] == {"base_url": f"http://127.0.0.1:{a}"} and session["ttl_s"] == 240 * 60
    assert agentctl.status("b")["ttl_s"] == 600 and agentctl.status("b")["health"]["type"] == "http"


def test_one_that_never_gets_healthy_is_ended_and_the_others_stay(agentctl, apply):  # M23, 2
    a, b = free_ports(2)
    began = time.monotonic()
    status, answer = apply([http("a", a), http("b", b, status=204, timeout_s=1)])
    assert (status, answer["status"]) == (1, "partial") and outcomes(answer) == {"a": "healthy", "b": "failed"}
    assert answer["reason"] == "managed_spawn_healthcheck_failed: b (1/2)"
    assert answer["services"][1]["reason"] == "timeout: spec b did not become healthy within 1s (last: http status 200 (expected 204))"
    assert answer["services"][1]["session"]["reason"] == "not healthy within 1s: http status 200 (expected 204)"
    assert any("GET / HTTP" in line for line in answer["services"][1]["log_tail"])
    assert 1 <= time.monotonic() - began < 7 and agentctl.units() == {"agentctl-a.service"}


def test_all_failed_is_failed(apply):
    status, answer = apply([shell("a", "exit 3"), shell("b", "seq 1 100; exit 4", check="false")])
    assert (status, answer["status"]) == (1, "failed")
    assert answer["services"][1]["reason"] == "process exited before first health (code=4, signal=null)"  # M22
    assert answer["services"][1]["session"]["reason"] == "exited with status 4 before it was healthy"
    assert answer["services"][1]["log_tail"] == [str(n) for n in range(51, 101)]  # M25: 50 lines


def test_nothing_starts_unless_all_is_valid(agentctl, apply):
    status, answer = apply([shell("a", "sleep 1000"), {**shell("b", "x"), "cmd": "perl"}])
    assert (status, answer["ok"], answer["status"]) == (2, False, "invalid")
    assert (answer["reason"], answer["pointer"]) == ("spec[1]: cmd-not-on-allowlist (perl)", "/specs/1/cmd")
    status, answer = apply([shell("a", "sleep 1000"), {**shell("b", "x"), "cmd": "/nonexistent/node"}])  # 7
    assert status == 127 and "/nonexistent/node" in answer["object"] + answer["message"]
    assert not agentctl.names("-a")


def test_what_cannot_be_executed_undoes_the_batch(agentctl, apply, folder):
    os.makedirs(f"{folder}/bin")
    with open(f"{folder}/bin/node", "w", encoding="ascii") as file:
        file.write("garbage")
    os.chmod(f"{folder}/bin/node", 0o755)
    status, answer = apply([shell("a", "sleep 1000"), {**shell("b", "x"), "cmd": f"{folder}/bin/node"}])
    assert (status, answer["status"]) == (1, "failed") and outcomes(answer) == {"a": "undone", "b": "failed"}
    assert "Exec format error" in answer["services"][1]["reason"] and not agentctl.units()


def test_the_same_again_is_reused_and_another_is_refused(agentctl, apply):  # M17, X20, 6
    spec = shell("a", "exec sleep 1000")
    assert apply([spec], "-p", "shop")[0] == 0
    before = agentctl.status("a")
    status, answer = apply([spec], "-p", "shop")
    assert status == 0 and outcomes(answer) == {"a": "reused"} and answer["services"][0]["session"]["id"] == before["id"]
    for change, project in (({**spec, "ttl_minutes": 5}, "shop"), ({**spec, "args": ["-c", "sleep 9"]}, "shop"), (spec, "other")):
        status, answer = apply([shell("new", "exec sleep 1000"), change], "-p", project)
        assert status == 4 and "another session of that name lives" in answer["reason"], answer
        assert agentctl.names() == ["a"]
    assert agentctl.status("a")["pid"] == before["pid"]


def test_two_at_once_start_one(agentctl, apply, folder):
    spec = shell("a", "exec sleep 1000")
    apply([spec], "--check")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: agentctl("apply", "--json", "--require-git-workdir=no", f"{folder}/services.json", cwd=folder), range(8)))
    assert agentctl.units() == {"agentctl-a.service"} and len(agentctl.list()) == 1
    assert any(result.status == 0 for result in results)


def test_the_environment_is_that_of_the_spec(agentctl, apply):  # M12, 15
    assert apply([shell("a", "env; exec sleep 1000", env={"VITE_URL": "a b\nc"})])[0] == 0
    eventually(lambda: b"VITE_URL" in agentctl.logs("a"), what="its output")
    names = {line.split(b"=")[0].decode() for line in agentctl.logs("a").splitlines() if b"=" in line}
    assert names - {"_", "PWD", "SHLVL", "OLDPWD"} <= {"VITE_URL", "PATH", "HOME", "TEMP", "TMP", "AGENTCTL_SESSION", "AGENTCTL_NAME",
                                                      "AGENTCTL_UNIT", "AGENTCTL_PROJECT"}, names
    assert b"VITE_URL=a b\nc\n" in agentctl.logs("a")


def test_an_endless_body_is_healthy_at_its_headers(apply):  # X12
    (port,) = free_ports(1)
    script = ("import socket,time\ns=socket.create_server(('127.0.0.1',%d))\n"
              "while True:\n c,_=s.accept(); c.recv(4096); c.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\ndata'); time.sleep(1000)" % port)
    spec = {**http("a", port), "args": ["-c", script]}
    began = time.monotonic()
    assert apply([spec])[0] == 0 and time.monotonic() - began < 10


def test_a_stranger_on_the_port_is_not_health(agentctl, apply):  # X13
    (port,) = free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        for health in ({"type": "tcp", "port": port}, {"type": "http", "url": f"http://127.0.0.1:{port}/", "expect_status": 200}):
            spec = {"name": "b", "cmd": "sh", "args": ["-c", "sleep 1000"], "healthcheck": {**health, "timeout_s": 1}}
            status, answer = apply([spec], extended=True)
            assert status == 1, answer
        status, answer = apply([{**spec, "healthcheck": {"type": "tcp", "port": port, "timeout_s": 1}}], extended=True)
        assert f"port {port} is held by " in answer["services"][0]["reason"]
    assert not agentctl.units()


def test_stop_takes_what_left_its_process_group(agentctl, apply):  # X1, X2
    assert apply([shell("a", "setsid sleep 4444 & (setsid sh -c 'trap \"\" TERM; sleep 4445' &) ; exec sleep 1000")])[0] == 0
    def sleeps():
        return [pid for pid in os.listdir("/proc") if pid.isdigit() and command_of(pid) in (b"sleep\x004444\0", b"sleep\x004445\0")]
    eventually(lambda: len(sleeps()) == 2, what="both have left")
    agentctl.ok("stop", "a")
    assert not sleeps()


def test_its_death_is_noticed_when_it_dies(agentctl, apply, folder):  # X4, X9, X10, X11
    assert apply([shell("a", f"while [ ! -e {folder}/die ]; do sleep 0.05; done; exit 7")])[0] == 0
    open(f"{folder}/die", "w", encoding="ascii").close()
    session = agentctl.wait_ended("a", 3)
    assert (session["state"], session["exit"]["code"], session["healthy"]) == ("failed", 7, False)


def seconds_between(earlier, later):
    return (datetime.datetime.fromisoformat(later.replace("Z", "+00:00")) - datetime.datetime.fromisoformat(earlier.replace("Z", "+00:00"))).total_seconds()


def test_time_limit(agentctl, apply):  # X8, X19
    assert apply([shell("a", "exec sleep 1000", ttl_minutes=1)])[0] == 0
    session = agentctl.status("a")
    assert session["ttl_s"] == 60 and 58 <= seconds_between(session["started_at"], session["expires_at"]) <= 62
    agentctl.ok("restart", "a")
    session = agentctl.status("a")
    assert session["ttl_s"] == 60 and session["healthy"] is True
    assert 58 <= seconds_between(session["started_at"], session["expires_at"]) <= 62
    assert apply([shell("b", "exec sleep 1000", ttl_minutes=0.5)])[0] == 0
    assert agentctl.status("b")["ttl_s"] == 60, "half a minute is neither none nor the default"


def test_a_port_that_is_taken_starts_nothing(agentctl, apply):  # X23
    (port,) = free_ports(1)
    status, answer = apply([shell("a", "exec sleep 1000", ports=[port]), shell("b", "exec sleep 1000", ports=[port, port])])
    assert status == 4 and f"port {port} is asked for by 'a' too" in answer["reason"], answer
    with socket.create_server(("127.0.0.1", port)):
        status, answer = apply([shell("a", "exec sleep 1000"), shell("b", "exec sleep 1000", ports=[port])])
        assert status == 4 and f"port {port} is in use" in answer["reason"], answer
    assert not agentctl.names("-a")
    assert apply([shell("b", "exec sleep 1000", ports=[port, port])])[0] == 0
    status, answer = apply([shell("a", "exec sleep 1000"), shell("c", "exec sleep 1000", ports=[port])])
    assert status == 4 and "is held by session 'b'" in answer["reason"], answer
    assert agentctl.names() == ["b"]


def test_a_name_can_begin_an_id(agentctl, apply):
    for _ in range(17):  # one more than there are digits
        agentctl.ok("run", "--wait", "--", "true")
    counts = collections.Counter(session["id"][0] for session in agentctl.list("-a"))
    name = next(digit for digit, count in counts.most_common() if count > 1)
    assert apply([shell(name, "exec sleep 1000")])[0] == 0


def test_the_same_file_in_another_folder_is_another_service(agentctl, apply, folder):
    spec = shell("a", "exec sleep 1000")
    assert apply([spec])[0] == 0
    os.makedirs(f"{folder}/other")
    result = agentctl("apply", "--json", "--require-git-workdir=no", f"{folder}/services.json", cwd=f"{folder}/other")
    assert result.status == 4 and f", in {folder})" in result.err


def test_needs_start_in_their_order(agentctl, apply, folder):
    specs = [shell("web", f"test -e {folder}/db && exec sleep 1000", needs=["db"]),
             shell("db", f"sleep 0.3; touch {folder}/db; exec sleep 1000", check=f"test -e {folder}/db")]
    status, answer = apply(specs, extended=True)
    assert status == 0 and outcomes(answer) == {"web": "healthy", "db": "healthy"}
    agentctl.ok("stop", "web", "db")
    specs[1] = shell("db", "exit 3")
    status, answer = apply(specs, extended=True)
    assert status == 1 and answer["services"][0]["reason"] == "needs 'db', which is not healthy"
    assert answer["services"][0]["session"] is None
    assert "web" not in agentctl.names()


def test_limits_and_sandbox_are_the_units(agentctl, apply):
    status, answer = apply([shell("a", "exec sleep 1000", limits={"memory_max": "64M", "tasks_max": 50, "cpu_quota": 150})], extended=True)
    assert status == 0, answer
    shown = agentctl.show("agentctl-a.service", "MemoryMax", "TasksMax", "CPUQuotaPerSecUSec")
    assert shown == {"MemoryMax": str(64 << 20), "TasksMax": "50", "CPUQuotaPerSecUSec": "1.500000s"}


def test_a_sandbox_holds(system_agentctl, tmp_path):
    path = tmp_path / "services.json"
    script = "touch /usr/x 2>/dev/null && echo wrote; touch /tmp/inside; ls /tmp; exec sleep 1000"
    path.write_text(json.dumps({"agentctl": 1, "specs": [shell("a", script, sandbox="strict")]}))
    result = system_agentctl("apply", "--require-git-workdir=no", str(path))
    assert result.status == 0, result
    assert system_agentctl.logs("a") == b"inside\n" and not os.path.exists("/tmp/inside")


def test_an_automatic_port(agentctl, apply):
    script = "import http.server,os; http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), http.server.SimpleHTTPRequestHandler).serve_forever()"
    connect = "import os,socket; socket.create_connection((socket.gethostbyname('localhost'), int(os.environ['PORT'])))"
    spec = {"name": "a", "cmd": "python3", "args": ["-c", script], "ports": ["auto"],
            "healthcheck": {"type": "command", "cmd": "python3", "args": ["-c", connect], "shell": False, "expect_regex": "(?:)", "timeout_s": 10}}
    assert apply([spec], extended=True)[0] == 0
    (port,) = agentctl.status("a")["ports"]
    assert "a" in agentctl.ok("port", str(port))


def test_the_prompts_block(agentctl, apply):  # M30, 16
    assert apply([shell("a", "exec sleep 1000", attrs={"base_url": "http://x:1"}, ports=[45001]), shell("b", "exec sleep 1000")], "-p", "shop")[0] == 0
    assert apply([shell("c", "exec sleep 1000")], "-p", "other")[0] == 0
    block = agentctl.ok("context", "-p", "shop")
    assert block.startswith("## Live managed processes for project shop\n\n- **a**\n") and "- **b**\n" in block and "**c**" not in block
    assert f"  - pid: {agentctl.status('a')['pid']}\n  - ports: 45001\n" in block
    short = agentctl.ok("context", "-p", "shop", "--max-bytes", "230")
    assert "- **a** - http://x:1 (ports 45001)\n" in short and len(short) <= 230 and "pid" not in short
    assert [session["name"] for session in json.loads(agentctl.ok("context", "-p", "shop", "--format", "json"))] == ["a", "b"]
    assert agentctl.ok("context", "-p", "nobody") == ""


def test_the_hints_own_example_is_valid(agentctl, folder):  # M31
    hint = agentctl.ok("hint", "--agent", "ripley", "--work-item", "W-1")
    example = hint.split("```json\n")[1].split("```")[0]
    os.makedirs(f"{folder}/tree/.git")
    with open(f"{folder}/x.json", "w", encoding="utf-8") as file:
        file.write(example.replace("/absolute/path", f"{folder}/tree"))
    assert agentctl.ok("apply", "--check", "--agent", "ripley", "--work-item", "W-1", f"{folder}/x.json") == "ok: 1 service\n"
    assert agentctl("apply", "--check", "--agent", "other", f"{folder}/x.json").status == 2


def test_a_project_ends_and_is_forgotten(agentctl, apply):  # M29
    assert apply([shell("a", "exec sleep 1000"), shell("b", "exec sleep 1000")], "-p", "shop")[0] == 0
    assert apply([shell("c", "exec sleep 1000")], "-p", "other")[0] == 0
    agentctl.ok("stop", "-p", "shop", "--remove")
    assert agentctl.names("-a") == ["c"]


def test_fifty_services_of_ten_projects_at_once(agentctl, folder):
    def run(project):
        specs = [shell(f"s{project}-{n}", "exec sleep 1000") for n in range(5)]
        path = f"{folder}/p{project}.json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"specs": specs}, file)
        return agentctl("apply", "--require-git-workdir=no", "-p", f"p{project}", path, cwd=folder, timeout=120)
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        for result in pool.map(run, range(10)):
            assert result.status == 0, result
    sessions = agentctl.list()
    assert len(sessions) == 50 and all(session["healthy"] for session in sessions)
    assert len(agentctl.list("-p", "p3")) == 5
    agentctl.ok("stop", "--all")
    assert not agentctl.units()
